"""The present moment of an environment as a scene: what agents of every kind are shown.

A scene has two seconds of history at 10 Hz. Before the start it is what the episode's log recorded,
or, without one, the start driven backwards at constant velocity.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from drivelab.geometry.polyline import arc_lengths, sample, with_headings, with_tangents
from drivelab.geometry.poses import relative, wrap_angle
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.log_ways import lanes_beyond, way_on
from drivelab.sim.world.recorder import Recorder, episode_stage, expert_poses
from drivelab.sim.world.start import DT
from drivelab.types import Command, EgoTrajectory, Observation, Scene, StateColumn, Tracks

if TYPE_CHECKING:
    from drivelab.sim.sensors.stage import Stage

PAST = 20  # steps of history
SECOND = 1_000_000  # [us]
FIRST_TIME = 1_000 * SECOND  # time of step 0 where no log says otherwise [us]
COMMAND_AHEAD, COMMAND_ASIDE = 20.0, 2.0  # where the route is looked at, what is a turn [m]
# How much of the route's line is told [m]: more than a plan needs, less than the way to where most
# routes cross themselves. It goes on past the goal, so that nobody brakes for it.
LINE_BEHIND, LINE_AHEAD = 10.0, 150.0


class SceneView:
    """Shows a recorder's present as a `Scene`; the start must have been recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        episode = recorder.episode
        self._stage = recorder.stage
        self._time = FIRST_TIME if episode.history is None else episode.history.time
        self._route = route_blocks(episode)
        self._line = _told_line(episode) if episode.line_told else None
        self._past_ego = _ego_before(episode, recorder.ego[0])
        self._past_poses, self._past_velocities, self._past_valid = _tracks_before(recorder)

    def scene(self, *, future: bool = False) -> Scene:
        """The present moment, with 2 s of history.

        Args:
            future: also the recorded ego from now on, where the episode has an expert.
        """
        recorder, episode = self._recorder, self._recorder.episode
        now = recorder.frames - 1
        first = max(now - PAST, 0)
        before = PAST - (now - first)
        ego = np.concatenate([self._past_ego[PAST - before :], recorder.ego[first : now + 1]])
        ahead = self._expert_ahead(now) if future else np.zeros((0, ego.shape[1]))
        ego = np.concatenate([ego, ahead])
        tracks = self._tracks(before, first, now, len(ahead))
        red = recorder.red
        lights = (red[first],) * before + tuple(red[first : now + 1]) + (red[now],) * len(ahead)
        times = self._time + (np.arange(len(ego)) - PAST + now) * round(DT * SECOND)
        base = episode.history
        scene = Scene(
            id=episode.id,
            source=episode.source,
            log=episode.id if base is None else base.log,
            map=episode.map,
            ego=EgoTrajectory(times.astype(np.int64), ego[:, :3], ego[:, 3:5], ego[:, 5:7]),
            now=PAST,
            tracks=tracks,
            route=self._route,
            red_lights=lights,
            command=self._command(),
            vehicle=episode.vehicle,
            licence=episode.licence,
            family=episode.family,
            route_line=self._line_ahead(),
        )
        return scene if self._stage is None else _with_sensors(scene, self._stage, self._time)

    def told(self, observation: Observation) -> Observation:
        """What the agent is told of it: with the noise on the ego's status that a fault brings."""
        faults = () if self._stage is None else self._stage.rendering.faults
        if not faults:
            return observation
        from drivelab.sim.sensors.faults import faults_of, status_noise
        from drivelab.sim.sensors.status import noisy_observation

        time = (observation.time - self._time) / SECOND
        cameras = () if self._stage is None else tuple(self._stage.rig.cameras)
        noise = status_noise(faults_of(faults, cameras=cameras), time)
        return observation if noise is None else noisy_observation(observation, noise)

    def with_vector(self, observation: Observation) -> Observation:
        """The observation with the numbers that `drivelab/Native-v0` shows at this moment."""
        return replace(observation, vector=self._recorder.vector())

    def _line_ahead(self) -> Float[np.ndarray, "m 3"] | None:
        """The part of the route's line about the ego."""
        if self._line is None:
            return None
        at = float(self._recorder.facts[self._recorder.frames - 1, 0])
        along = arc_lengths(self._line)
        first, last = np.searchsorted(along, (at - LINE_BEHIND, at + LINE_AHEAD))
        return self._line[first : last + 1]

    def _tracks(self, before: int, first: int, now: int, ahead: int) -> Tracks:
        recorder = self._recorder
        part = slice(first, now + 1)
        start = PAST - before
        count = recorder.poses.shape[1]
        poses = np.concatenate(
            [self._past_poses[start:], recorder.poses[part], np.full((ahead, count, 3), np.nan)]
        )
        velocities = np.concatenate(
            [
                self._past_velocities[start:],
                recorder.velocities[part],
                np.full((ahead, count, 2), np.nan),
            ]
        )
        valid = np.concatenate(
            [self._past_valid[start:], recorder.valid[part], np.zeros((ahead, count), bool)]
        )
        actors = recorder.episode.actors
        tracks = Tracks(
            recorder.start.ids[1:],
            tuple(actor.kind for actor in actors),
            recorder.sizes[now].copy(),
            poses,
            velocities,
            valid,
            DT,
        )
        return tracks.take(np.asarray(valid.any(axis=0), bool))

    def _command(self) -> Command:
        recorder = self._recorder
        now = recorder.frames - 1
        route = np.asarray(recorder.episode.route_line, float)
        point = sample(route, float(recorder.facts[now, 0]) + COMMAND_AHEAD)
        aside = relative(recorder.ego[now, :3], point)[1]
        if abs(aside) <= COMMAND_ASIDE:
            return Command.STRAIGHT
        return Command.LEFT if aside > 0 else Command.RIGHT

    def _expert_ahead(self, now: int) -> Float[np.ndarray, "t 11"]:
        """States of the recorded ego after `now`, as far as they go."""
        expert = self._recorder.episode.expert
        if expert is None:
            return np.zeros((0, 11))
        poses = expert_poses(expert)
        rows = np.zeros((max(len(poses) - now - 1, 0), 11))
        if len(rows):
            rows[:, :3] = poses[now + 1 :]
            rows[:, StateColumn.VX] = np.hypot(*np.diff(poses[now:, :2], axis=0).T) / DT
        return rows


