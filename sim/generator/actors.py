"""Who takes part: sizes, paths, and how speed along the path is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.planning import IDMParameters

Interval = tuple[float, float]  # from, to [s]

SIZES = {  # (length, width) [m]
    "car": (4.7, 1.95),
    "van": (5.6, 2.1),
    "truck": (8.2, 2.45),
    "pedestrian": (0.7, 0.7),
    "bicycle": (1.8, 0.7),
    "traffic_cone": (0.4, 0.4),
    "barrier": (2.0, 0.5),
}


@dataclass(frozen=True, slots=True)
class StopLine:
    """A line across the path at arc length `at` [m], closed during `red` intervals."""

    at: float
    red: tuple[Interval, ...]

    def closed(self, time: float) -> bool:
        """Whether the light is red."""
        return any(start <= time < stop for start, stop in self.red)


@dataclass(frozen=True, slots=True, eq=False)
class Follow:
    """Drive the path by IDM: keep to the allowed speed, to leaders, lights and priorities."""

    driver: IDMParameters
    allowed: Float[np.ndarray, " n"]  # speed at every vertex of the path [m/s]
    stop_lines: tuple[StopLine, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """Move with a given speed [m/s], linear between knots, constant beyond; yields to nobody."""

    times: Float[np.ndarray, " k"]
    speeds: Float[np.ndarray, " k"]

    def speed(self, time: float) -> float:
        """Speed at a time [s]."""
        return float(np.interp(time, self.times, self.speeds))


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """One road user; its box centre (the ego: its rear axle) follows `path`."""

    kind: str
    size: tuple[float, float]  # length, width [m]
    path: Float[np.ndarray, "n 3"]
    start: float  # arc length at time 0 [m]
    speed: float  # at time 0 [m/s]
    motion: Follow | Script
    priority: int = 0  # yields to crossing actors of higher priority


STANDING = Script(np.zeros(1), np.zeros(1))


def standing(kind: str, size: tuple[float, float], pose: Float[np.ndarray, "3"]) -> Actor:
    """A parked car, a cone, somebody waiting."""
    ahead = pose + np.array([np.cos(pose[2]), np.sin(pose[2]), 0.0])
    return Actor(kind, size, np.stack([pose, ahead]), 0.0, 0.0, STANDING, priority=-1)
