"""Replay of the recorded ego."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivelab.errors import PlanError
from drivelab.geometry.poses import relative
from drivelab.types import Observation, Plan, Privilege, SensorRig


class Human:
    """Answer with the recorded future; needs scenes that have one."""

    def __init__(self, horizon: float = 4.0, dt: float = 0.5) -> None:
        self.rig = SensorRig(history=1, privilege=Privilege.FUTURE)
        self._count = round(horizon / dt)
        self._dt = dt

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """The recorded plan of each scene."""
        return [self._plan(observation) for observation in observations]

    def _plan(self, observation: Observation) -> Plan:
        scene = observation.scene
        if scene is None:
            raise PlanError(
                f"scene {observation.scene_id}: the recorded future was not handed over"
            )
        step = round(self._dt / scene.tracks.dt)
        frames = scene.now + step * np.arange(1, self._count + 1)
        if frames[-1] >= scene.frames:
            raise PlanError(
                f"scene {scene.id}: the recording ends {scene.frames - 1 - scene.now} frames after "
                f"now, {frames[-1] - scene.now} are needed; leave the human out of this split"
            )
        return Plan(relative(scene.ego.poses[scene.now], scene.ego.poses[frames]), self._dt)
