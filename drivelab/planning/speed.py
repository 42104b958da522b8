"""How fast a path may be driven: curvature, lateral comfort, braking in time."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths


def path_curvature(
    path: Float[np.ndarray, "n 3"], *, smoothing: float = 0.0
) -> Float[np.ndarray, " n"]:
    """Curvature at every vertex [1/m], averaged over a window of `smoothing` [m].

    Vertices must not coincide; the mean keeps the total turn where the window fits.
    """
    s = arc_lengths(path)
    raw = np.gradient(np.unwrap(path[:, 2]), s)
    if smoothing <= 0.0:
        return raw
    turned = np.concatenate([[0.0], np.cumsum(0.5 * (raw[1:] + raw[:-1]) * np.diff(s))])
    low, high = np.maximum(s - smoothing / 2, 0.0), np.minimum(s + smoothing / 2, s[-1])
    return (np.interp(high, s, turned) - np.interp(low, s, turned)) / (high - low)


def allowed_speed(
    path: Float[np.ndarray, "n 3"],
    limit: Float[np.ndarray, " n"] | float,
    *,
    lateral_acceleration: float,
    deceleration: float,
    smoothing: float = 5.0,
) -> Float[np.ndarray, " n"]:
    """Largest speed at every vertex [m/s] that keeps the limit and the lateral acceleration.

    The value falls early enough that braking with `deceleration` [m/s^2] suffices.
    """
    curvature = np.abs(path_curvature(path, smoothing=smoothing))
    bend = np.sqrt(lateral_acceleration / np.maximum(curvature, 1e-6))
    return _brake_in_time(np.minimum(limit, bend), np.diff(arc_lengths(path)), deceleration)


@numba.njit(cache=True)
def _brake_in_time(speed: np.ndarray, steps: np.ndarray, deceleration: float) -> np.ndarray:
    out = speed.copy()
    for i in range(out.size - 2, -1, -1):
        out[i] = min(out[i], np.sqrt(out[i + 1] ** 2 + 2.0 * deceleration * steps[i]))
    return out
