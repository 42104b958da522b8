"""Follow the centreline of the lane under the ego, at one speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivelab.geometry.polyline import project, sample
from drivelab.geometry.poses import relative
from drivelab.types import Observation, Plan, Privilege, Scene, SensorRig


class LaneFollow:
    """Move along the nearest lane's centreline, then straight on where it ends."""

    def __init__(self, speed: float = 5.0) -> None:
        self.rig = SensorRig(history=1, privilege=Privilege.STATE)
        self.speed = speed

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        return [self._plan(observation.scene) for observation in observations]

    def _plan(self, scene: Scene | None) -> Plan:
        if scene is None:
            raise ValueError("LaneFollow needs the map")
        pose = scene.ego.poses[scene.now]
        lines = [lane.centreline for lane in scene.map.lanes.values()]
        line = min(lines, key=lambda points: project(points, pose)[1])
        start, _ = project(line, pose)
        distance = start + self.speed * 0.5 * np.arange(1, 9)
        return Plan(relative(pose, sample(line, distance)), dt=0.5)
