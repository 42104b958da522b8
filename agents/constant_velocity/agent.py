"""The floor under every planner: keep heading and speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivelab.types import Observation, Plan, SensorRig


class ConstantVelocity:
    """Drive straight on at the present speed, as NAVSIM's agent of the same name."""

    def __init__(self, horizon: float = 4.0, dt: float = 0.5) -> None:
        self.rig = SensorRig(history=1)
        self._times = dt * np.arange(1, round(horizon / dt) + 1)
        self._dt = dt

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One straight plan each."""
        return [self._plan(observation) for observation in observations]

    def _plan(self, observation: Observation) -> Plan:
        speed = float(np.hypot(*observation.ego_velocities[-1]))
        poses = np.zeros((len(self._times), 3))
        poses[:, 0] = speed * self._times
        return Plan(poses, self._dt)
