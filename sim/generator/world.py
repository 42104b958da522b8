"""A small traffic world: everybody on a path, speeds by IDM, lights and priorities.

The ego is actor 0: its rear axle is steered along its path by a kinematic bicycle, all others move
on theirs like beads on a wire. The world is privileged: drivers know the paths of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import Segments, project, sample, segments
from drivelab.geometry.poses import wrap_angle
from drivelab.planning import (
    IDMParameters,
    LaneChangeParameters,
    NeighbourGap,
    blend_paths,
    idm_acceleration_scalar,
    path_curvature,
    should_change_lane,
)
from drivelab.sim.generator.actors import Actor, Follow, Script
from drivelab.sim.generator.bicycle import BicycleState, bicycle_step
from drivelab.sim.generator.conflicts import Conflict, Passage, find_conflict, must_wait
from drivelab.sim.generator.leaders import leader, pose_at, value_at
from drivelab.types import PACIFICA

DT = 0.1  # [s]
JERK_UP, JERK_DOWN = 2.0, 4.0  # how fast an acceleration may rise and fall [m/s^3]
LOOK_AHEAD = 0.4  # the allowed speed is read so much later on the path [s]
STOP_SHORT = 1.0  # room left to a stop line, besides the driver's own gap [m]
WAIT_SHORT = 1.0  # the same to a conflict [m]
STANDING_HEADWAY = 0.6  # headway to what stands still by nature: lines and conflicts [s]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everybody at one time; boxes are (x, y, yaw, length, width), row 0 the ego."""

    time: float
    ego: BicycleState
    ego_acceleration: float
    boxes: Float[np.ndarray, "n 5"]
    speeds: Float[np.ndarray, " n"]


@dataclass(slots=True, eq=False)
class _Mover:
    """An actor on its way; `front` and `rear` are the bumpers' distances from the path point."""

    actor: Actor
    path: np.ndarray
    segments: Segments  # of the path
    yaw: np.ndarray  # of the path, unwrapped
    curvature: np.ndarray
    allowed: np.ndarray
    at: float
    speed: float
    front: float
    rear: float
    acceleration: float = 0.0

    @property
    def arcs(self) -> np.ndarray:
        return self.segments.arcs

    @property
    def passage(self) -> Passage:
        return Passage(self.at, self.speed, self.front, self.rear)


