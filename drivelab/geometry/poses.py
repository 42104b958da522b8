"""Poses (x [m], y [m], yaw [rad]) in the plane: wrap, compose, invert."""

from __future__ import annotations

from typing import overload

import numpy as np
from jaxtyping import Float


@overload
def wrap_angle(angle: float) -> float: ...
@overload
def wrap_angle(angle: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
def wrap_angle(
    angle: Float[np.ndarray, "*shape"] | float,
) -> Float[np.ndarray, "*shape"] | float:
    """Wrap to [-pi, pi] by atan2(sin, cos), the rule of NAVSIM and nuPlan."""
    return np.arctan2(np.sin(angle), np.cos(angle))


def compose(
    map_from_ego: Float[np.ndarray, "3"], poses: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Express poses given in the frame of `map_from_ego` in the map frame."""
    x, y, yaw = map_from_ego
    cos, sin = np.cos(yaw), np.sin(yaw)
    out = np.empty(np.shape(poses))
    out[..., 0] = cos * poses[..., 0] - sin * poses[..., 1] + x
    out[..., 1] = sin * poses[..., 0] + cos * poses[..., 1] + y
    out[..., 2] = wrap_angle(poses[..., 2] + yaw)
    return out


def relative(
    map_from_ego: Float[np.ndarray, "3"], poses: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Express map poses in the frame of `map_from_ego`; the inverse of `compose`."""
    x, y, yaw = map_from_ego
    cos, sin = np.cos(yaw), np.sin(yaw)
    dx, dy = poses[..., 0] - x, poses[..., 1] - y
    out = np.empty(np.shape(poses))
    out[..., 0] = cos * dx + sin * dy
    out[..., 1] = -sin * dx + cos * dy
    out[..., 2] = wrap_angle(poses[..., 2] - yaw)
    return out


def rotate(
    vectors: Float[np.ndarray, "*batch 2"], yaw: Float[np.ndarray, "*batch"] | float
) -> Float[np.ndarray, "*batch 2"]:
    """Rotate plane vectors counter-clockwise by `yaw`."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def yaw_from_quaternion(
    quaternion: Float[np.ndarray, "*batch 4"],
) -> Float[np.ndarray, "*batch"] | np.float64:
    """Yaw of a wxyz quaternion by pyquaternion's `yaw_pitch_roll`, which nuPlan and NAVSIM use.

    The sign before x y differs from the textbook formula; with the small roll and pitch of a car
    the two are about 1e-4 rad apart.
    """
    w, x, y, z = np.moveaxis(np.asarray(quaternion, float), -1, 0)
    return np.arctan2(2 * (w * z - x * y), 1 - 2 * (y * y + z * z))
