"""Your own agent in one file: no registration, no base class.

drivelab eval agent=examples.my_agent:MyAgent bench=navsim data=embedded agent.slow_down=0.5
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivelab.types import Observation, Plan, SensorRig


class MyAgent:
    """Keep the heading and slow down steadily by `slow_down` [m/s^2]."""

    def __init__(self, slow_down: float = 0.5) -> None:
        self.rig = SensorRig(history=1)  # ego status only; ask for cameras or lidar here
        self.slow_down = slow_down

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan per observation: poses (x, y, yaw) in the ego frame at 0.5, 1.0, ... 4.0 s."""
        return [self._plan(float(o.ego_velocities[-1, 0])) for o in observations]

    def _plan(self, speed: float) -> Plan:
        times = np.minimum(0.5 * np.arange(1, 9), max(speed, 0.0) / self.slow_down)
        poses = np.zeros((8, 3))
        poses[:, 0] = speed * times - 0.5 * self.slow_down * times**2
        return Plan(poses, dt=0.5)
