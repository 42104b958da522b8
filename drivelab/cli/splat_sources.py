"""Words -> a splat world over time: a file, a clip of radlab or a scenario as an agent drove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import isfinite, radians
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drivelab.errors import ConfigError

if TYPE_CHECKING:
    from jaxtyping import Float

    from drivelab.reports.splat_panels import Play, Sight
    from drivelab.sim.sensors.rendering import Rendering
    from drivelab.sim.sensors.stage import Stage
    from drivelab.sim.splats.weather import Weather
    from drivelab.types import Scene

WEATHER = ("time", "rain", "fog", "clouds")
SOURCES = ("FILE", "clip", "scenario")
KEYS = ("clip", "scenario", "agent", "seed", "rig", "scale", "pose",
        *(f"weather.{name}" for name in WEATHER))  # fmt: skip
SAID = ("weather", "time_of_day")  # of an episode's `info`
STREET_ONLY = ("seed", *(f"weather.{name}" for name in WEATHER))


def read_source(found: Mapping[str, str]) -> Play:
    """The world that words of `KEYS` and FILE name.

    Raises:
        ConfigError: none or several are named, or a word does not fit the one that is.
    """
    named = [key for key in SOURCES if key in found]
    if len(named) != 1:
        raise ConfigError(
            "expected one of FILE, clip=ID and scenario=NAME, found "
            f"{' and '.join(named) or 'none'}; try clip=test-0003-lane_drop"
        )
    _refuse_misfits(found, named[0])
    if named[0] == "FILE":
        return _file(found)
    how = _rendering(found)
    return _clip(found["clip"], how) if named[0] == "clip" else _scenario(found, how)


def number(found: Mapping[str, str], key: str, default: float) -> float:
    """A finite number that was said under a key."""
    text = found.get(key)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ConfigError(f"{key}={text}: expected a number")
    return value


def whole(found: Mapping[str, str], key: str, default: int) -> int:
    """A whole number, 0 or more."""
    text = found.get(key, str(default))
    if not text.isdecimal():
        raise ConfigError(f"{key}={text}: expected a whole number, 0 or more")
    return int(text)


def _refuse_misfits(found: Mapping[str, str], source: str) -> None:
    """Words that would change nothing are a mistake of whoever typed them."""
    if source == "FILE":
        for key in STREET_ONLY:
            if key in found:
                raise ConfigError(f"{key}= is for streets that are built; a file's are what it is")
    elif "pose" in found:
        raise ConfigError("pose= is for a FILE; the vehicle of a clip or scenario has its own way")
    if "agent" in found and source != "scenario":
        raise ConfigError("agent= drives a scenario=NAME; clips and files are recordings")


def _rendering(found: Mapping[str, str]) -> Rendering:
    from drivelab.sim.sensors.rendering import Rendering
    from drivelab.sim.splats.weather import Weather

    return Rendering(
        found.get("rig", "rad"), number(found, "scale", 1.0), _weather(found, Weather()),
        whole(found, "seed", 0),
    )  # fmt: skip


def _weather(found: Mapping[str, str], plain: Weather) -> Weather:
    """As the words say; as `plain` where they say nothing."""
    said = {name: number(found, f"weather.{name}", getattr(plain, name)) for name in WEATHER[1:]}
    return replace(plain, time=found.get("weather.time", plain.time), **said)


def _clip(clip: str, how: Rendering) -> Play:
    from drivelab.sim.radlab import clip_scene
    from drivelab.sim.sensors.rendered import stage_of_scene

    scene = clip_scene(clip)
    return _played(scene, stage_of_scene(scene, how), f"radlab clip {clip}, driven by its human")


def _scenario(found: Mapping[str, str], how: Rendering) -> Play:
    from drivelab.cli.scenario_run import build_agent
    from drivelab.data.rollout_log import rollout_scene
    from drivelab.evaluation.closed_loop import drive
    from drivelab.sim.scenario.files import load_scenario
    from drivelab.sim.sensors.episode_weather import weather_of
    from drivelab.sim.sensors.rendered import stage_of_episode
    from drivelab.sim.splats.weather import Weather
    from drivelab.sim.world.view import base_scene

    name = found.get("agent", "pdm_closed")
    episode = load_scenario(found["scenario"]).episode(how.seed)
    rollout = drive(episode, build_agent(name, how.seed))
    scene = rollout_scene(rollout, base_scene(episode))
    title = f"scenario {found['scenario']}, seed {how.seed}, driven by {name}"
    weather = _weather(found, weather_of(episode.info) or Weather())  # typed words go first
    silent = {key: said for key, said in episode.info.items() if key not in SAID}
    stage = stage_of_episode(replace(episode, info=silent), replace(how, weather=weather))
    return _played(scene, stage, title)


def _played(scene: Scene, stage: Stage, title: str) -> Play:
    from drivelab.reports.splat_panels import Play, Sight
    from drivelab.sim.sensors.rendered import RenderedSensors, rendered

    sensors = RenderedSensors(stage, scene)
    broken = rendered(scene, stage)  # as its faults leave it

    def delivered(n: int, camera: str) -> np.ndarray:
        return broken.camera(camera, n).image

    def sight(n: int) -> Sight:
        shot = sensors.shot(n)
        return Sight(
            shot.scene, shot.moment, stage.rig, shot.scene_from_ego, scene.id, frame=n,
            faulty=partial(delivered, n) if stage.rendering.faults else None,
        )  # fmt: skip

    times = (scene.ego.times - scene.time) / 1e6
    return Play(scene.id, title, times, stage.rig, sight)


def _file(found: Mapping[str, str]) -> Play:
    from drivelab.reports.splat_panels import Play, Sight
    from drivelab.sim.sensors.rig import load_rig
    from drivelab.sim.splats.compose import moment_at
    from drivelab.sim.splats.files import load_scene, stem_of

    file = Path(found["FILE"])
    rig = load_rig(found.get("rig", "rad"), scale=number(found, "scale", 1.0))
    stands = _pose(found.get("pose", "0,0,0"))
    scene = load_scene(file)
    times = scene.times if len(scene.times) else np.zeros(1)

    def sight(n: int) -> Sight:
        return Sight(scene, moment_at(scene, times[n]), rig, stands, scene.name, frame=n)

    return Play(stem_of(file), f"{file.name}: {scene.name}", times, rig, sight)


def _pose(text: str) -> Float[np.ndarray, "4 4"]:
    """`x,y,yaw_deg[,z,pitch_deg]` in the scene's frame; pitch counts downwards, as in rigs."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (3, 5) or not all(map(isfinite, values)):
        raise ConfigError(f"pose={text}: expected X,Y,YAW_DEG or X,Y,YAW_DEG,Z,PITCH_DEG")
    x, y, yaw, z, pitch = [*values, 0.0, 0.0][:5]
    cos, sin = np.cos(radians(yaw)), np.sin(radians(yaw))
    down, ahead = np.sin(radians(pitch)), np.cos(radians(pitch))
    pose = np.eye(4)
    pose[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ np.array(
        [[ahead, 0, down], [0, 1, 0], [-down, 0, ahead]]
    )
    pose[:3, 3] = x, y, z
    return pose
