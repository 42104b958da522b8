"""Rows of a nuPlan log as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """A sweep at which a scenario may start; `type` is None where nobody tagged it."""

    token: str
    time: int  # [us]
    map_name: str
    type: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A lidar sweep with the ego at that time: rear axle in the map frame, rates in the body."""

    token: str
    time: int  # of the sweep, not of the linked pose [us]
    pose: Float[np.ndarray, "3"]
    velocity: Float[np.ndarray, "2"]
    acceleration: Float[np.ndarray, "2"]


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A labelled box: centre, yaw and velocity in the map frame; static kinds do not move."""

    token: str
    track: str
    kind: str
    pose: Float[np.ndarray, "3"]
    size: Float[np.ndarray, "3"]  # length, width, height [m]
    velocity: Float[np.ndarray, "2"]


@dataclass(frozen=True, slots=True)
class Light:
    """The state of a lane connector's light: green, yellow, red or unknown."""

    connector: str
    status: str


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A camera: pose in the ego frame (camera axes x right, y down, z forward) and lens."""

    translation: Float[np.ndarray, "3"]
    rotation: Float[np.ndarray, "4"]  # quaternion w, x, y, z
    intrinsic: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, "5"]  # k1, k2, p1, p2, k3
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """An image row; `path` is relative to the sensor blobs folder."""

    channel: str
    token: str
    time: int  # [us]
    path: str