def base_scene(episode: Episode) -> Scene:
    """What a score needs of an episode besides its rollout: map, vehicle, route; no tracks."""
    time = FIRST_TIME if episode.history is None else episode.history.time
    velocity = np.array([[episode.ego_speed, 0.0]])
    acceleration = np.array([[episode.ego_acceleration, 0.0]])
    ego = EgoTrajectory(
        np.array([time]), np.asarray(episode.ego_pose, float)[None], velocity, acceleration
    )
    scene = Scene(
        id=episode.id,
        source=episode.source,
        log=episode.id if episode.history is None else episode.history.log,
        map=episode.map,
        ego=ego,
        now=0,
        tracks=Tracks.empty(1, DT),
        route=route_blocks(episode),
        vehicle=episode.vehicle,
        licence=episode.licence,
        family=episode.family,
    )
    stage = episode_stage(episode)
    return scene if stage is None else _with_sensors(scene, stage, time)


def _with_sensors(scene: Scene, stage: Stage, begin: int) -> Scene:
    from drivelab.sim.sensors.rendered import rendered

    return replace(scene, sensors=rendered(scene, stage, begin=begin))


def route_blocks(episode: Episode) -> tuple[str, ...]:
    """Blocks of the ego's route, each once; those of the log where the episode names no lanes."""
    if not episode.route and episode.history is not None:
        return episode.history.route
    lanes = episode.map.lanes
    return tuple(dict.fromkeys(lanes[lane].block for lane in episode.route if lanes[lane].block))