class TrafficWorld:
    """Advance actors in steps of `DT`; `actors[0]` is the ego.

    `passing_paths` are lanes that the ego may change to, once, by the lane-change rule.
    """

    def __init__(
        self, actors: Sequence[Actor], *, passing_paths: Sequence[Float[np.ndarray, "n 3"]] = ()
    ) -> None:
        self.time = 0.0
        self.passing_paths = tuple(passing_paths)
        self.changed_to: int | None = None
        self._movers = [_mover(actor, ego=i == 0) for i, actor in enumerate(actors)]
        self._conflicts: dict[tuple[int, int], Conflict] = {}
        for i in range(len(actors)):
            self._find_conflicts(i)
        ego = self._movers[0]
        x, y, yaw = sample(ego.path, ego.at)
        bend = float(np.interp(ego.at, ego.arcs, ego.curvature))
        steering = float(np.arctan(PACIFICA.wheel_base * bend))
        self._ego = BicycleState(x, y, yaw, ego.speed, steering, ego.speed * bend, ego.at)
        self._boxes = self._place()

    def step(self) -> None:
        """Advance everybody by one step, all looking at the same moment."""
        if self.passing_paths:
            self._consider_lane_change()
        speeds = np.array([mover.speed for mover in self._movers])
        accelerations = [self._accelerate(i, speeds) for i in range(len(self._movers))]
        for i, (mover, wanted) in enumerate(zip(self._movers, accelerations, strict=True)):
            before = mover.speed
            self._advance(mover, wanted)
            if i > 0:
                mover.at += 0.5 * (before + mover.speed) * DT
        self._drive_ego()
        self.time += DT
        self._boxes = self._place()

    def snapshot(self) -> Snapshot:
        """The present moment."""
        speeds = np.array([mover.speed for mover in self._movers])
        ego = self._movers[0]
        return Snapshot(self.time, self._ego, ego.acceleration, self._boxes, speeds)

    def _accelerate(self, i: int, speeds: np.ndarray) -> float:
        mover = self._movers[i]
        motion = mover.actor.motion
        if isinstance(motion, Script):
            return (motion.speed(self.time + DT) - mover.speed) / DT
        ahead = mover.at + LOOK_AHEAD * mover.speed
        target = max(value_at(mover.arcs, mover.allowed, ahead), 0.5)
        gap, lead = leader(
            mover.path,
            mover.arcs,
            mover.at,
            mover.front,
            mover.actor.size[1],
            self._boxes,
            speeds,
            i,
        )
        wanted = _idm(gap, mover.speed, lead, target, motion.driver)
        room = self._room_to_stop(i, motion)
        if room < np.inf:
            calm = replace(motion.driver, headway=STANDING_HEADWAY)
            wanted = min(wanted, _idm(room, mover.speed, 0.0, target, calm))
        low, high = mover.acceleration - JERK_DOWN * DT, mover.acceleration + JERK_UP * DT
        return min(max(wanted, low), high)

    def _room_to_stop(self, i: int, motion: Follow) -> float:
        """Distance to the nearest red stop line or place to wait; infinite without one [m]."""
        mover = self._movers[i]
        nearest = np.inf
        for line in motion.stop_lines:
            room = line.at - mover.at - mover.front
            if room > 0.0 and line.closed(self.time):
                nearest = min(nearest, max(room - STOP_SHORT, 0.0))
        for (me, other), conflict in self._conflicts.items():
            if me == i and must_wait(mover.passage, self._movers[other].passage, conflict):
                room = conflict.mine[0] - mover.at - mover.front
                nearest = min(nearest, max(room - WAIT_SHORT, 0.0))
        return float(nearest)

    def _advance(self, mover: _Mover, acceleration: float) -> None:
        speed = max(mover.speed + acceleration * DT, 0.0)
        mover.acceleration = (speed - mover.speed) / DT
        mover.speed = speed

    def _drive_ego(self) -> None:
        ego = self._movers[0]
        self._ego = bicycle_step(
            self._ego,
            path=ego.path,
            arcs=ego.arcs,
            yaw=ego.yaw,
            curvature=ego.curvature,
            speed=ego.speed,
            wheel_base=PACIFICA.wheel_base,
            dt=DT,
        )
        ego.at = ego.segments.project(np.array([self._ego.x, self._ego.y]))[0]

    def _place(self) -> np.ndarray:
        boxes = np.empty((len(self._movers), 5))
        for i, mover in enumerate(self._movers):
            boxes[i, :3] = pose_at(mover.path, mover.arcs, mover.yaw, mover.at)
            boxes[i, 3:] = mover.actor.size
        boxes[:, 2] = wrap_angle(boxes[:, 2])
        forward = PACIFICA.rear_axle_to_center
        ego = self._ego
        boxes[0, 0] = ego.x + forward * np.cos(ego.yaw)
        boxes[0, 1] = ego.y + forward * np.sin(ego.yaw)
        boxes[0, 2] = ego.yaw
        return boxes

    def _find_conflicts(self, i: int) -> None:
        """Pairs in which actor i has to wait for the other one or the other for it."""
        for j in range(len(self._movers)):
            for a, b in ((i, j), (j, i)):
                me, rival = self._movers[a], self._movers[b]
                if a == b or me.actor.priority >= rival.actor.priority:
                    continue
                if not isinstance(me.actor.motion, Follow) or rival.actor.priority < 0:
                    continue
                found = find_conflict(
                    me.path,
                    rival.path,
                    widths=(me.actor.size[1], rival.actor.size[1]),
                    after=(me.at + me.front, rival.at - rival.rear),
                )
                self._conflicts.pop((a, b), None)
                if found is not None:
                    self._conflicts[(a, b)] = found

    def _consider_lane_change(self) -> None:
        ego = self._movers[0]
        motion = ego.actor.motion
        if not isinstance(motion, Follow) or round(self.time / DT) % 5 != 0:
            return
        speeds = np.array([mover.speed for mover in self._movers])
        here = self._neighbours(ego.path, speeds)[0]
        for number, path in enumerate(self.passing_paths):
            ahead, behind = self._neighbours(path, speeds)
            if should_change_lane(
                ego.speed,
                float(np.interp(ego.at, ego.arcs, ego.allowed)),
                ahead=here,
                new_ahead=ahead,
                new_behind=behind,
                driver=motion.driver,
                parameters=LaneChangeParameters(),
            ):
                self._change_lane(path, number)
                return

    def _neighbours(
        self, path: np.ndarray, speeds: np.ndarray
    ) -> tuple[NeighbourGap, NeighbourGap]:
        """The cars ahead of and behind the ego on a path."""
        at = project(path, self._boxes[0, :2])[0]
        half = PACIFICA.length / 2
        ahead, behind = NeighbourGap(), NeighbourGap()
        for j in range(1, len(self._movers)):
            along, distance = project(path, self._boxes[j, :2])
            room = abs(along - at) - half - self._movers[j].actor.size[0] / 2
            if distance > 1.5:
                continue
            if along >= at and room < ahead.gap:
                ahead = NeighbourGap(room, float(speeds[j]))
            if along < at and room < behind.gap:
                behind = NeighbourGap(room, float(speeds[j]))
        return ahead, behind

    def _change_lane(self, path: np.ndarray, number: int) -> None:
        ego = self._movers[0]
        length = max(30.0, 4.5 * ego.speed)
        joined = blend_paths(ego.path, path, start=ego.at, length=length)
        actor = replace(ego.actor, path=joined, start=ego.at, speed=ego.speed)
        motion = actor.motion
        if isinstance(motion, Follow):
            limit = np.full(len(joined), float(np.interp(ego.at, ego.arcs, ego.allowed)))
            actor = replace(actor, motion=replace(motion, allowed=limit, stop_lines=()))
        changed = _mover(actor, ego=True)
        changed.acceleration = ego.acceleration
        self._movers[0] = changed
        self.passing_paths, self.changed_to = (), number
        self._find_conflicts(0)


def _idm(gap: float, speed: float, lead: float, target: float, driver: IDMParameters) -> float:
    return float(idm_acceleration_scalar(gap, speed, lead, target, *driver.values()))


def _mover(actor: Actor, *, ego: bool) -> _Mover:
    motion = actor.motion
    half = actor.size[0] / 2
    return _Mover(
        actor=actor,
        path=np.ascontiguousarray(actor.path),
        segments=segments(actor.path),
        yaw=np.unwrap(actor.path[:, 2]),
        curvature=path_curvature(actor.path, smoothing=5.0) if ego else np.zeros(0),
        allowed=motion.allowed if isinstance(motion, Follow) else np.zeros(0),
        at=actor.start,
        speed=actor.speed,
        front=PACIFICA.front_length if ego else half,
        rear=PACIFICA.rear_length if ego else half,
    )
