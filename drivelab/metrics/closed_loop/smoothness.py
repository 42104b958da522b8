"""The six comfort signals of nuPlan over episodes of any length, and their bounds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.comfort import DECIMALS, SIGNALS, filter_matrix
from drivelab.metrics.closed_loop.drive import DT
from drivelab.metrics.navsim.rules import COMFORT_BOUNDS
from drivelab.types import StateColumn

SHORTEST = 4  # states; fewer cannot be fitted by a cubic


def comfort_signals(
    states: Float[np.ndarray, "t 11"], to_center: float
) -> Float[np.ndarray, "6 t"]:
    """The signals of `drivelab.kernels.comfort.SIGNALS` with nuPlan's windows.

    Accelerations are taken at the box centre, `to_center` [m] ahead of the rear axle, by the
    formula of the official code. The kernel of the planning scores multiplies by a dense matrix
    that is kept for each length; episodes have many lengths, so here filters are applied sparsely.
    """
    rate, bend = states[:, StateColumn.YAW_RATE], states[:, StateColumn.YAW_ACCELERATION]
    lateral = states[:, StateColumn.AY]
    lon = states[:, StateColumn.AX] + to_center * (rate**2 + bend)
    magnitude = np.hypot(states[:, StateColumn.AX], lateral)
    heading = states[:, StateColumn.HEADING]
    turns = np.concatenate([[0.0], np.cumsum(np.rint(np.diff(heading) / (2 * np.pi)))])
    yaw = heading - 2 * np.pi * turns
    return np.stack(
        [
            _rounded(smooth(lon, 8, 2)),
            _rounded(smooth(lateral, 8, 2)),
            _rounded(smooth(_rounded(smooth(magnitude, 8, 2)), 15, 2, derivative=1)),
            _rounded(smooth(_rounded(smooth(lon, 8, 2)), 15, 2, derivative=1)),
            _rounded(smooth(yaw, 5, 3, derivative=2)),
            _rounded(smooth(yaw, 5, 2, derivative=1)),
        ]
    )


def smooth(
    signal: Float[np.ndarray, "*batch t"],
    window: int,
    order: int,
    *,
    derivative: int = 0,
    dt: float = DT,
) -> Float[np.ndarray, "*batch t"]:
    """Savitzky-Golay filter along the last axis; windows are cut to the signal's length.

    Away from the ends all samples have the same weights, and within a window of an end they depend
    on that window alone: so one small matrix serves signals of every length.
    """
    count = signal.shape[-1]
    if count < 3 * window:
        return signal @ filter_matrix(count, window, order, derivative, dt)
    weights = filter_matrix(3 * window, window, order, derivative, dt)  # [input, output]
    edge, before = window // 2, (window - 1) // 2  # samples at an end, and before the middle one
    windows = np.lib.stride_tricks.sliding_window_view(signal, window, -1)
    middle = weights[window - before : 2 * window - before, window]
    out = np.empty(signal.shape)
    inner = windows[..., edge - before : count - edge - before, :]
    out[..., edge : count - edge] = inner @ middle
    out[..., :edge] = signal[..., :window] @ weights[:window, :edge]
    out[..., count - edge :] = signal[..., count - window :] @ weights[-window:, -edge:]
    return out


def first_discomfort(signals: Float[np.ndarray, "6 t"]) -> dict[str, int]:
    """Signals that leave their bounds, and the first step at which each does."""
    low, high = COMFORT_BOUNDS[:, :1], COMFORT_BOUNDS[:, 1:]
    outside = ~((low < signals) & (signals < high))
    return {name: int(np.argmax(outside[k])) for k, name in enumerate(SIGNALS) if outside[k].any()}


def _rounded(signal: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    return np.rint(signal * DECIMALS) / DECIMALS
