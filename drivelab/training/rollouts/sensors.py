"""Worlds seen through the cameras and the lidar of a driving network: what `obs=sensors` is.

Features are built by the same code as when the network drives in a bench, from the same sensors.
The worlds, their events and their rewards are those of vector observations: what stands about lies
behind borders, whose touch ends a clip anyway; it is seen, and not felt by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np

from drivelab.agents.features import compact_features, rig_of
from drivelab.agents.features.options import FeatureOptions
from drivelab.agents.features.status import COMMANDS
from drivelab.data.observation import build_observation
from drivelab.errors import ConfigError
from drivelab.kernels.world.observe_ego import EGO_FLOATS
from drivelab.sim.envs.core import EnvOptions
from drivelab.sim.envs.views import Arrays
from drivelab.sim.sensors.rendered import rendered, stage_of_episode
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.stage import Stage
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.recorder import Recorder
from drivelab.sim.world.view import SceneView
from drivelab.training.rollouts.seen import DrawnCore

STATUS = "status_feature"


@dataclass(frozen=True, slots=True)
class Sensors:
    """How a network's features come about.

    Attributes:
        features: options of their builders.
        rendering: rig, scale, weather and where built streets are kept.
    """

    features: FeatureOptions
    rendering: Rendering

    def __post_init__(self) -> None:
        if self.features.camera is None:
            raise ConfigError("obs=sensors is for networks that look through cameras")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `Seen`."""
        camera, lidar = self.features.camera, self.features.lidar
        assert camera is not None
        found: dict[str, tuple[int, ...]] = {"camera_feature": (3, *camera.size)}
        if lidar is not None:
            found["lidar_feature"] = (1 + lidar.ground, lidar.cells, lidar.cells)
        return found

    def core(self, options: EnvOptions, environments: int) -> DrawnCore:
        """Worlds of their own."""
        return DrawnCore(options, environments=environments, view=SensorView(self))


@dataclass(slots=True)
class _Seat:
    """What is known of one environment's episode, and its stage."""

    recorder: Recorder
    view: SceneView
    stage: Stage


class SensorView:
    """A network's features, and the numbers by which the step judges.

    Args:
        how: features come about.

    Attributes:
        live, seconds: see `DrawnView`.
    """

    def __init__(self, how: Sensors) -> None:
        self._how, self._rig = how, rig_of(how.features)
        self._seats: dict[int, _Seat] = {}
        self.live = np.zeros(0, bool)
        self.seconds = 0.0

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """Bytes of the sensors, the status, and a row of floats that no network is shown."""
        self.live = np.ones(shape[0], bool)
        self._rows = np.zeros((*shape, EGO_FLOATS), np.float32)
        drawn = {k: np.zeros((*shape, *size), np.uint8) for k, size in self._how.shapes.items()}
        return {**drawn, STATUS: np.zeros((*shape, COMMANDS + 4), np.float32)}

    def ego_rows(self, arrays: Arrays) -> np.ndarray:
        """The rows of floats."""
        return self._rows[:, 0]

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Look at the environments that live."""
        clock = perf_counter()
        for e in np.flatnonzero(self.live).tolist():
            self._look(e, arrays)
        self.seconds += perf_counter() - clock

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment that has just begun."""
        recorder = Recorder(world, e)
        recorder.record()
        stage = stage_of_episode(recorder.episode, self._how.rendering)
        self._seats[e] = _Seat(recorder, SceneView(recorder), stage)
        self._show(e, arrays)

    def space(self, form: str) -> gym.Space:
        """A Dict of the features; they are no flat row."""
        if form == "flat":
            raise ConfigError("observation=flat: a network's features have several shapes")
        status = gym.spaces.Box(-np.inf, np.inf, (COMMANDS + 4,), np.float32)
        drawn = {k: gym.spaces.Box(0, 255, v, np.uint8) for k, v in self._how.shapes.items()}
        return gym.spaces.Dict({**drawn, STATUS: status})

    def pack(self, arrays: Arrays, at: Any, form: str) -> Any:
        """Copies of the features."""
        return {name: array[at].copy() for name, array in arrays.items()}

    def _look(self, e: int, arrays: Arrays) -> None:
        recorder = self._seats[e].recorder
        if recorder.frames <= recorder.episode_steps:
            recorder.record()
            self._show(e, arrays)

    def _show(self, e: int, arrays: Arrays) -> None:
        seat = self._seats[e]
        bare = seat.view.scene()
        scene = replace(bare, sensors=rendered(bare, seat.stage))
        found = compact_features(build_observation(scene, self._rig), self._how.features)
        seat.stage.forget()  # nothing is looked at twice
        for name, array in arrays.items():
            array[e, 0] = found[name]
