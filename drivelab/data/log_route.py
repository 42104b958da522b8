"""Which lanes a recorded ego drove on, and the route and command that follow from them.

The lanes are found for the whole log at once (a shortest path over candidate lanes, as in map
matching): lanes that overlap in an intersection look alike where they begin, and only what follows
tells which one was meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.polyline import Segments, arc_lengths, project, sample, segments
from drivelab.geometry.poses import relative, wrap_angle
from drivelab.types import Command, Lane, LaneMap

REACH = 3.0  # lanes further from the ego are no candidates [m]
FAR_REACH = 30.0  # the same when no lane at all is within REACH during the log [m]
MAX_TURN = 1.0  # headings of a candidate lane and the ego differ by less [rad]
OFFSET_SCALE, TURN_SCALE = 1.5, 0.35  # deviation that costs 1 [m], [rad]
OUTSIDE_COST, BICYCLE_COST = 2.0, 3.0  # ego outside the lane; a bicycle lane
FOLLOW_COST, CHANGE_COST, JUMP_COST = 0.1, 2.0, 12.0
BEYOND = 100.0  # the route goes on for this long after the recorded end [m]
LOOK_AHEAD, SIDEWAYS = 20.0, 2.0  # command: a route that is this far aside at that distance [m]


@dataclass(frozen=True, slots=True, eq=False)
class DrivenLanes:
    """The lane under every frame of a log ("" where there is none) and the path length so far."""

    lanes: tuple[str, ...]
    travelled: Float[np.ndarray, " t"]  # [m]


def match_lanes(lane_map: LaneMap, poses: Float[np.ndarray, "t 3"]) -> DrivenLanes:
    """Most plausible lane per frame: near, along the ego, and connected to the one before."""
    frames = [_candidates(lane_map, pose, REACH) for pose in poses]
    if not any(frames):
        frames = [_candidates(lane_map, pose, FAR_REACH) for pose in poses]
    chosen = [""] * len(poses)
    used = [i for i, found in enumerate(frames) if found]
    if used:
        for i, key in zip(used, _cheapest(lane_map, [frames[i] for i in used]), strict=True):
            chosen[i] = key
    return DrivenLanes(tuple(chosen), arc_lengths(poses[:, :2]))


def _candidates(
    lane_map: LaneMap, pose: Float[np.ndarray, "3"], reach: float
) -> list[tuple[str, float]]:
    """Lanes near the pose and roughly along it, each with its cost."""
    keys, polygons, tree = _lane_tree(lane_map)
    measured = _measured(lane_map)
    point = shapely.Point(pose[0], pose[1])
    found = []
    for i in np.sort(tree.query(point, "dwithin", distance=reach)):
        lane = lane_map.lanes[keys[i]]
        if lane.id not in measured:
            measured[lane.id] = (segments(lane.centreline), np.unwrap(lane.centreline[:, 2]))
        line, yaw = measured[lane.id]
        along, offset = line.project(pose[:2])
        turn = abs(float(wrap_angle(wrap_angle(np.interp(along, line.arcs, yaw)) - pose[2])))
        if turn > MAX_TURN:
            continue
        cost = (offset / OFFSET_SCALE) ** 2 + (turn / TURN_SCALE) ** 2
        cost += 0.0 if shapely.covers(polygons[i], point) else OUTSIDE_COST
        cost += BICYCLE_COST if lane.kind == "bicycle" else 0.0
        found.append((lane.id, cost))
    return found


def _lane_tree(lane_map: LaneMap) -> tuple[tuple[str, ...], np.ndarray, shapely.STRtree]:
    kept = lane_map.cache.get("log_route/lanes")
    if not isinstance(kept, tuple):
        polygons = np.array([lane.polygon for lane in lane_map.lanes.values()], dtype=object)
        kept = (tuple(lane_map.lanes), polygons, shapely.STRtree(polygons))
        lane_map.cache["log_route/lanes"] = kept
    return kept


def _measured(lane_map: LaneMap) -> dict[str, tuple[Segments, np.ndarray]]:
    """Centrelines and their unwrapped headings, of the lanes that were asked for so far."""
    kept = lane_map.cache.setdefault("log_route/measured", {})
    assert isinstance(kept, dict)
    return kept


def _cheapest(lane_map: LaneMap, frames: list[list[tuple[str, float]]]) -> list[str]:
    """Dynamic programming over the frames; equal costs keep map order."""
    total = np.array([cost for _, cost in frames[0]])
    back: list[np.ndarray] = []
    for before, now in pairwise(frames):
        step = np.array(
            [[_step_cost(lane_map, a, b) for a, _ in before] for b, _ in now], dtype=float
        )
        via = total[None, :] + step
        back.append(np.argmin(via, axis=1))
        total = via.min(axis=1) + np.array([cost for _, cost in now])
    best = int(np.argmin(total))
    picked = [best]
    for choice in reversed(back):
        picked.append(int(choice[picked[-1]]))
    return [frame[i][0] for frame, i in zip(frames, reversed(picked), strict=True)]


def _step_cost(lane_map: LaneMap, before: str, now: str) -> float:
    if before == now:
        return 0.0
    lane, target = lane_map.lanes[before], lane_map.lanes[now]
    if now in lane.successors:
        return FOLLOW_COST
    if lane.block == target.block:
        return CHANGE_COST
    if target.block in lane_map.blocks[lane.block].successors:
        return FOLLOW_COST + CHANGE_COST
    return JUMP_COST


def lanes_ahead(
    lane_map: LaneMap, driven: DrivenLanes, start: int, stop: int, end: Float[np.ndarray, "3"]
) -> list[str]:
    """Lanes from frame `start` to `BEYOND` metres past frame `stop - 1`, whose pose is `end`.

    Past the window the log's own later lanes are followed while they last, then the straightest
    successors.
    """
    limit = driven.travelled[stop - 1] + BEYOND
    later = np.flatnonzero(driven.travelled[stop:] <= limit) + stop
    frames = [*range(start, stop), *later.tolist()]
    lanes = _without_runs([driven.lanes[i] for i in frames if driven.lanes[i]])
    if not lanes or (len(later) and later[-1] < len(driven.lanes) - 1):
        return lanes
    at_log_end = len(driven.lanes) == stop
    left = BEYOND if at_log_end else limit - driven.travelled[-1]
    return lanes + _straight_on(lane_map, lanes[-1], end, left)


def _without_runs(keys: list[str]) -> list[str]:
    return [key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]


def _straight_on(
    lane_map: LaneMap, last: str, end: Float[np.ndarray, "3"], distance: float
) -> list[str]:
    """Straightest successors of a lane until `distance` [m] past the pose is covered."""
    lane = lane_map.lanes[last]
    covered = float(arc_lengths(lane.centreline)[-1]) - project(lane.centreline, end[:2])[0]
    added: list[str] = []
    while covered < distance:
        options = [key for key in lane.successors if key != last and key not in added]
        if not options:
            break
        motor = [key for key in options if lane_map.lanes[key].kind != "bicycle"] or options
        bends = [_bend(lane_map.lanes[key]) for key in motor]
        lane = lane_map.lanes[motor[int(np.argmin(bends))]]
        added.append(lane.id)
        covered += float(arc_lengths(lane.centreline)[-1])
    return added


def _bend(lane: Lane) -> float:
    return abs(float(wrap_angle(lane.centreline[-1, 2] - lane.centreline[0, 2])))


def route_blocks(lane_map: LaneMap, lanes: list[str]) -> tuple[str, ...]:
    """Blocks of the lanes, each once, in order."""
    return tuple(dict.fromkeys(lane_map.lanes[key].block for key in lanes))


def command_at(lane_map: LaneMap, lanes: list[str], pose: Float[np.ndarray, "3"]) -> Command:
    """LEFT or RIGHT when the route 20 m ahead lies 2 m or more aside, else STRAIGHT.

    Measured from the ego's projection on the route's centreline, in the frame of that centreline
    pose: neither the ego's own offset nor its heading plays a part.
    """
    path = _centreline(lane_map, lanes)
    if path is None:
        return Command.UNKNOWN
    along, _ = project(path, pose[:2])
    here, there = sample(path, np.array([along, along + LOOK_AHEAD]))
    aside = float(relative(here, there)[1])
    if aside >= SIDEWAYS:
        return Command.LEFT
    return Command.RIGHT if aside <= -SIDEWAYS else Command.STRAIGHT


def _centreline(lane_map: LaneMap, lanes: list[str]) -> Float[np.ndarray, "n 3"] | None:
    """Centreline from the first lane on along successors that stay in the route's blocks.

    A recorded lane change is not followed at once: the line stays in its lane while that lane has
    a successor on the route, so that changing lanes is no turn.
    """
    if not lanes:
        return None
    blocks = [lane_map.lanes[key].block for key in lanes]
    lane, place = lane_map.lanes[lanes[0]], 0
    pieces, seen = [lane.centreline], {lane.id}
    while True:
        ahead = {b: i for i, b in enumerate(blocks) if i > place and b != lane.block}
        options = [k for k in lane.successors if lane_map.lanes[k].block in ahead and k not in seen]
        if not options:
            break
        recorded = [key for key in options if key in lanes[place:]]
        lane = lane_map.lanes[(recorded or options)[0]]
        place = ahead[lane.block]
        pieces.append(lane.centreline)
        seen.add(lane.id)
    return np.concatenate(pieces)
