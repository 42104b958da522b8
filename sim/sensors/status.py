"""Noise on what the vehicle says of itself: pose, speed, acceleration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from drivelab.sim.sensors.draws import draws_for
from drivelab.types import EgoTrajectory, Observation


@dataclass(frozen=True, slots=True)
class StatusNoise:
    """Standard deviations, independent from frame to frame.

    Attributes:
        position: along each axis [m].
        heading: [rad].
        speed: of the velocity along each axis [m/s].
        acceleration: along each axis [m/s^2].
    """

    position: float = 0.0
    heading: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0

    def __post_init__(self) -> None:
        for name in ("position", "heading", "speed", "acceleration"):
            if not 0 <= (value := getattr(self, name)) < np.inf:
                raise ValueError(f"StatusNoise.{name} is {value}; expected 0 or more")


def noisy_ego(ego: EgoTrajectory, noise: StatusNoise, *, scene: str) -> EgoTrajectory:
    """A drive as the vehicle's own sensors would tell it; the same for the same scene and times."""
    errors = _errors(ego.times, noise, scene)
    poses = ego.poses + errors[:, :3]
    poses[:, 2] = _wrapped(poses[:, 2])
    return replace(
        ego,
        poses=poses,
        velocities=ego.velocities + errors[:, 3:5],
        accelerations=ego.accelerations + errors[:, 5:],
    )


def noisy_observation(observation: Observation, noise: StatusNoise) -> Observation:
    """The same for what an agent sees.

    Its poses are relative to the present one, whose own error moves all others: the last row stays
    0. The errors are those of `noisy_ego` at the same times, with x and y along the ego's axes of
    the present instead of the map's.
    """
    times = observation.time + np.rint(observation.ego_times * 1e6).astype(np.int64)
    errors = _errors(times, noise, observation.scene_id)
    poses = observation.ego_poses + errors[:, :3]
    return replace(
        observation,
        ego_poses=_about(poses, errors[-1, :3]),
        ego_velocities=observation.ego_velocities + errors[:, 3:5],
        ego_accelerations=observation.ego_accelerations + errors[:, 5:],
    )


def _errors(times: np.ndarray, noise: StatusNoise, scene: str) -> Float[np.ndarray, "t 7"]:
    drawn = [draws_for(scene, "status", int(time)).standard_normal(7) for time in times]
    spread = [noise.position] * 2 + [noise.heading] + [noise.speed] * 2 + [noise.acceleration] * 2
    return np.array(drawn).reshape(len(times), 7) * spread


def _about(poses: Float[np.ndarray, "t 3"], own: Float[np.ndarray, "3"]) -> np.ndarray:
    """Poses as seen from the pose `own`."""
    cos, sin = np.cos(own[2]), np.sin(own[2])
    away = poses - own
    x, y = cos * away[:, 0] + sin * away[:, 1], cos * away[:, 1] - sin * away[:, 0]
    return np.stack([x, y, _wrapped(away[:, 2])], -1)


def _wrapped(angles: np.ndarray) -> np.ndarray:
    return (angles + np.pi) % (2 * np.pi) - np.pi
