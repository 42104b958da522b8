"""Reactive background traffic: IDM vehicles that answer the ego, everybody else replayed.

By the constants of NAVSIM v2.2's `reactive` policy (target 10 m/s, gap 1 m, headway 1.5 s,
acceleration 1, deceleration 2 m/s^2, snap 3 m, path 20 m at least). Parity with the official policy
is NOT verified: it has no golden numbers. Departures: a vehicle's leader is found by projection on
its path instead of by polygon overlap, and where a lane forks the straightest successor is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.geometry.polyline import arc_lengths, project
from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.reactive import react
from drivelab.maps.index import Layer, objects_near
from drivelab.metrics.navsim.observation import ObjectFrames
from drivelab.metrics.navsim.rules import DT, STATES
from drivelab.types import LaneMap, Scene

TARGET_SPEED = 10.0  # [m/s]
MIN_GAP, HEADWAY, ACCELERATION, DECELERATION = 1.0, 1.5, 1.0, 2.0
SNAP_DISTANCE = 3.0  # to a centreline [m]
SNAP_ANGLE = np.pi / 4  # [rad]
MIN_PATH = 20.0  # [m]
REACH = 100.0  # [m]
PARKED_SPEED = 0.05  # [m/s]: slower vehicles are replayed


@dataclass(frozen=True, slots=True, eq=False)
class Drivers:
    """Vehicles on paths; rows as `drivelab.kernels.reactive.react` takes them."""

    rows: Int[np.ndarray, " d"]
    speeds: Float[np.ndarray, " d"]
    begins: Float[np.ndarray, " d"]
    paths: Float[np.ndarray, "p 3"]
    arcs: Float[np.ndarray, " p"]
    path_start: Int[np.ndarray, " d+1"]
    stops: Float[np.ndarray, "k 2"]
    red: Bool[np.ndarray, "41 k"]


def find_drivers(scene: Scene, objects: ObjectFrames, origin: Float[np.ndarray, "2"]) -> Drivers:
    """Put every moving vehicle that stands on a lane now on a path of lanes."""
    rows: list[int] = []
    paths: list[np.ndarray] = []
    stops: list[tuple[int, float, str]] = []
    for row in _moving_vehicles(scene, objects, origin):
        box = objects.boxes[0, row]
        pose = np.array([box[0] + origin[0], box[1] + origin[1], np.arctan2(box[3], box[2])])
        lane = _lane_under(scene.map, pose)
        if lane is None:
            continue
        ahead = max(MIN_PATH, DT * STATES * (float(objects.speeds[row]) + TARGET_SPEED))
        lanes = [scene.map.lanes[name] for name in _straight_on(scene.map, lane, pose, ahead)]
        path = np.concatenate([part.centreline for part in lanes]) - np.array([*origin, 0.0])
        stops += [
            (len(rows), project(path, part.centreline[0, :2] - origin)[0], part.id)
            for part in lanes
            if part.connector
        ]
        rows.append(row)
        paths.append(path)
    begins = [
        project(path, objects.boxes[0, n, :2])[0] for n, path in zip(rows, paths, strict=True)
    ]
    return Drivers(
        rows=np.array(rows, np.int64),
        speeds=objects.speeds[np.array(rows, np.int64)],
        begins=np.array(begins, float),
        paths=np.concatenate([np.zeros((0, 3)), *paths]),
        arcs=np.concatenate([np.zeros(0), *(arc_lengths(path) for path in paths)]),
        path_start=np.cumsum([0, *(len(path) for path in paths)]).astype(np.int64),
        stops=np.array([stop[:2] for stop in stops], float).reshape(-1, 2),
        red=_red(scene, [stop[2] for stop in stops]),
    )


def _moving_vehicles(
    scene: Scene, objects: ObjectFrames, origin: Float[np.ndarray, "2"]
) -> list[int]:
    """Rows of the vehicles that are here now, within reach of the ego, and not parked."""
    kinds = dict(zip(scene.tracks.ids, scene.tracks.kinds, strict=True))
    gaps = np.hypot(*(objects.boxes[0, :, :2] + origin - scene.ego.poses[scene.now, :2]).T)
    return [
        row
        for row, name in enumerate(objects.ids)
        if kinds[name] == "vehicle" and objects.speeds[row] > PARKED_SPEED and gaps[row] <= REACH
    ]


def reactive_objects(
    objects: ObjectFrames, drivers: Drivers, ego: Float[np.ndarray, "41 6"]
) -> ObjectFrames:
    """Let the drivers answer an ego whose boxes are given (relative to the objects' origin)."""
    if not len(drivers.rows):
        return objects
    boxes = react(
        objects.boxes,
        ego,
        drivers.rows,
        drivers.speeds,
        drivers.begins,
        drivers.paths,
        drivers.arcs,
        drivers.path_start,
        drivers.stops,
        drivers.red,
        (TARGET_SPEED, MIN_GAP, HEADWAY, ACCELERATION, DECELERATION),
        REACH,
    )
    return replace(objects, boxes=boxes)


def _lane_under(lane_map: LaneMap, pose: Float[np.ndarray, "3"]) -> str | None:
    best, which = SNAP_DISTANCE, None
    for layer in (Layer.LANE, Layer.LANE_CONNECTOR):
        for name in objects_near(lane_map, layer, pose[:2], SNAP_DISTANCE):
            line = lane_map.lanes[name].centreline
            gap = project(line, pose[:2])[1]
            nearest = int(np.argmin(np.hypot(line[:, 0] - pose[0], line[:, 1] - pose[1])))
            if gap < best and abs(wrap_angle(line[nearest, 2] - pose[2])) < SNAP_ANGLE:
                best, which = gap, name
    return which


def _straight_on(
    lane_map: LaneMap, lane: str, pose: Float[np.ndarray, "3"], ahead: float
) -> list[str]:
    """The lane and its straightest successors until `ahead` metres lie before the vehicle."""
    path = [lane]
    line = lane_map.lanes[lane].centreline
    length = float(arc_lengths(line)[-1]) - project(line, pose[:2])[0]
    while length < ahead:
        heading = lane_map.lanes[path[-1]].centreline[-1, 2]
        following = [name for name in lane_map.lanes[path[-1]].successors if name in lane_map.lanes]
        following = [name for name in following if name not in path]
        if not following:
            break
        turns = [
            abs(float(wrap_angle(lane_map.lanes[name].centreline[-1, 2] - heading)))
            for name in following
        ]
        path.append(following[int(np.argmin(turns))])
        length += float(arc_lengths(lane_map.lanes[path[-1]].centreline)[-1])
    return path


def _red(scene: Scene, connectors: list[str]) -> Bool[np.ndarray, "41 k"]:
    held = round(scene.tracks.dt / DT)
    frames = scene.red_lights[scene.now :]
    red = np.zeros((STATES, len(connectors)), bool)
    for step in range(STATES):
        if step // held < len(frames):
            red[step] = [name in frames[step // held] for name in connectors]
    return red
