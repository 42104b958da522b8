"""An episode as arrays: the state of one environment at time 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, ceil

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.geometry.polyline import project
from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.script_ways import WAY_ROOM
from drivelab.planning import IDMParameters
from drivelab.sim.world.behaviours import check_behaviours, way_driver
from drivelab.sim.world.episode import (
    BEHAVIOURS,
    ActorSpec,
    Behaviour,
    Drive,
    Episode,
    Parked,
    Policy,
    Replay,
    SignalGroup,
    Walk,
)
from drivelab.sim.world.episode_check import check_episode
from drivelab.sim.world.roads import RoadBank
from drivelab.sim.world.start_lane import place_on_first_lane
from drivelab.sim.world.state import Capacity, allocate
from drivelab.sim.world.way import way_rows
from drivelab.types import KINDS, LaneMap

DT = 0.1  # one step of the world [s]
ROUTE_ROOM = 8


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """One environment at time 0, ready to be copied; `ids` name the slots, "ego" first."""

    episode: Episode
    state: a.State  # of one environment
    capacity: Capacity
    ids: tuple[str, ...]


def start_state(episode: Episode, bank: RoadBank) -> Start:
    """Compile an episode against the bank, which learns its map where it does not know it.

    Raises:
        ConfigError: the episode holds something that no world can start from.
    """
    check_episode(episode)
    groups = light_groups(episode)
    number = bank.add(
        episode.map,
        groups=tuple(group.connectors for group in groups),
        stop_signs=episode.stop_signs,
        yield_signs=episode.yield_signs,
    )
    builder = _Builder(episode, bank, number, groups)
    builder.ego()
    for slot, actor in enumerate(episode.actors, start=1):
        builder.actor(slot, actor)
    return builder.done()


def light_groups(episode: Episode) -> tuple[SignalGroup, ...]:
    """The signal groups of an episode: planned ones, or those that the log shows.

    Recorded connectors that are always red together share a group.
    """
    log = episode.light_log
    if log is None:
        return episode.lights
    names = sorted({name for frame in log.red for name in frame})
    together: dict[bytes, list[str]] = {}
    for name in names:
        pattern = np.array([name in frame for frame in log.red])
        together.setdefault(pattern.tobytes(), []).append(name)
    return tuple(
        SignalGroup(tuple(members), np.inf, 0.0, np.inf, np.inf) for members in together.values()
    )


class _Builder:
    """Fills the arrays slot by slot."""

    def __init__(
        self, episode: Episode, bank: RoadBank, number: int, groups: Sequence[SignalGroup]
    ) -> None:
        self.episode, self.bank, self.number = episode, bank, number
        self.origin = bank.origins[number]
        self.frames = ceil(episode.duration / DT) + 2
        self.capacity = _capacity(episode, groups, self.frames)
        self.state = allocate(1, self.capacity)
        self._used = 0
        state = self.state
        state.map[0], state.seed[0] = number, episode.seed
        state.count[0] = len(episode.actors) + 1
        self._lights(groups)

    def done(self) -> Start:
        """The finished start."""
        self.state.way_used[0] = self._used
        ids = ("ego", *(actor.id for actor in self.episode.actors))
        return Start(self.episode, self.state, self.capacity, ids)

    def ego(self) -> None:
        """Slot 0."""
        episode, state, vehicle = self.episode, self.state, self.episode.vehicle
        self._body(
            0,
            center=rear_to_center(episode.ego_pose, vehicle.rear_axle_to_center),
            size=(vehicle.length, vehicle.width),
            kind="vehicle",
            speed=episode.ego_speed,
        )
        state.mode[0, 0] = a.POLICY
        state.wheel_base[0, 0] = vehicle.wheel_base
        state.rear[0, 0] = vehicle.rear_axle_to_center
        state.acceleration[0, 0] = episode.ego_acceleration
        state.yaw_rate[0, 0] = episode.ego_yaw_rate
        if abs(episode.ego_speed) > 0.5:
            bend = episode.ego_yaw_rate / episode.ego_speed
            state.steering[0, 0] = np.clip(atan(vehicle.wheel_base * bend), -0.7, 0.7)
        self._way(0, episode.route_line, "the ego's route_line")
        self._route(0, episode.route)

    def actor(self, slot: int, actor: ActorSpec) -> None:
        """One of the others."""
        check_behaviours(actor)
        state = self.state
        self._body(slot, center=actor.pose, size=actor.size, kind=actor.kind, speed=actor.speed)
        length = actor.size[0]
        state.wheel_base[0, slot] = 0.6 * length
        state.rear[0, slot] = 0.3 * length
        # What holds when a behaviour puts it on a way or, from there, onto a lane.
        state.driver[0, slot] = driver_row(way_driver(actor.kind))
        state.obeys[0, slot] = a.LIGHTS | a.SIGNS | a.YIELDS | a.CHANGES
        motion = actor.motion
        match motion:
            case Parked():
                state.mode[0, slot] = a.PARKED
            case Drive():
                self._drive(slot, actor, motion)
            case Walk():
                state.mode[0, slot] = a.WALK
                state.wish[0, slot] = motion.speed
                state.way_waits[0, slot] = motion.waits
                state.way_gap[0, slot] = motion.keeps_gap
                self._way(slot, motion.path, f"the path of actor {actor.id!r}")
            case Replay():
                self._replay(slot, motion)
            case Policy():
                state.mode[0, slot] = a.POLICY
                self._policy(slot, actor, motion)
        for k, behaviour in enumerate(actor.behaviours):
            self._behaviour(slot, k, actor, behaviour)

    def _body(
        self,
        slot: int,
        *,
        center: Float[np.ndarray, "3"],
        size: tuple[float, float],
        kind: str,
        speed: float,
    ) -> None:
        state = self.state
        state.x[0, slot], state.y[0, slot] = center[:2] - self.origin
        state.yaw[0, slot] = wrap_angle(float(center[2]))
        state.cos[0, slot], state.sin[0, slot] = np.cos(center[2]), np.sin(center[2])
        state.half_length[0, slot], state.half_width[0, slot] = size[0] / 2, size[1] / 2
        state.kind[0, slot] = KINDS.index(kind)
        state.speed[0, slot] = speed

    def _drive(self, slot: int, actor: ActorSpec, motion: Drive) -> None:
        state = self.state
        state.mode[0, slot] = a.DRIVE
        along, shift, length = place_on_first_lane(self.episode, actor, motion)
        number = self.bank.lane_number(self.number, motion.route[0])
        scale = self.bank.roads.lane_length[number] / length
        state.lane[0, slot], state.lane_s[0, slot] = number, along * scale
        state.lane_d[0, slot] = state.shift[0, slot] = shift
        state.shift_from[0, slot], state.shift_to[0, slot] = shift, motion.offset
        state.shift_over[0, slot] = 2.0 if abs(shift - motion.offset) > 0.05 else 0.0
        state.pace[0, slot] = motion.pace
        state.driver[0, slot] = driver_row(motion.driver)
        state.obeys[0, slot] = (
            a.LIGHTS * motion.obeys_lights
            + a.SIGNS * motion.obeys_signs
            + a.YIELDS * motion.yields
            + a.CHANGES * motion.lane_changes
            + a.EMERGENCY * (actor.role == "emergency")
        )
        self._route(slot, motion.route)

    def _route(self, slot: int, route: Sequence[str]) -> None:
        for k, lane in enumerate(route):
            self.state.route[0, slot, k] = self.bank.lane_number(self.number, lane)

    def _policy(self, slot: int, actor: ActorSpec, motion: Policy) -> None:
        self._route(slot, motion.route)
        if motion.route:
            lanes = [self.episode.map.lanes[name].centreline for name in motion.route]
            self._way(slot, np.concatenate(lanes), f"the route of actor {actor.id!r}")

    def _way(self, slot: int, path: Float[np.ndarray, "n columns"], name: str) -> None:
        state = self.state
        state.way_first[0, slot], state.way_count[0, slot] = self._store(path, name)
        place = np.array([state.x[0, slot], state.y[0, slot]])
        rows = state.way[0, state.way_first[0, slot] : self._used]
        state.way_at[0, slot] = project(rows[:, :2], place)[0]

    def _store(self, path: Float[np.ndarray, "n columns"], name: str) -> tuple[int, int]:
        rows = way_rows(path, self.origin, f"episode {self.episode.id}: {name}")
        first = self._used
        self.state.way[0, first : first + len(rows)] = rows
        self._used += len(rows)
        return first, len(rows)

    def _replay(self, slot: int, motion: Replay) -> None:
        state, log = self.state, self.episode.log
        if log is None:
            raise ConfigError(f"episode {self.episode.id}: a Replay actor, but no log")
        state.mode[0, slot] = a.REPLAY if log.valid[0, motion.track] else a.ABSENT
        frames = min(len(log.poses), self.frames)
        poses = log.poses[:frames, motion.track]
        state.log[0, :frames, slot, :2] = poses[:, :2] - self.origin
        state.log[0, :frames, slot, 2] = poses[:, 2]
        velocity = log.velocities[:frames, motion.track]
        along = velocity[:, 0] * np.cos(poses[:, 2]) + velocity[:, 1] * np.sin(poses[:, 2])
        state.log[0, :frames, slot, 3] = along
        state.log[0, :frames, slot][~log.valid[:frames, motion.track]] = np.nan
        state.log_frames[0] = max(state.log_frames[0], frames)

    def _behaviour(self, slot: int, k: int, actor: ActorSpec, behaviour: Behaviour) -> None:
        state, when = self.state, behaviour.when
        state.script[0, slot, k] = list(BEHAVIOURS).index(behaviour.kind)
        values = {**BEHAVIOURS[behaviour.kind], **behaviour.values}
        state.script_value[0, slot, k, : len(values)] = list(values.values())
        row = state.script_when[0, slot, k]
        for place, value in enumerate((when.time, when.gap_below, when.ttc_below)):
            row[place] = np.nan if value is None else value
        if when.ego_past is not None:
            row[3] = project(self.episode.route_line, np.asarray(when.ego_past, float))[0]
        if when.ego_within is not None:
            x, y, radius = when.ego_within
            row[4:7] = x - self.origin[0], y - self.origin[1], radius
        row[7] = np.nan if when.after is None else when.after
        if behaviour.path is not None:
            name = f"the path of behaviour {k} of actor {actor.id!r}"
            state.script_way[0, slot, k] = self._store(behaviour.path, name)

    def _lights(self, groups: Sequence[SignalGroup]) -> None:
        state, log = self.state, self.episode.light_log
        for k, group in enumerate(groups):
            state.light_plan[0, k] = group.cycle, group.green, group.yellow, group.red
        if log is None:
            return
        state.light_logged[0] = True
        at = np.minimum((np.arange(self.frames) * DT / log.dt + 1e-6).astype(int), len(log.red) - 1)
        for k, group in enumerate(groups):
            red = np.array([group.connectors[0] in frame for frame in log.red])
            state.light_log[0, : self.frames, k] = np.where(red[at], a.RED, a.GREEN)


def rear_to_center(pose: Float[np.ndarray, "3"], forward: float) -> Float[np.ndarray, "3"]:
    """Box centre of a vehicle whose rear axle stands at `pose`."""
    return np.array(
        [pose[0] + forward * np.cos(pose[2]), pose[1] + forward * np.sin(pose[2]), pose[2]]
    )


def driver_row(driver: IDMParameters) -> tuple[float, ...]:
    """An IDM driver as the six columns of `State.driver`."""
    return (
        driver.min_gap,
        driver.headway,
        driver.acceleration,
        driver.deceleration,
        driver.exponent,
        driver.braking_limit,
    )


def _capacity(episode: Episode, groups: Sequence[SignalGroup], frames: int) -> Capacity:
    way, lanes, behaviours, replays = len(episode.route_line), len(episode.route), 1, False
    for actor in episode.actors:
        motion = actor.motion
        if isinstance(motion, Walk):
            way += len(motion.path)
        if isinstance(motion, Policy):
            way += _vertices(episode.map, motion.route)
        if isinstance(motion, Drive | Policy):
            lanes = max(lanes, len(motion.route))
        replays = replays or isinstance(motion, Replay)
        behaviours = max(behaviours, len(actor.behaviours))
        for behaviour in actor.behaviours:
            way += WAY_ROOM if behaviour.path is None else len(behaviour.path)
    logged = replays or episode.light_log is not None
    return Capacity(
        actors=len(episode.actors) + 1,
        lanes=lanes + ROUTE_ROOM,
        way=way,
        frames=frames if logged else 1,
        groups=max(len(groups), 1),
        behaviours=behaviours,
    )


def _vertices(lane_map: LaneMap, route: Sequence[str]) -> int:
    return sum(len(lane_map.lanes[name].centreline) for name in route)
