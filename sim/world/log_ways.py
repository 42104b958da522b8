"""Recorded drives as ways: the lanes they led along, and where they go on after the log's end."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float

from drivelab.data.log_route import match_lanes
from drivelab.geometry.polyline import arc_lengths, project, sample, with_headings
from drivelab.geometry.poses import wrap_angle
from drivelab.types import LaneMap

MATCH_EVERY = 0.5  # recorded poses are put on lanes at this spacing [s]
HOPS = 4  # lanes that a recorded drive may have passed between two of them
VERTEX_SPACING = 0.5  # of the vertices of a recorded path, at least [m]
BEYOND_SPACING = 2.0  # of those added along lanes [m]
BLEND = 20.0  # an offset from the lane dies away over this length [m]
NEIGHBOURS = 3  # lanes that a drive may have changed across between two recorded poses


def driven_lanes(
    lane_map: LaneMap, poses: Float[np.ndarray, "t 3"], dt: float
) -> tuple[tuple[str, ...], bool]:
    """The lanes under recorded poses, each once in order, and whether they hold all of the drive.

    They do when a lane was found for every pose and each one follows, or lies beside, the one
    before; short lanes between two poses are filled in.
    """
    every = max(1, round(MATCH_EVERY / dt))
    at = np.unique(np.append(np.arange(0, len(poses), every), len(poses) - 1))
    found = match_lanes(lane_map, poses[at]).lanes
    lanes: list[str] = []
    whole = bool(found[0])
    for key in found:
        whole = whole and bool(key)
        if not key or (lanes and key == lanes[-1]):
            continue
        between = _between(lane_map, lanes[-1], key) if lanes else []
        whole = whole and between is not None
        lanes += [*(between or []), key]
    return tuple(lanes), whole


def _between(lane_map: LaneMap, first: str, last: str) -> list[str] | None:
    """Lanes that lead from one to another, neither included; None when they are not connected."""
    if last in _beside(lane_map, first):
        return []
    queue: deque[list[str]] = deque([[first]])
    while queue:
        path = queue.popleft()
        for key in lane_map.lanes[path[-1]].successors:
            if key == last:
                return path[1:]
            if key in lane_map.lanes and key not in path and len(path) <= HOPS:
                queue.append([*path, key])
    return None


def _beside(lane_map: LaneMap, lane: str) -> set[str]:
    found: set[str] = set()
    for side in ("left", "right"):
        key: str | None = lane
        for _ in range(NEIGHBOURS):
            here = lane_map.lanes.get(key or "")
            key = None if here is None else here.left if side == "left" else here.right
            if key is None:
                break
            found.add(key)
    return found


def lanes_beyond(
    lane_map: LaneMap,
    lane: str,
    pose: Float[np.ndarray, "3"],
    distance: float,
    blocks: Collection[str] = (),
) -> tuple[str, ...]:
    """Lanes after `lane` until `distance` [m] past the pose: of `blocks`, else the straightest.

    Shorter where the map ends or the way would come round to a lane it has had.
    """
    line = lane_map.lanes[lane].centreline
    covered = float(arc_lengths(line)[-1]) - project(line, pose[:2])[0]
    added: list[str] = []
    while covered < distance:
        options = [
            key
            for key in lane_map.lanes[added[-1] if added else lane].successors
            if key in lane_map.lanes and key != lane and key not in added
        ]
        if not options:
            break
        motor = [key for key in options if lane_map.lanes[key].kind != "bicycle"] or options
        wanted = [key for key in motor if lane_map.lanes[key].block in blocks] or motor
        added.append(min(wanted, key=lambda key: _bend(lane_map, key)))
        covered += float(arc_lengths(lane_map.lanes[added[-1]].centreline)[-1])
    return tuple(added)


def _bend(lane_map: LaneMap, key: str) -> float:
    line = lane_map.lanes[key].centreline
    return abs(float(wrap_angle(line[-1, 2] - line[0, 2])))


def recorded_path(poses: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "n 2"]:
    """Vertices of a recorded drive: forward steps of at least VERTEX_SPACING only.

    Standing actors wander by centimetres in a recording; that is no way.
    """
    kept = [0]
    for i in range(1, len(poses)):
        dx, dy = poses[i, :2] - poses[kept[-1], :2]
        yaw = poses[kept[-1], 2]
        ahead = dx * np.cos(yaw) + dy * np.sin(yaw) > 0.0
        if ahead and np.hypot(dx, dy) >= VERTEX_SPACING:
            kept.append(i)
    return poses[kept, :2]


def way_on(
    lane_map: LaneMap,
    path: Float[np.ndarray, "n 2"],
    end: Float[np.ndarray, "3"],
    lanes: Sequence[str],
    distance: float,
) -> Float[np.ndarray, "m 3"]:
    """A path carried on by `distance` [m] along lanes, or as far as they go.

    `end` is the pose at its last vertex, on the first of the lanes; without lanes the path goes
    straight on.
    """
    along = np.arange(BEYOND_SPACING, distance + BEYOND_SPACING, BEYOND_SPACING)
    heading = np.array([np.cos(end[2]), np.sin(end[2])])
    if not lanes:
        added = path[-1] + along[:, None] * heading
    else:
        line = np.concatenate([lane_map.lanes[key].centreline for key in lanes])
        line = line[np.concatenate([[True], np.hypot(*np.diff(line[:, :2], axis=0).T) > 1e-6])]
        begin = project(line, path[-1])[0]
        along = along[begin + along <= arc_lengths(line)[-1]]
        here = sample(line, begin)
        left = float(
            np.cos(here[2]) * (path[-1, 1] - here[1]) - np.sin(here[2]) * (path[-1, 0] - here[0])
        )
        poses = sample(line, begin + along)
        share = np.clip(along / BLEND, 0.0, 1.0)
        aside = left * (1.0 - share**3 * (10.0 - 15.0 * share + 6.0 * share**2))
        normal = np.column_stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])])
        added = poses[:, :2] + aside[:, None] * normal
    points = np.concatenate([path, added])
    if len(points) < 2:
        points = np.concatenate([path[-1:], path[-1:] + BEYOND_SPACING * heading])
    return with_headings(points)