def _told_line(episode: Episode) -> Float[np.ndarray, "m 3"]:
    """The route's line and, past its end, the lanes it leads on to."""
    line = with_headings(np.asarray(episode.route_line, float))
    lanes: tuple[str, ...] = ()
    if episode.route:
        last = episode.route[-1]
        lanes = (last, *lanes_beyond(episode.map, last, line[-1], LINE_AHEAD))
    told = with_tangents(way_on(episode.map, line[:, :2], line[-1], lanes, LINE_AHEAD))
    told.flags.writeable = False  # agents are handed views of it
    return told


def _ego_before(episode: Episode, start: Float[np.ndarray, "11"]) -> Float[np.ndarray, "t 11"]:
    seconds = DT * np.arange(-PAST, 0)
    rows = np.tile(start, (PAST, 1))
    rows[:, :3] = _backwards(start[:3], start[StateColumn.VX], seconds)
    rows[:, StateColumn.AX :] = 0.0
    history = episode.history
    if history is None or history.now == 0:
        return rows
    times = (history.ego.times[: history.now + 1] - history.time) * 1e-6
    known = seconds >= times[0] - 1e-6
    columns = np.column_stack(
        [
            history.ego.poses[: history.now + 1, :2],
            np.unwrap(history.ego.poses[: history.now + 1, 2]),
            history.ego.velocities[: history.now + 1],
            history.ego.accelerations[: history.now + 1],
        ]
    )
    for column in range(columns.shape[1]):
        rows[known, column] = np.interp(seconds[known], times, columns[:, column])
    rows[:, 2] = wrap_angle(rows[:, 2])
    return rows


def _backwards(
    pose: Float[np.ndarray, "*batch 3"],
    speed: Float[np.ndarray, "*batch"],
    seconds: Float[np.ndarray, " t"],
) -> Float[np.ndarray, "t *batch 3"]:
    """Where somebody at constant velocity has been."""
    shape = (len(seconds), *np.shape(speed))
    gone = (seconds.reshape((-1,) + (1,) * np.ndim(speed)) * speed).reshape(shape)
    out = np.empty((*shape, 3))
    out[..., 0] = pose[..., 0] + gone * np.cos(pose[..., 2])
    out[..., 1] = pose[..., 1] + gone * np.sin(pose[..., 2])
    out[..., 2] = pose[..., 2]
    return out


def _tracks_before(
    recorder: Recorder,
) -> tuple[Float[np.ndarray, "t n 3"], Float[np.ndarray, "t n 2"], Bool[np.ndarray, "t n"]]:
    poses, velocities = recorder.poses[0], recorder.velocities[0]
    seconds = DT * np.arange(-PAST, 0)
    along = velocities[:, 0] * np.cos(poses[:, 2]) + velocities[:, 1] * np.sin(poses[:, 2])
    past_poses = _backwards(poses, along, seconds)
    past_velocities = np.tile(velocities, (PAST, 1, 1))
    valid = np.tile(recorder.valid[0], (PAST, 1))
    history = recorder.episode.history
    if history is not None and history.now > 0:
        _recorded(recorder, history, seconds, past_poses, past_velocities, valid)
    return past_poses, past_velocities, valid


def _recorded(
    recorder: Recorder,
    history: Scene,
    seconds: Float[np.ndarray, " t"],
    poses: Float[np.ndarray, "t n 3"],
    velocities: Float[np.ndarray, "t n 2"],
    valid: Bool[np.ndarray, "t n"],
) -> None:
    """Overwrite the past by the nearest recorded frames of the actors that the log knows."""
    times = (history.ego.times[: history.now + 1] - history.time) * 1e-6
    frames = np.abs(times[None, :] - seconds[:, None]).argmin(axis=1)
    known = seconds >= times[0] - DT
    place = {name: k for k, name in enumerate(history.tracks.ids)}
    for column, name in enumerate(recorder.start.ids[1:]):
        track = place.get(name)
        if track is None:
            continue
        rows = np.flatnonzero(known)
        at = frames[rows]
        poses[rows, column] = history.tracks.poses[at, track]
        velocities[rows, column] = history.tracks.velocities[at, track]
        valid[rows, column] = history.tracks.valid[at, track]
