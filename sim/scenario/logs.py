"""Scenes of logs for scenarios: found by source and id, resampled to the world's steps."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.scenario.problems import Misfit
from drivelab.sim.world.episode import LightLog
from drivelab.sim.world.log_tracks import resample_ego, resample_lights, resample_tracks
from drivelab.sim.world.start import DT
from drivelab.types import EgoTrajectory, Scene, Tracks

SOURCES = ("reallogs", "labmini")
REALLOGS_VARIABLE = "DRIVELAB_REALLOGS_ROOT"
DATA_VARIABLE = "DRIVELAB_DATA"
RECORD_STEP = 0.5  # of points on a recorded way [m]
_OPEN = 8  # scenes that are kept


@dataclass(frozen=True, slots=True, eq=False)
class LogPart:
    """A stretch of a log at the world's steps."""

    tracks: Tracks
    expert: EgoTrajectory
    lights: LightLog | None
    history: Scene  # up to the start
    licence: str


def log_source(name: str, root: str | None = None) -> SceneSource:
    """Where the scenes of a source lie; the index of its logs is kept.

    Raises:
        ConfigError: no such source, or its folder is not named.
    """
    if name not in SOURCES:
        raise ConfigError(
            f"source={name}: scenarios read logs of {', '.join(SOURCES)}"
            f"{nearest_name(name, SOURCES)}"
        )
    return _source(name, "" if name == "labmini" else root or _reallogs_root())


def log_scene(source: str, scene_id: str) -> Scene:
    """One scene of a log; the last few stay open."""
    root = "" if source == "labmini" else _reallogs_root()
    return _scene(source, scene_id, root)


@lru_cache(maxsize=4)
def _source(name: str, root: str) -> SceneSource:
    if name == "labmini":
        from drivelab.data.labmini import LabminiSource

        return LabminiSource()
    from drivelab.data.reallogs import RealLogsSource

    return RealLogsSource(root)


@lru_cache(maxsize=_OPEN)
def _scene(name: str, scene_id: str, root: str) -> Scene:
    return _source(name, root).load(scene_id)


def log_part(scene: Scene, at: float, duration: float) -> LogPart:
    """Cut a log and resample it to steps of 0.1 s.

    Args:
        scene: of the log.
        at: start, counted from the scene's present moment [s].
        duration: [s].

    Raises:
        Misfit: the log does not reach so far.
    """
    seconds = (scene.ego.times - scene.time) * 1e-6
    if not seconds[0] - 1e-6 <= at < seconds[-1]:
        text = f"is {at:g} s, but the log runs from {seconds[0]:.1f} to {seconds[-1]:.1f} s"
        raise Misfit(("map", "at"), text)
    last = min(at + duration, float(seconds[-1]))
    frames = int((last - at) / DT + 1e-6) + 1
    first = int(np.searchsorted(seconds, at + 1e-6, side="right")) - 1
    return LogPart(
        tracks=resample_tracks(scene, at, frames),
        expert=resample_ego(scene, at, frames),
        lights=resample_lights(scene, at, frames),
        history=replace(scene, now=first).without_future(),
        licence=scene.licence,
    )


def recorded_line(expert: EgoTrajectory, start: Float[np.ndarray, "3"]) -> Float[np.ndarray, "k 2"]:
    """Points of the recorded way from a pose near its start on, half a metre apart or more."""
    kept = [start[:2]]
    for point in expert.poses[:, :2]:
        ahead = np.cos(start[2]) * (point[0] - start[0]) + np.sin(start[2]) * (point[1] - start[1])
        if np.hypot(*(point - kept[-1])) >= RECORD_STEP and (len(kept) > 1 or ahead > 0):
            kept.append(point)
    return np.array(kept)


def _reallogs_root() -> str:
    named = os.environ.get(REALLOGS_VARIABLE)
    data = os.environ.get(DATA_VARIABLE)
    if named:
        return named
    if data and (Path(data) / "real_logs").is_dir():
        return str(Path(data) / "real_logs")
    raise ConfigError(
        f"a map of a real log needs the folder of the logs: set {REALLOGS_VARIABLE} to what "
        "`drivelab data import` made"
    )
