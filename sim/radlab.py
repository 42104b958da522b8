"""radlab: clips of 8 s of dense traffic, as RAD's benchmark has them, but generated.

A clip is a drive of the generator's human among IDM traffic, recorded at 10 Hz with 2 s of history
and 2 s beyond its end. Families take turns. Splits draw from seeds of their own, so that no map and
no traffic of one occurs in another; which attempt of a seed gave a good drive is kept in a table,
so that a clip costs one simulation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import radians

import numpy as np

from drivelab.data.labmini import LICENCE
from drivelab.errors import DataError, nearest_name
from drivelab.geometry.poses import wrap_angle
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.generator.quality import complaints
from drivelab.sim.generator.recording import SIGHT, Run, run_setting
from drivelab.sim.generator.scenes import ATTEMPTS, FIRST_TIME, LOG_SPACING
from drivelab.sim.generator.setting import Light
from drivelab.sim.generator.world import DT, Snapshot
from drivelab.sim.world.episode import Termination
from drivelab.types import EgoTrajectory, Scene, Tracks

SPLITS = {"train": (4000, 20260701), "test": (300, 20260702)}  # clips, seed
# What ends a clip in RAD (section 3.4): who is hit, the border, 2 m or 40 degrees off the expert
RULES = Termination(
    collision=True,
    kerb=True,
    route_deviation=2.0,
    heading_deviation=radians(40.0),
    route_done=False,
)
SECONDS = 8.0  # of a clip
PAST, LENGTH, BEYOND = 20, 80, 20  # steps of 0.1 s before, in and after a clip
FRAMES = (PAST + LENGTH + BEYOND) // 5 + 1  # of the generator's record, at 2 Hz
TABLE = "radlab.json"  # split -> attempt of every clip
SHORTEST = 8.0  # a clip in which the human comes less far teaches nothing [m]


@dataclass(frozen=True, slots=True)
class Clip:
    """The name of a clip, taken apart."""

    split: str
    index: int
    family: str


@cache
def clip_ids(split: str) -> tuple[str, ...]:
    """All clips of a split, e.g. `train-0003-lane_drop`."""
    if split not in SPLITS:
        raise DataError(
            f"radlab has no split {split!r}{nearest_name(split, SPLITS)}; expected one of "
            f"{', '.join(SPLITS)}"
        )
    names = tuple(FAMILIES)
    return tuple(f"{split}-{i:04d}-{names[i % len(names)]}" for i in range(SPLITS[split][0]))


def read_clip_id(clip: str) -> Clip:
    """Split, index and family of a clip's id."""
    split, _, rest = clip.partition("-")
    if split not in SPLITS or clip not in _known(split):
        raise DataError(f"radlab has no clip {clip!r}: expected an id like test-0003-lane_drop")
    number, _, family = rest.partition("-")
    return Clip(split, int(number), family)


def clip_scene(clip: str) -> Scene:
    """A clip as a scene at 10 Hz: frame `now` is its first moment, the human's drive its ego."""
    name = read_clip_id(clip)
    return _scene(clip, _run(name, _attempts()[name.split][name.index]))


def find_attempts(split: str, first: int, last: int) -> list[int]:
    """The first good attempt of the clips [first, last): how the table was made."""
    return [_find(read_clip_id(clip)) for clip in clip_ids(split)[first:last]]


def _find(clip: Clip) -> int:
    reasons: list[str] = []
    for attempt in range(ATTEMPTS):
        run = _run(clip, attempt)
        reasons = [*complaints(run), *_too_short(run)]
        if not reasons:
            return attempt
    raise RuntimeError(f"no good drive for {clip} in {ATTEMPTS} attempts: {reasons}")


def _too_short(run: Run) -> list[str]:
    part = [step.ego for step in run.steps[PAST : PAST + LENGTH + 1]]
    driven = sum(state.speed for state in part) * DT
    return [f"drives {driven:.1f} m only"] if driven < SHORTEST else []


def _run(clip: Clip, attempt: int) -> Run:
    seed = SPLITS[clip.split][1]
    rng = np.random.default_rng(np.random.SeedSequence([seed, clip.index, attempt]))
    return run_setting(
        FAMILIES[clip.family](rng),
        name=f"{clip.split}-{clip.index:04d}",
        family=clip.family,
        start_time=FIRST_TIME + clip.index * LOG_SPACING,
        frames=FRAMES,
    )


def _scene(clip: str, run: Run) -> Scene:
    steps = run.steps
    ego = [step.ego for step in steps]
    speed = np.array([state.speed for state in ego])
    turning = np.array([state.yaw_rate for state in ego])
    pushed = np.array([step.ego_acceleration for step in steps])
    start = int(run.log.ego.times[0])
    return Scene(
        id=clip,
        source="radlab",
        log=run.log.name,
        map=run.log.map,
        ego=EgoTrajectory(
            start + round(DT * 1e6) * np.arange(len(steps), dtype=np.int64),
            np.array([[state.x, state.y, state.yaw] for state in ego]),
            np.column_stack([speed, 0.0 * speed]),
            np.column_stack([pushed, speed * turning]),
        ),
        now=PAST,
        tracks=_tracks(steps, run),
        route=run.log.route,
        red_lights=tuple(_red(step.time, run.setting.lights) for step in steps),
        licence=LICENCE,
        family=run.log.family,
    )


def _tracks(steps: tuple[Snapshot, ...], run: Run) -> Tracks:
    boxes = np.stack([step.boxes for step in steps])
    speeds = np.stack([step.speeds for step in steps])[:, 1:]
    others = boxes[:, 1:]
    away = np.hypot(others[..., 0] - boxes[:, :1, 0], others[..., 1] - boxes[:, :1, 1])
    near = (away < SIGHT).any(axis=0)
    yaw = others[..., 2]
    velocities = speeds[..., None] * np.stack([np.cos(yaw), np.sin(yaw)], -1)
    poses = np.concatenate([others[..., :2], wrap_angle(yaw)[..., None]], axis=-1)
    tracks = Tracks(
        run.log.tracks.ids,
        run.log.tracks.kinds,
        others[0, :, 3:],
        poses,
        velocities,
        np.ones(away.shape, bool),
        DT,
    )
    return tracks.take(near)


def _red(time: float, lights: tuple[Light, ...]) -> tuple[str, ...]:
    return tuple(
        connector
        for light in lights
        if any(start <= time < stop for start, stop in light.red)
        for connector in light.connectors
    )


@cache
def _known(split: str) -> frozenset[str]:
    return frozenset(clip_ids(split))


@cache
def _attempts() -> dict[str, list[int]]:
    table: dict[str, list[int]] = json.loads(files("drivelab.sim").joinpath(TABLE).read_text())
    return table
