"""Replay of the recorded ego."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.errors import PlanError
from drivelab.metrics.navsim.prepared import human_plan
from drivelab.metrics.navsim.rules import PLAN_DT
from drivelab.types import Observation, Plan, Privilege, SensorRig


class Human:
    """Answer with the recorded future; needs scenes that have 4 s of it."""

    def __init__(self) -> None:
        self.rig = SensorRig(history=1, privilege=Privilege.FUTURE)

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """The recorded plan of each scene."""
        return [self._plan(observation) for observation in observations]

    def _plan(self, observation: Observation) -> Plan:
        scene = observation.scene
        if scene is None:
            raise PlanError(
                f"scene {observation.scene_id}: the recorded future was not handed over"
            )
        poses = human_plan(scene)
        if poses is None:
            raise PlanError(
                f"scene {scene.id}: the recording ends {scene.frames - 1 - scene.now} frames after "
                f"now ({scene.tracks.dt:g} s apart), 4 s are needed; leave the human out of this "
                "split"
            )
        return Plan(poses, PLAN_DT)
