"""Progress and lane keeping against a centreline."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit

from drivelab.kernels.ego_area import CENTER_IN_INTERSECTION
from drivelab.kernels.polylines import project_point


@njit(cache=True)
def route_progress(
    states: Float[np.ndarray, "b t 11"],
    to_center: float,
    line: Float[np.ndarray, "n 2"],
    arc: Float[np.ndarray, " n"],
    bounds: Float[np.ndarray, "c 4"],
) -> Float[np.ndarray, " b"]:
    """Arc length gained by the box centre from the first to the last state, at least 0 [m]."""
    out = np.empty(states.shape[0])
    last = states.shape[1] - 1
    for b in range(states.shape[0]):
        reach = np.empty(2)
        for k in range(2):
            state = states[b, k * last]
            x = state[0] + to_center * cos(state[2])
            y = state[1] + to_center * sin(state[2])
            reach[k] = project_point(line, arc, bounds, x, y)[0]
        out[b] = max(0.0, reach[1] - reach[0])
    return out


@njit(cache=True)
def lane_keeping(
    states: Float[np.ndarray, "b t 11"],
    flags: UInt8[np.ndarray, "b t"],
    to_center: float,
    line: Float[np.ndarray, "n 2"],
    arc: Float[np.ndarray, " n"],
    bounds: Float[np.ndarray, "c 4"],
    tolerance: float,
    patience: int,
) -> tuple[Float[np.ndarray, " b"], Int[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """1 unless the centre is off the centreline for `patience` steps in a row; intersections pause.

    Also the step at which it failed (or -1) and the largest deviation outside intersections [m].
    """
    batch = states.shape[0]
    score = np.ones(batch)
    where = np.full(batch, -1, np.int64)
    worst = np.zeros(batch)
    for b in range(batch):
        run = 0
        for t in range(states.shape[1]):
            if flags[b, t] & CENTER_IN_INTERSECTION:
                continue
            x = states[b, t, 0] + to_center * cos(states[b, t, 2])
            y = states[b, t, 1] + to_center * sin(states[b, t, 2])
            gap = project_point(line, arc, bounds, x, y)[1]
            worst[b] = max(worst[b], gap)
            run = run + 1 if gap > tolerance else 0
            if run >= patience and where[b] < 0:
                score[b], where[b] = 0.0, t
    return score, where, worst
