"""Comfort signals: Savitzky-Golay filters as banded matrices, applied proposal by proposal."""

from __future__ import annotations

from functools import cache
from math import hypot, pi

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

from drivelab.kernels.rows import fill_row

SIGNALS = (
    "lon_acceleration",
    "lat_acceleration",
    "jerk",
    "lon_jerk",
    "yaw_acceleration",
    "yaw_rate",
)
DECIMALS = 1e8  # signals are rounded to 8 decimals before they meet a bound


@cache
def filter_matrix(
    count: int, window: int, order: int, derivative: int, dt: float
) -> Float[np.ndarray, "t t"]:
    """The linear map of a Savitzky-Golay filter on `count` samples (mode "interp"), transposed.

    Even windows are allowed: their centre lies between two samples, as in scipy.
    """
    from scipy.signal import savgol_filter

    window = min(window, count)
    matrix = savgol_filter(
        np.eye(count), window, order, deriv=derivative, delta=dt, axis=0, mode="interp"
    )
    transposed = np.ascontiguousarray(matrix.T)
    transposed.setflags(write=False)
    return transposed


@njit(cache=True)
def apply_filter(
    transposed: Float[np.ndarray, "t t"], signal: Float[np.ndarray, " t"]
) -> Float[np.ndarray, " t"]:
    """Filter one signal; column by column, so the inner loop runs over contiguous memory."""
    count = signal.shape[0]
    out = np.zeros(count)
    for j in range(count):
        value = signal[j]
        if value != 0.0:
            for i in range(count):
                out[i] += transposed[j, i] * value
    return out


@njit(cache=True)
def _round(signal: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    return np.rint(signal * DECIMALS) / DECIMALS


@njit(cache=True)
def _phase_unwrapped(yaw: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """Subtract 2 pi times the running sum of round(difference / 2 pi)."""
    out = yaw.copy()
    turns = 0.0
    for i in range(1, yaw.shape[0]):
        turns += np.rint((yaw[i] - yaw[i - 1]) / (2.0 * pi))
        out[i] = yaw[i] - 2.0 * pi * turns
    return out


@njit(cache=True)
def comfort_signals(
    states: Float[np.ndarray, "b t 11"], filters: tuple, to_center: float
) -> Float[np.ndarray, "b 6 t"]:
    """The six signals of `SIGNALS`, rounded.

    `filters` holds transposed matrices: acceleration, smoothing of what is differentiated, its
    derivative, yaw rate, yaw acceleration. With `to_center` = r > 0 [m] the accelerations are
    taken at the box centre by the formula of the official code, a + r (w^2 + dw/dt).
    """
    acceleration, smooth, slope, yaw_slope, yaw_bend = filters
    batch, count = states.shape[0], states.shape[1]
    out = np.empty((batch, 6, count))
    magnitude = np.empty(count)
    lon = np.empty(count)
    for b in range(batch):
        for i in range(count):
            magnitude[i] = hypot(states[b, i, 5], states[b, i, 6])
            rate = states[b, i, 9]
            lon[i] = states[b, i, 5]
            if to_center > 0.0:
                lon[i] += to_center * (rate * rate + states[b, i, 10])
        yaw = _phase_unwrapped(states[b, :, 2])
        fill_row(out[b, 0], _round(apply_filter(acceleration, lon)))
        fill_row(out[b, 1], _round(apply_filter(acceleration, states[b, :, 6].copy())))
        fill_row(out[b, 2], _round(apply_filter(slope, _round(apply_filter(smooth, magnitude)))))
        fill_row(out[b, 3], _round(apply_filter(slope, _round(apply_filter(smooth, lon)))))
        fill_row(out[b, 4], _round(apply_filter(yaw_bend, yaw)))
        fill_row(out[b, 5], _round(apply_filter(yaw_slope, yaw)))
    return out


@njit(cache=True)
def within_bounds(
    signals: Float[np.ndarray, "b 6 t"], bounds: Float[np.ndarray, "6 2"]
) -> tuple[Bool[np.ndarray, "b 6"], np.ndarray]:
    """Whether every sample lies strictly inside its bounds, and the first that does not (or -1)."""
    batch, kinds, count = signals.shape
    inside = np.ones((batch, kinds), np.bool_)
    first = np.full((batch, kinds), -1, np.int64)
    for b in range(batch):
        for s in range(kinds):
            for i in range(count):
                value = signals[b, s, i]
                if not bounds[s, 0] < value < bounds[s, 1]:
                    inside[b, s] = False
                    first[b, s] = i
                    break
    return inside, first
