"""Replay of the recorded ego."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from drivelab.errors import PlanError
from drivelab.geometry.poses import relative, rotate
from drivelab.metrics.navsim.prepared import human_plan
from drivelab.metrics.navsim.rules import PLAN_DT, PLAN_POSES
from drivelab.types import Observation, Plan, Privilege, Scene, SensorRig


class Human:
    """Answer with the recorded future: 8 poses, 0.5 s apart.

    A single plan needs scenes with 4 s of it. In a closed loop (told by `reset`) the record ends
    with the clip, so that the last plans are as long as it allows and go on from its last pose at
    its last velocity.
    """

    def __init__(self) -> None:
        self.rig = SensorRig(history=1, privilege=Privilege.FUTURE)
        self._drives = False

    def reset(self, scene_ids: Sequence[str], *, seed: int = 0) -> None:
        """A closed loop begins."""
        self._drives = True

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
        if poses is None and self._drives:
            poses = _prolonged(scene)
        if poses is None:
            raise PlanError(
                f"scene {scene.id}: the recording ends {scene.frames - 1 - scene.now} frames after "
                f"now ({scene.tracks.dt:g} s apart), 4 s are needed; leave the human out of this "
                "split"
            )
        return Plan(poses, PLAN_DT)


def _prolonged(scene: Scene) -> Float[np.ndarray, "8 3"]:
    """What is recorded, then straight on from its last pose at its last velocity; ego frame."""
    ego = scene.ego
    seconds = (ego.times[scene.now :] - scene.time) * 1e-6
    poses = relative(ego.poses[scene.now], ego.poses[scene.now :])
    poses[:, 2] = np.unwrap(poses[:, 2])
    times = PLAN_DT * np.arange(1, PLAN_POSES + 1)
    plan = np.column_stack([np.interp(times, seconds, poses[:, axis]) for axis in range(3)])
    velocity = rotate(ego.velocities[-1:], poses[-1:, 2])[0]
    plan[:, :2] += np.maximum(times - seconds[-1], 0.0)[:, None] * velocity
    return plan
