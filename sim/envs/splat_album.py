"""Pictures of an episode as they were taken, and as the faults of its cameras leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.sim.sensors.faults import FaultySensors, faults_of
from drivelab.sim.world.start import DT
from drivelab.types import CameraFrame


@dataclass(slots=True, eq=False)
class Album:
    """What cameras took, step by step; satisfies `drivelab.types.SensorData`.

    Attributes:
        entries: faults as an episode's `info["sensor_faults"]` lists them; without any, nothing is
            kept.
        cameras: of the rig.
        scene: the episode's id, which seeds what is random.
    """

    entries: Sequence[Mapping[str, Any]]
    cameras: tuple[str, ...]
    scene: str
    _broken: FaultySensors = field(init=False)
    _times: list[float] = field(init=False, default_factory=list)
    _taken: list[Mapping[str, CameraFrame]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        faults = faults_of(self.entries, cameras=self.cameras)
        self._broken = FaultySensors(self, faults, self._times, self.scene)

    @property
    def has_lidar(self) -> bool:
        """Never."""
        return False

    def camera(self, name: str, frame: int) -> CameraFrame:
        """A picture as it was taken."""
        return self._taken[frame][name]

    def lidar(self, frame: int) -> np.ndarray:
        """There is none."""
        raise DataError(f"no lidar was cast at step {frame}: these are pictures alone")

    def delivered(self, step: int, shown: Mapping[str, CameraFrame]) -> Mapping[str, CameraFrame]:
        """Pictures of a step, the one after those before or the same again, with their faults."""
        if not self._broken.faults:
            return shown
        self._taken[step:], self._times[step:] = [shown], [DT * step]
        return {name: self._broken.camera(name, step) for name in shown}
