"""Real logs as episodes: the recorded ego is the expert, the others repeat the log or react.

Reactive traffic follows nuPlan's closed loop: vehicles that are there at the start and move later
drive by its IDM constants along the lanes of their recording, or along the recorded path itself
where it leaves the lanes. People, cyclists and things repeat the log, and so do parked vehicles
that appear later; moving ones that appear later are left out, as in nuPlan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from zlib import crc32

import numpy as np
import shapely
from jaxtyping import Bool, Float

from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.geometry.boxes import box_polygon, box_polygons, ego_boxes
from drivelab.geometry.polyline import project
from drivelab.geometry.poses import wrap_angle
from drivelab.planning import IDMParameters
from drivelab.sim.world.episode import (
    ActorSpec,
    Drive,
    Episode,
    Motion,
    Parked,
    Replay,
    Walk,
)
from drivelab.sim.world.log_tracks import resample_ego, resample_lights, resample_tracks
from drivelab.sim.world.log_ways import driven_lanes, lanes_beyond, recorded_path, way_on
from drivelab.sim.world.start import DT
from drivelab.types import AGENT_KINDS, EgoTrajectory, LaneMap, Scene, Tracks

Traffic = Literal["replay", "reactive"]
TRAFFIC: tuple[Traffic, ...] = ("replay", "reactive")

REACH = 120.0  # actors that never come nearer to the recorded ego are left out [m]
BEYOND = 100.0  # ways go on for so long after the recording's end [m]
MOVES = 2.0  # a vehicle that moves less during the episode stands [m]
ASIDE = 1.5  # a recording farther from the lane's middle, on average, left it [m]
TARGET_SPEED = 10.0  # a reactive driver wishes this, or his recorded top speed, or the limit [m/s]
LIMIT = 15.0  # of lanes without a limit [m/s]
TRACE = 0.05  # the end of a recording may be missed by so much [s]
NUPLAN_DRIVER = IDMParameters(
    min_gap=1.0, headway=1.5, acceleration=1.0, deceleration=2.0, exponent=4.0, braking_limit=6.0
)


def episode_from_scene(
    scene: Scene, *, duration: float, start: float = 0.0, traffic: str = "replay"
) -> Episode:
    """An episode of `duration` [s] that begins `start` [s] after the scene's moment.

    Raises:
        ConfigError: another kind of traffic than "replay" and "reactive".
        DataError: the recording does not hold that stretch of time.
    """
    check_traffic(traffic)
    _check_stretch(scene, start, duration)
    frames = round(duration / DT) + 1
    expert = resample_ego(scene, start, frames)
    log = near_tracks(resample_tracks(scene, start, frames), expert, scene)
    actors = replay_actors(log) if traffic == "replay" else reactive_actors(scene.map, log)
    route, line = _route(scene, expert)
    return Episode(
        id=scene.id,
        map=scene.map,
        ego_pose=expert.poses[0],
        ego_speed=float(expert.velocities[0, 0]),
        ego_acceleration=float(expert.accelerations[0, 0]),
        ego_yaw_rate=_yaw_rate(expert),
        route=route,
        route_line=line,
        duration=duration,
        actors=actors,
        light_log=resample_lights(scene, start, frames),
        log=log,
        expert=expert,
        history=_history(scene, start),
        vehicle=scene.vehicle,
        command=scene.command,
        family=scene.family,
        source=scene.source,
        licence=scene.licence,
        seed=crc32(scene.id.encode()),
        info={"traffic": traffic, "log": scene.log},
    )


def _yaw_rate(expert: EgoTrajectory) -> float:
    """Of the recorded ego over its first two steps [rad/s]."""
    yaw = expert.poses[:3, 2]
    return float(wrap_angle(yaw[-1] - yaw[0])) / (DT * max(len(yaw) - 1, 1))


def check_traffic(traffic: str) -> None:
    """Refuse a kind of traffic that is not there."""
    if traffic not in TRAFFIC:
        raise ConfigError(
            f"traffic={traffic}: expected one of {', '.join(TRAFFIC)}"
            f"{nearest_name(traffic, TRAFFIC)}"
        )


def _check_stretch(scene: Scene, start: float, duration: float) -> None:
    held = (scene.ego.times[[0, -1]] - scene.time) * 1e-6
    if duration < DT or start < held[0] - TRACE or start + duration > held[1] + TRACE:
        raise DataError(
            f"asked for {duration:g} s from {start:g} s after the scene's moment on, the recording "
            f"holds {held[0]:g} to {held[1]:g} s; ask its source for longer windows",
            where=f"scene {scene.id}",
        )


def near_tracks(tracks: Tracks, expert: EgoTrajectory, scene: Scene) -> Tracks:
    """The tracks that come within REACH of the recorded ego and do not touch it at the start.

    A box on the ego at the start is an error of the recording: nobody could avoid it (nuPlan and
    NAVSIM take such tracks out of all frames, too).
    """
    away = np.hypot(*np.moveaxis(tracks.poses[..., :2] - expert.poses[:, None, :2], -1, 0))
    near = np.any(np.where(tracks.valid, away, np.inf) <= REACH, axis=0)
    now = np.flatnonzero(tracks.valid[0] & near)
    boxes = np.column_stack([tracks.poses[0, now], tracks.sizes[now]])
    ego = box_polygon(ego_boxes(expert.poses[0], scene.vehicle))
    near[now[shapely.intersects(box_polygons(boxes), ego)]] = False
    return tracks.take(near)


def replay_actors(log: Tracks) -> tuple[ActorSpec, ...]:
    """Everybody repeats the log, from his first frame in it."""
    return tuple(_actor(log, n, Replay(n)) for n in range(len(log)))


def reactive_actors(lane_map: LaneMap, log: Tracks) -> tuple[ActorSpec, ...]:
    """Vehicles that move drive on their own, all others stand or repeat the log."""
    moves = _moves(log)
    actors = []
    for n in range(len(log)):
        if log.kinds[n] != AGENT_KINDS[0]:
            actors.append(_actor(log, n, Replay(n)))
        elif not moves[n]:
            standing = log.valid[0, n]
            actors.append(_actor(log, n, Parked() if standing else Replay(n), standing=True))
        elif log.valid[0, n]:
            drive = _recorded_drive(log, n)
            actors.append(_actor(log, n, _react(lane_map, drive)))
    return tuple(actors)


@dataclass(frozen=True, slots=True, eq=False)
class _RecordedDrive:
    """One moving vehicle from the start on: its poses and its top speed [m/s]."""

    poses: Float[np.ndarray, "t 3"]
    top: float


def _recorded_drive(log: Tracks, n: int) -> _RecordedDrive:
    there = log.valid[:, n]
    speeds = np.hypot(*log.velocities[there, n].T)
    return _RecordedDrive(log.poses[there, n], float(speeds.max()))


def _moves(log: Tracks) -> Bool[np.ndarray, " n"]:
    """Which tracks get farther than MOVES from where they are first."""
    first = log.poses[log.valid.argmax(axis=0), np.arange(len(log)), :2]
    away = np.hypot(*np.moveaxis(log.poses[..., :2] - first, -1, 0))
    return np.asarray(np.any(np.where(log.valid, away, 0.0) > MOVES, axis=0))


def _actor(log: Tracks, n: int, motion: Motion, *, standing: bool = False) -> ActorSpec:
    frame = int(log.valid[:, n].argmax())
    pose, velocity = log.poses[frame, n], log.velocities[frame, n]
    along = float(velocity @ np.array([np.cos(pose[2]), np.sin(pose[2])]))
    size = (float(log.sizes[n, 0]), float(log.sizes[n, 1]))
    speed = 0.0 if standing else along
    return ActorSpec(log.ids[n], log.kinds[n], size, pose, speed, motion)


def _react(lane_map: LaneMap, drive: _RecordedDrive) -> Motion:
    """Drive along the lanes of the recording, or along the recorded path where it left them."""
    lanes, whole = driven_lanes(lane_map, drive.poses, DT)
    end = drive.poses[-1]
    if whole and _aside(lane_map, lanes, drive.poses) <= ASIDE:
        limit = lane_map.lanes[lanes[0]].speed_limit or LIMIT
        pace = min(1.0, max(TARGET_SPEED, drive.top) / limit)
        beyond = lanes_beyond(lane_map, lanes[-1], end, BEYOND)
        return Drive((*lanes, *beyond), NUPLAN_DRIVER, pace=pace, lane_changes=False)
    path = recorded_path(drive.poses)
    ends_on_lane = bool(lanes) and project(lane_map.lanes[lanes[-1]].centreline, end[:2])[1] < ASIDE
    if ends_on_lane:
        chain = (lanes[-1], *lanes_beyond(lane_map, lanes[-1], end, BEYOND))
        line = way_on(lane_map, path, end, chain, BEYOND)
    else:
        line = way_on(lane_map, path, end, (), 0.0)  # it came to its place there
    return Walk(line, max(drive.top, 1.0), keeps_gap=True)


def _aside(lane_map: LaneMap, lanes: Sequence[str], poses: Float[np.ndarray, "t 3"]) -> float:
    """Mean distance of recorded poses from the nearest of the lanes' centrelines [m]."""
    lines = [shapely.LineString(lane_map.lanes[key].centreline[:, :2]) for key in lanes]
    points = shapely.points(poses[::5, :2])
    return float(shapely.distance(np.array(lines)[:, None], points).min(axis=0).mean())


def _route(scene: Scene, expert: EgoTrajectory) -> tuple[tuple[str, ...], Float[np.ndarray, "m 3"]]:
    """Lanes of the recorded drive and beyond, and its path carried on along them."""
    lanes, _ = driven_lanes(scene.map, expert.poses, DT)
    path, end = recorded_path(expert.poses), expert.poses[-1]
    beyond: tuple[str, ...] = ()
    if lanes:
        beyond = lanes_beyond(scene.map, lanes[-1], end, BEYOND, scene.route)
    return (*lanes, *beyond), way_on(scene.map, path, end, (*lanes[-1:], *beyond), BEYOND)


def _history(scene: Scene, start: float) -> Scene:
    """What was recorded up to the start."""
    now = int(np.abs((scene.ego.times - scene.time) * 1e-6 - start).argmin())
    return replace(scene, now=now).without_future()
