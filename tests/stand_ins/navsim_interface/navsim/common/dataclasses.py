from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling


@dataclass
class Camera:
    image: Any = None
    sensor2lidar_rotation: Any = None
    sensor2lidar_translation: Any = None
    intrinsics: Any = None
    distortion: Any = None


@dataclass
class Cameras:
    cam_f0: Camera
    cam_l0: Camera
    cam_l1: Camera
    cam_l2: Camera
    cam_r0: Camera
    cam_r1: Camera
    cam_r2: Camera
    cam_b0: Camera


@dataclass
class Lidar:
    lidar_pc: Any = None  # (6, n) float32


@dataclass
class EgoStatus:
    ego_pose: Any
    ego_velocity: Any
    ego_acceleration: Any
    driving_command: Any
    in_global_frame: bool = False


@dataclass
class AgentInput:
    ego_statuses: list[EgoStatus]
    cameras: list[Cameras]
    lidars: list[Lidar]


@dataclass
class SensorConfig:
    """For each sensor: all four frames of history, none, or a list of their indices."""

    cam_f0: bool | list[int]
    cam_l0: bool | list[int]
    cam_l1: bool | list[int]
    cam_l2: bool | list[int]
    cam_r0: bool | list[int]
    cam_r1: bool | list[int]
    cam_r2: bool | list[int]
    cam_b0: bool | list[int]
    lidar_pc: bool | list[int]

    def get_sensors_at_iteration(self, iteration: int) -> list[str]:
        wishes = {field.name: getattr(self, field.name) for field in fields(self)}
        return [
            name
            for name, wish in wishes.items()
            if wish is True or (isinstance(wish, list) and iteration in wish)
        ]

    @classmethod
    def build_no_sensors(cls) -> SensorConfig:
        return cls(*[False] * len(fields(cls)))


@dataclass
class Trajectory:
    poses: Any  # (n, 3) float32
    trajectory_sampling: TrajectorySampling = TrajectorySampling(  # noqa: RUF009
        time_horizon=4, interval_length=0.5
    )

    def __post_init__(self) -> None:
        assert self.poses.shape == (self.trajectory_sampling.num_poses, 3)
