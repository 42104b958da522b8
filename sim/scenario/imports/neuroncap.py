"""NeuroNCAP's scenario YAML -> ours, on the nuScenes log that it was written for.

`general` says where in the log it starts (2 Hz frames), how long it takes and how much the start is
jittered; every actor has positions in the log's map frame at times counted from the log's first
frame, and a jitter along and across a direction. The paper's score is the metric `neuroncap_v1`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError, DataError
from drivelab.sim.scenario.acts import AnyAct, SetSpeed, When
from drivelab.sim.scenario.imports.fields import Fields, number_list
from drivelab.sim.scenario.logs import log_source
from drivelab.sim.scenario.map_choice import LogMap
from drivelab.sim.scenario.reading import read_document
from drivelab.sim.scenario.road_users import (
    Actor,
    AnyMotion,
    Ego,
    Nudge,
    ParkedMotion,
    Route,
    WalkMotion,
)
from drivelab.sim.scenario.schema import Expect, Scenario
from drivelab.sim.scenario.variations import AnyVariation, Choice, Normal, Uniform
from drivelab.types import Scene

FRAME = 0.5  # spacing of NeuroNCAP's frames [s]
STILL = 0.3  # an actor whose positions lie closer together stands [m]
SLOWEST = 0.2  # [m/s]
_NUMBER = re.compile(r"(\d{4})")
# Keys whose meaning lies in the camera pipeline or in the original tracks.
_UNUSED = ("time-step", "priming-steps", "smooth-actors", "start-pose", "start-velo")


def import_neuroncap(file: Path, *, root: str | None = None, scene: str = "") -> Scenario:
    """Read a file.

    Args:
        file: the scenario YAML, named by the number of its nuScenes scene (`0103.yaml`).
        root: folder of the logs; else from the environment.
        scene: name of the log, where the file's name does not say it (`scene-0103`).

    Raises:
        ConfigError: the nuScenes log is not there.
        DataError: a key is missing or of a wrong type.
    """
    fields = Fields(read_document(file).data, str(file))
    general = fields.inner("general")
    log = scene or _log_name(file)
    start = FRAME * general.number("start-frame", 0.0)
    window, at = _window(log, start, root)
    notes = ["positions, times and jitter as in NeuroNCAP; other traffic of the log is left out"]
    vary: dict[str, AnyVariation] = {}
    _start_jitter(general, at, vary, notes)
    rows = fields.get("actors")
    if not isinstance(rows, list) or not rows:
        raise DataError("expected a list of actors", file=file, where="actors")
    inner = [Fields(row, str(file), f"actors[{k}]") for k, row in enumerate(rows)]
    actors = [_actor(row, k, start, window, vary, notes) for k, row in enumerate(inner)]
    _note_general(general, fields, notes)
    family = file.parent.name if file.parent.name in ("stationary", "frontal", "side") else ""
    return Scenario(
        id=f"neuroncap_{family or 'scenario'}_{log.replace('-', '_')}",
        purpose=f"NeuroNCAP's {family or 'own'} scenario on {log}.",
        family="neuroncap",
        map=LogMap(log=window.id, source="reallogs", at=at),
        duration=general.number("duration", 20.0),
        ego=Ego(),
        route=Route(recorded=True),
        actors=tuple(actors),
        vary=vary,
        expect=Expect(no_collision=True),
        notes=tuple(notes),
    )


def _start_jitter(
    general: Fields, at: float, vary: dict[str, AnyVariation], notes: list[str]
) -> None:
    frames = int(general.number("start-jitter", 0.0))
    if frames:
        steps = range(-frames, frames + 1)
        vary["map.at"] = Choice(choice=[round(at + FRAME * k, 2) for k in steps])
        notes.append("start-jitter moves the ego's start; the actors keep their own clock of it")


def _log_name(file: Path) -> str:
    found = _NUMBER.search(file.stem)
    if found is None:
        raise ConfigError(f"{file}: its name holds no scene number; say scene=scene-0103")
    return f"scene-{found[1]}"


def _window(log: str, start: float, root: str | None) -> tuple[Scene, float]:
    """The window of the log whose present is nearest to a time from the log's beginning."""
    source = log_source("reallogs", root)
    ids = [name for name in source.scene_ids() if name.startswith(f"{log}-")]
    if not ids:
        raise ConfigError(
            f"the nuScenes log {log} is not among the logs; NeuroNCAP's positions are in its map"
        )
    nows = np.array([int(name.rpartition("-")[2]) * 1e-6 for name in ids])
    best = int(np.argmin(np.abs(nows - start)))
    return source.load(ids[best]), round(float(start - nows[best]), 3)


def _actor(
    fields: Fields,
    number: int,
    start: float,
    window: Scene,
    vary: dict[str, AnyVariation],
    notes: list[str],
) -> Actor:
    name = "target" if fields.get("is_target_actor") else f"actor_{number}"
    name = f"{name}_{number}" if number else name
    mode = fields.get("mode", "override")
    if mode != "override":
        raise DataError(
            f"mode {mode!r} cannot be read; expected override",
            file=fields.file,
            where=fields.path("mode"),
        )
    times, points = _track(fields)
    size = _size(fields, window, name, notes)
    flipped = bool(fields.get("flip-uuids"))
    if flipped:
        notes.append(f"{name}: flip-uuids turns some of its looks round; here it has one look")
    pose, motion, acts, speed = _motion(times, points, start, fields.number("initial-yaw", 0.0))
    nudge = _jitter(fields, name, motion, speed, vary, notes)
    rest = [key for key in fields.rest() if key not in ("times",)]
    if rest:
        notes.append(f"{name}: keys without a meaning here: {', '.join(rest)}")
    return Actor(
        id=name,
        kind="vehicle",
        size=size,
        pose=pose,
        speed=speed,
        nudge=nudge,
        motion=motion,
        behavior=acts or None,
    )


