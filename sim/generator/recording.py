"""Run a setting and write down what happened: frames at 2 Hz, rounded to the file's resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivelab.data.labmini_format import POSITION, RATE, quantise, quantise_poses
from drivelab.data.recorded_log import RecordedLog
from drivelab.geometry.polyline import sample, segments
from drivelab.geometry.poses import relative, wrap_angle
from drivelab.sim.generator.setting import Setting, lanes_path
from drivelab.sim.generator.world import DT, Snapshot, TrafficWorld
from drivelab.types import Command, EgoTrajectory, Tracks

WARM_UP = 3.0  # driven before the record begins, so that nobody starts with a jolt [s]
FRAME_DT = 0.5  # [s]
SCENE_FRAMES = 14  # 1.5 s of history, now, 5 s of future
NOW = 3
SCENES_PER_LOG = 2  # half a second apart: the pair is what two-frame comfort compares
LOG_FRAMES = SCENE_FRAMES + SCENES_PER_LOG - 1
SIGHT = 100.0  # boxes farther from the ego are not recorded [m]
COMMAND_AHEAD, COMMAND_ASIDE = 20.0, 2.0  # where the way is looked at, what counts as a turn [m]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A setting after it ran: its record, and every step from the record's first frame on."""

    log: RecordedLog
    steps: tuple[Snapshot, ...]
    setting: Setting


def run_setting(
    setting: Setting, *, name: str, family: str, start_time: int, frames: int = LOG_FRAMES
) -> Run:
    """Simulate a setting and record so many frames; `start_time` [us] is the first one's."""
    passing = [lanes_path(setting.map, lanes) for lanes in setting.passing]
    world = TrafficWorld((setting.ego, *setting.traffic), passing_paths=passing)
    for _ in range(round(WARM_UP / DT)):
        world.step()
    steps = [world.snapshot()]
    per_frame = round(FRAME_DT / DT)
    for _ in range(per_frame * (frames - 1)):
        world.step()
        steps.append(world.snapshot())
    changed = world.changed_to
    lanes = setting.ego_lanes if changed is None else setting.passing[changed]
    recorded = steps[::per_frame]
    log = RecordedLog(
        name=name,
        family=family,
        map=setting.map,
        ego=_ego(recorded, start_time),
        tracks=_tracks(recorded, setting),
        route=tuple(dict.fromkeys(setting.map.lanes[lane].block for lane in lanes)),
        commands=_commands(recorded, lanes_path(setting.map, setting.ego_lanes)),
        red_lights=_red_lights(recorded, setting),
        starts=tuple(range(SCENES_PER_LOG)),
        scene_frames=SCENE_FRAMES,
        now=NOW,
    )
    return Run(log, tuple(steps), setting)


def _ego(frames: Sequence[Snapshot], start_time: int) -> EgoTrajectory:
    states = [frame.ego for frame in frames]
    speed = np.array([state.speed for state in states])
    turning = np.array([state.yaw_rate for state in states])
    pushed = np.array([frame.ego_acceleration for frame in frames])
    step = round(FRAME_DT * 1e6)
    return EgoTrajectory(
        times=start_time + step * np.arange(len(frames), dtype=np.int64),
        poses=quantise_poses(np.array([[state.x, state.y, state.yaw] for state in states])),
        velocities=quantise(np.column_stack([speed, 0 * speed]), RATE),
        accelerations=quantise(np.column_stack([pushed, speed * turning]), RATE),
    )


def _tracks(frames: Sequence[Snapshot], setting: Setting) -> Tracks:
    boxes = np.stack([frame.boxes for frame in frames])
    speeds = np.stack([frame.speeds for frame in frames])[:, 1:]
    away = np.hypot(boxes[:, 1:, 0] - boxes[:, :1, 0], boxes[:, 1:, 1] - boxes[:, :1, 1])
    valid = away < SIGHT
    others = boxes[:, 1:]
    yaw = others[..., 2]
    velocities = speeds[..., None] * np.stack([np.cos(yaw), np.sin(yaw)], -1)
    poses = np.concatenate([others[..., :2], wrap_angle(yaw)[..., None]], axis=-1)
    kinds = tuple(actor.kind for actor in setting.traffic)
    return Tracks(
        ids=tuple(f"{kind}-{i:02d}" for i, kind in enumerate(kinds)),
        kinds=kinds,
        sizes=quantise(others[0, :, 3:], POSITION),
        poses=np.where(valid[..., None], quantise_poses(poses), np.nan),
        velocities=np.where(valid[..., None], quantise(velocities, RATE), np.nan),
        valid=valid,
        dt=FRAME_DT,
    )


def _commands(frames: Sequence[Snapshot], way: np.ndarray) -> tuple[Command, ...]:
    """Where the way leads, seen from the ego: the rule of the real logs."""
    commands = []
    line = segments(way)
    egos = np.array([[frame.ego.x, frame.ego.y, frame.ego.yaw] for frame in frames])
    goals = sample(way, np.array([line.project(ego)[0] for ego in egos]) + COMMAND_AHEAD)
    for ego, goal in zip(egos, goals, strict=True):
        aside = relative(ego, goal)[1]
        if abs(aside) < COMMAND_ASIDE:
            commands.append(Command.STRAIGHT)
        else:
            commands.append(Command.LEFT if aside > 0 else Command.RIGHT)
    return tuple(commands)


def _red_lights(frames: Sequence[Snapshot], setting: Setting) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(
            connector
            for light in setting.lights
            if any(start <= frame.time < stop for start, stop in light.red)
            for connector in light.connectors
        )
        for frame in frames
    )
