"""Bench2Drive's driving smoothness: the share of one-second pieces within nuPlan's comfort bounds.

As published, samples of 20 Hz are differentiated as if they were 0.1 s apart, and the yaw rate
stands where the yaw acceleration should. The corrected form uses 0.05 s and the derivative.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from drivelab.metrics.closed_loop.drive import DT
from drivelab.metrics.closed_loop.smoothness import smooth
from drivelab.metrics.navsim.rules import COMFORT_BOUNDS
from drivelab.types import StateColumn

SAMPLING = 0.05  # Bench2Drive records at 20 Hz [s]
PIECE = 20  # samples
WINDOW, ORDER = 7, 2


def comfort_share(states: Float[np.ndarray, "t 11"], *, corrected: bool) -> float:
    """Share of pieces of 20 samples that are comfortable, in [0, 1]; the rest at the end is left.

    An episode of 20 samples or fewer is one piece; NaN for fewer than three samples.
    """
    samples = _at_20_hz(states)
    if len(samples) < ORDER + 1:
        return float("nan")
    length = min(PIECE, len(samples))
    count = len(samples) // length
    pieces = samples[: count * length].reshape(count, length, -1)
    return float(_comfortable(np.moveaxis(pieces, -1, 0), corrected=corrected).mean())


def _at_20_hz(states: Float[np.ndarray, "t 11"]) -> Float[np.ndarray, "n 3"]:
    """Longitudinal and lateral acceleration of the rear axle and yaw rate.

    CARLA reports the acceleration of the body, centripetal part included. Not every tracker writes
    that part into its states, so it is put together from speed and yaw rate.
    """
    sideways = states[:, StateColumn.VX] * states[:, StateColumn.YAW_RATE]
    if len(states) > 1:
        sideways = sideways + np.gradient(states[:, StateColumn.VY], DT)
    columns = (states[:, StateColumn.AX], sideways, states[:, StateColumn.YAW_RATE])
    known = np.arange(len(states)) * DT
    wanted = np.arange(round(known[-1] / SAMPLING) + 1) * SAMPLING
    return np.column_stack([np.interp(wanted, known, column) for column in columns])


def _comfortable(pieces: Float[np.ndarray, "3 c n"], *, corrected: bool) -> Bool[np.ndarray, " c"]:
    """Whether every signal of each piece stays within its bounds."""
    lon, lateral, rate = pieces
    dt = SAMPLING if corrected else DT
    turning = _slope(rate, dt) if corrected else _smooth(rate)
    signals = np.stack(
        [
            _smooth(lon),
            _smooth(lateral),
            _slope(_smooth(np.hypot(lon, lateral)), dt),
            _slope(_smooth(lon), dt),
            turning,
            _smooth(rate),
        ]
    )
    low, high = COMFORT_BOUNDS[:, :1, None], COMFORT_BOUNDS[:, 1:, None]
    return np.asarray(((low < signals) & (signals < high)).all((0, 2)))


def _smooth(signals: Float[np.ndarray, "c n"]) -> Float[np.ndarray, "c n"]:
    return smooth(signals, WINDOW, ORDER)


def _slope(signals: Float[np.ndarray, "c n"], dt: float) -> Float[np.ndarray, "c n"]:
    return smooth(signals, WINDOW, ORDER, derivative=1, dt=dt)