def _track(fields: Fields) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k 2"]]:
    times = np.array(fields.numbers("times"))
    rows = fields.get("positions")
    where = fields.path("positions")
    if not isinstance(rows, list) or len(rows) != len(times) or len(times) < 1:
        raise DataError(f"expected {len(times)} positions", file=fields.file, where=where)
    points = [number_list(row, fields.file, f"{where}[{k}]", 3)[:2] for k, row in enumerate(rows)]
    if np.any(np.diff(times) <= 0):
        raise DataError("times must rise", file=fields.file, where=fields.path("times"))
    return times, np.array(points)


def _motion(
    times: Float[np.ndarray, " k"],
    points: Float[np.ndarray, "k 2"],
    start: float,
    yaw: float,
) -> tuple[list[float], AnyMotion, tuple[AnyAct, ...], float]:
    """Pose at the start, path from there, and its speeds as behaviours."""
    here = np.array([np.interp(start, times, column) for column in points.T])
    ahead = points[times > start + 1e-6]
    stops = [here, *ahead]
    moves = [b for a, b in pairwise(stops) if np.hypot(*(b - a)) > STILL]
    if not moves:
        return _pose(here, yaw), ParkedMotion(), (), 0.0
    delta = moves[0] - here
    heading = float(np.arctan2(delta[1], delta[0]))
    clock = [start, *times[times > start + 1e-6].tolist()]
    speeds = [
        float(np.hypot(*(b - a)) / (t1 - t0))
        for (a, b), (t0, t1) in zip(pairwise(stops), pairwise(clock), strict=True)
    ]
    acts = tuple(
        SetSpeed(
            speed=round(speed if speed > SLOWEST else 0.0, 3),
            acceleration=4.0,
            when=When(time=round(moment - start, 3)),
        )
        for moment, before, speed in zip(clock[1:-1], speeds[:-1], speeds[1:], strict=True)
        if abs(speed - before) > SLOWEST
    )
    first = round(speeds[0], 3)
    walk = WalkMotion(path=tuple(_rounded(point) for point in moves), speed=max(first, SLOWEST))
    return _pose(here, heading), walk, acts, first


def _jitter(
    fields: Fields,
    name: str,
    motion: AnyMotion,
    speed: float,
    vary: dict[str, AnyVariation],
    notes: list[str],
) -> Nudge | None:
    """A nudge along and across the jitter's direction, drawn anew for every seed."""
    if fields.get("jitter") is None:
        return None
    jitter = fields.inner("jitter")
    even = bool(jitter.get("uniform", True))
    angle = jitter.get("long-lat-angle")
    if angle is not None:
        for key, mine in (("longitudinal", "ahead"), ("lateral", "left")):
            _draw(vary, f"actors.{name}.nudge.{mine}", jitter.number(key, 0.0), even)
    spread = float(np.degrees(jitter.number("yaw-jitter", 0.0)))
    _draw(vary, f"actors.{name}.nudge.heading_deg", spread, even)
    if any(jitter.get("times", ())) and isinstance(motion, WalkMotion):
        notes.append(f"{name}: jitter of times varies its speed by a half instead")
        slow, fast = round(0.5 * speed, 3), round(1.5 * speed, 3)
        vary[f"actors.{name}.motion.speed"] = Uniform(uniform=[slow, fast])
    return Nudge(along_deg=round(float(np.degrees(angle or 0.0)), 2))


def _draw(vary: dict[str, AnyVariation], path: str, scale: float, even: bool) -> None:
    if scale > 0:
        scale = round(scale, 3)
        vary[path] = Uniform(uniform=[-scale, scale]) if even else Normal(normal=[0.0, scale])


def _size(fields: Fields, window: Scene, name: str, notes: list[str]) -> list[float]:
    """Of the first recorded vehicle that the file names, else a usual car's."""
    if fields.get("dims") is not None:
        width, length, _ = fields.numbers("dims", 3)
        return [length, width]
    names: Sequence[Any] = fields.get("uuids") or [fields.get("uuid")]
    for track in names:
        if track in window.tracks.ids:
            length, width = window.tracks.sizes[window.tracks.ids.index(track)]
            return [round(float(length), 2), round(float(width), 2)]
    notes.append(f"{name}: none of its recorded looks is in this part of the log; a usual car")
    return [4.6, 1.9]


def _note_general(general: Fields, fields: Fields, notes: list[str]) -> None:
    for key in _UNUSED:
        value = general.get(key)
        if value not in (None, "original", True):
            notes.append(f"general.{key}: {value} has no meaning here")
    if general.get("dim-jitter"):
        notes.append("general.dim-jitter: sizes are not varied")
    rest = [*general.rest(), *fields.rest()]
    if rest:
        notes.append(f"keys without a meaning here: {', '.join(rest)}")


def _pose(point: Float[np.ndarray, "2"], yaw: float) -> list[float]:
    return [*_rounded(point), round(float(np.degrees(yaw)), 2)]


def _rounded(point: Float[np.ndarray, "2"]) -> list[float]:
    return [round(float(point[0]), 3), round(float(point[1]), 3)]
