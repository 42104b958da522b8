"""Agents written against the stand-in, as a user of navsim would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from navsim.agents.abstract_agent import AbstractAgent
from navsim.common.dataclasses import SensorConfig, Trajectory
from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling


class Coast(AbstractAgent):
    """Straight on at the present speed."""

    def __init__(self, trajectory_sampling: TrajectorySampling, slow_down: float = 0.0) -> None:
        super().__init__()
        self.sampling, self.slow_down, self.ready = trajectory_sampling, slow_down, False

    def name(self) -> str:
        return "coast"

    def get_sensor_config(self) -> SensorConfig:
        return SensorConfig.build_no_sensors()

    def initialize(self) -> None:
        self.ready = True

    def compute_trajectory(self, agent_input: Any) -> Trajectory:
        assert self.ready
        speed = np.hypot(*agent_input.ego_statuses[-1].ego_velocity) * (1 - self.slow_down)
        poses = np.zeros((self.sampling.num_poses, 3), np.float32)
        poses[:, 0] = speed * self.sampling.interval_length * np.arange(1, len(poses) + 1)
        return Trajectory(poses, self.sampling)


class Looks(Coast):
    """Keeps what it was given: front camera in two frames, back camera and lidar in the last."""

    def __init__(self) -> None:
        super().__init__(TrajectorySampling(time_horizon=4, interval_length=0.1))
        self.given: list[Any] = []

    def get_sensor_config(self) -> SensorConfig:
        wishes = SensorConfig.build_no_sensors()
        wishes.cam_f0, wishes.cam_b0, wishes.lidar_pc = [2, 3], [3], [3]
        return wishes

    def compute_trajectory(self, agent_input: Any) -> Trajectory:
        self.given.append(agent_input)
        return super().compute_trajectory(agent_input)


class NeedsScene(Coast):
    def __init__(self) -> None:
        super().__init__(TrajectorySampling(time_horizon=4, interval_length=0.5))
        self.requires_scene = True


class Strange:
    """No agent of navsim's."""
