"""Linear interpolation of poses over integer times, as the official scorer does it."""

from __future__ import annotations

from math import pi

import numpy as np
from jaxtyping import Float, Int
from numba import njit


@njit(cache=True)
def _unwrapped(yaw: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """np.unwrap: jumps of more than pi are taken the short way."""
    out = yaw.copy()
    shift = 0.0
    for i in range(1, yaw.shape[0]):
        delta = yaw[i] - yaw[i - 1]
        if abs(delta) > pi:
            short = (delta + pi) % (2.0 * pi) - pi
            if short == -pi and delta > 0.0:
                short = pi
            shift += short - delta
        out[i] = yaw[i] + shift
    return out


@njit(cache=True)
def interpolate_poses(
    poses: Float[np.ndarray, "b k 3"], knots: Int[np.ndarray, " k"], times: Int[np.ndarray, " t"]
) -> Float[np.ndarray, "b t 3"]:
    """Poses at `times`, clipped to the knots; yaw is unwrapped, interpolated, wrapped to [-pi, pi).

    `knots` (rising) and `times` are integers from the same origin, e.g. microseconds.
    """
    batch, count = poses.shape[0], poses.shape[1]
    out = np.empty((batch, times.shape[0], 3))
    for b in range(batch):
        yaw = _unwrapped(poses[b, :, 2])
        k = 0
        for i in range(times.shape[0]):
            time = min(max(times[i], knots[0]), knots[count - 1])
            while k + 2 < count and knots[k + 1] <= time:
                k += 1
            while k > 0 and knots[k] > time:
                k -= 1
            share = (time - knots[k]) / (knots[k + 1] - knots[k])
            for c in range(2):
                low, high = poses[b, k, c], poses[b, k + 1, c]
                out[b, i, c] = low + (high - low) * share
            angle = yaw[k] + (yaw[k + 1] - yaw[k]) * share
            out[b, i, 2] = (angle + pi) % (2.0 * pi) - pi
    return out
