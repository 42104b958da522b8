"""Vehicles that react: IDM along fixed paths among replayed boxes and a given ego."""

from __future__ import annotations

from math import cos, inf, sin

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from drivelab.kernels.idm import idm_acceleration_scalar
from drivelab.kernels.polylines import chunk_bounds, project_point

DT = 0.1  # [s]


@njit(cache=True)
def _along(
    path: Float[np.ndarray, "n 3"], arc: Float[np.ndarray, " n"], s: float
) -> tuple[float, float, float]:
    """Point and heading at arc length s; beyond the end straight on."""
    k = min(max(np.searchsorted(arc, s), 1), arc.shape[0] - 1)
    span = arc[k] - arc[k - 1]
    share = (s - arc[k - 1]) / span if span > 0.0 else 0.0
    x = path[k - 1, 0] + (path[k, 0] - path[k - 1, 0]) * share
    y = path[k - 1, 1] + (path[k, 1] - path[k - 1, 1]) * share
    return x, y, path[k - 1, 2]


@njit(cache=True)
def _leader(
    boxes: Float[np.ndarray, "n 6"],
    velocities: Float[np.ndarray, "n 2"],
    own: int,
    path: Float[np.ndarray, "p 3"],
    arc: Float[np.ndarray, " p"],
    bounds: Float[np.ndarray, "c 4"],
    s: float,
    reach: float,
) -> tuple[float, float]:
    """Bumper gap to the nearest box ahead on the path [m] and its speed along the path [m/s]."""
    best, speed = inf, 0.0
    me = boxes[own]
    for j in range(boxes.shape[0]):
        other = boxes[j]
        dx, dy = other[0] - me[0], other[1] - me[1]
        if j == own or not dx * dx + dy * dy < reach * reach:
            continue  # also skips absent objects, whose boxes are NaN
        where, off = project_point(path, arc, bounds, other[0], other[1])
        if where <= s:
            continue
        yaw = _along(path, arc, where)[2]
        along = abs(cos(yaw) * other[2] + sin(yaw) * other[3])
        across = abs(cos(yaw) * other[3] - sin(yaw) * other[2])
        if off > me[5] + across * other[4] + along * other[5]:
            continue
        gap = where - s - me[4] - along * other[4] - across * other[5]
        if gap < best:
            best = gap
            speed = max(velocities[j, 0] * cos(yaw) + velocities[j, 1] * sin(yaw), 0.0)
    return best, speed


@njit(cache=True)
def react(
    boxes: Float[np.ndarray, "f n 6"],
    ego: Float[np.ndarray, "f 6"],
    drivers: Int[np.ndarray, " d"],
    speeds: Float[np.ndarray, " d"],
    begins: Float[np.ndarray, " d"],
    paths: Float[np.ndarray, "p 3"],
    arcs: Float[np.ndarray, " p"],
    path_start: Int[np.ndarray, " d+1"],
    stops: Float[np.ndarray, "k 2"],
    red: Bool[np.ndarray, "f k"],
    idm: tuple[float, float, float, float, float],
    reach: float,
) -> Float[np.ndarray, "f n 6"]:
    """Boxes by frame in which `drivers` follow their paths and all others keep their recording.

    `speeds` and `begins` (arc lengths) hold at frame 0; `stops` rows are (driver, arc length) of
    stop lines that bind while `red`; `idm` is target speed, gap, headway, acceleration,
    deceleration.
    """
    frames, count = boxes.shape[0], boxes.shape[1]
    out = boxes.copy()
    here, before = np.empty((count + 1, 6)), np.empty((count + 1, 6))
    s, v = begins.copy(), speeds.copy()
    target, min_gap, headway, acceleration, deceleration = idm
    for t in range(1, frames):
        here[:count], here[count] = out[t - 1], ego[t - 1]
        if t == 1:
            before[:count], before[count] = out[1], ego[1]  # forward difference, sign below
        else:
            before[:count], before[count] = out[t - 2], ego[t - 2]
        velocities = (here[:, :2] - before[:, :2]) / (DT if t > 1 else -DT)
        for d in range(drivers.shape[0]):
            n = drivers[d]
            path = paths[path_start[d] : path_start[d + 1]]
            arc = arcs[path_start[d] : path_start[d + 1]]
            bounds = chunk_bounds(path)
            gap, lead = _leader(here, velocities, n, path, arc, bounds, s[d], reach)
            for k in range(stops.shape[0]):
                if red[t - 1, k] and int(stops[k, 0]) == d:
                    line = stops[k, 1] - s[d] - here[n, 4]
                    if 0.0 < line < gap:
                        gap, lead = line, 0.0
            change = idm_acceleration_scalar(
                gap, v[d], lead, target, min_gap, headway, acceleration, deceleration, 4.0, 9.0
            )
            s[d] += DT * v[d]
            v[d] = max(v[d] + DT * change, 0.0)
            x, y, yaw = _along(path, arc, s[d])
            out[t, n, 0], out[t, n, 1] = x, y
            out[t, n, 2], out[t, n, 3] = cos(yaw), sin(yaw)
            out[t, n, 4:] = out[0, n, 4:]
    return out
