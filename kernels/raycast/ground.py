"""Rays against the ground: a plane, or cells of two triangles each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

_SLACK = 1e-9  # [m] or shares of a cell, so that rays do not slip through edges


class GroundArrays(NamedTuple):
    """Ground as the kernels read it; a grid of one height is a plane.

    Attributes:
        x: of the grid's first corner.
        y: of the grid's first corner.
        cell: edge [m].
        heights: (nx + 1, ny + 1).
        top: largest height.
        plane: height at the origin and slopes along x and y.
        kind: 0 nothing, 1 plane, 2 grid.
    """

    x: float
    y: float
    cell: float
    heights: np.ndarray
    top: float
    plane: np.ndarray
    kind: int


@njit(nogil=True, cache=True)
def meet_plane(plane, ox, oy, oz, dx, dy, dz, limit):  # type: ignore[no-untyped-def]
    """Distance and cosine; infinity where the ray misses the plane or meets it behind `limit`."""
    falling = dz - plane[1] * dx - plane[2] * dy
    if abs(falling) < 1e-12:
        return math.inf, 1.0
    distance = (plane[0] + plane[1] * ox + plane[2] * oy - oz) / falling
    if not 0 <= distance < limit:
        return math.inf, 1.0
    return distance, abs(falling) / math.sqrt(1 + plane[1] * plane[1] + plane[2] * plane[2])


@njit(nogil=True, cache=True)
def meet_grid(ground, ox, oy, oz, dx, dy, dz, limit):  # type: ignore[no-untyped-def]  # noqa: C901
    """Distance, cell number and cosine of the first triangle; cell -1 if there is none."""
    cell, heights = ground.cell, ground.heights
    nx, ny = heights.shape[0] - 1, heights.shape[1] - 1
    # In cells from the grid's corner.
    px, py, ux, uy = (ox - ground.x) / cell, (oy - ground.y) / cell, dx / cell, dy / cell
    enter, leave = 0.0, limit
    for p, u, n in ((px, ux, nx), (py, uy, ny)):
        if abs(u) < 1e-15:
            if not 0 <= p < n:
                return math.inf, -1, 1.0
            continue
        one, other = -p / u, (n - p) / u
        enter, leave = max(enter, min(one, other)), min(leave, max(one, other))
    if dz < 0 and oz > ground.top:  # the way down to the highest ground
        enter = max(enter, (ground.top - oz) / dz)
    elif dz > 0:
        leave = min(leave, (ground.top - oz) / dz)
    if not enter <= leave:
        return math.inf, -1, 1.0
    i = min(max(math.floor(px + ux * enter), 0), nx - 1)
    j = min(max(math.floor(py + uy * enter), 0), ny - 1)
    step_i, step_j = (1 if ux > 0 else -1), (1 if uy > 0 else -1)
    next_i = (i + (ux > 0) - px) / ux if abs(ux) > 1e-15 else math.inf
    next_j = (j + (uy > 0) - py) / uy if abs(uy) > 1e-15 else math.inf
    every_i = abs(1 / ux) if abs(ux) > 1e-15 else math.inf
    every_j = abs(1 / uy) if abs(uy) > 1e-15 else math.inf
    while True:
        out = min(next_i, next_j, leave)
        a, b = heights[i, j], heights[i + 1, j]
        c, d = heights[i, j + 1], heights[i + 1, j + 1]
        low = min(oz + dz * enter, oz + dz * out)
        high = max(oz + dz * enter, oz + dz * out)
        # Comparisons with NaN are false: such a cell is no ground.
        if low <= max(a, b, c, d) + _SLACK and high >= min(a, b, c, d) - _SLACK:
            distance, cosine = _cell(a, b, c, d, px - i, py - j, ux, uy, oz, dz, enter, out, cell)
            if distance < limit:
                return distance, i * ny + j, cosine
        if out >= leave:
            return math.inf, -1, 1.0
        if next_i <= next_j:
            i += step_i
            enter, next_i = next_i, next_i + every_i
            if not 0 <= i < nx:
                return math.inf, -1, 1.0
        else:
            j += step_j
            enter, next_j = next_j, next_j + every_j
            if not 0 <= j < ny:
                return math.inf, -1, 1.0


@njit(nogil=True, cache=True)
def _cell(a, b, c, d, px, py, ux, uy, oz, dz, enter, out, cell):  # type: ignore[no-untyped-def]
    """Distance and cosine at the nearer of a cell's triangles; positions in cells of its corner."""
    best, best_cosine = math.inf, 1.0
    for lower in (True, False):
        along_x = b - a if lower else d - c
        along_y = d - b if lower else c - a
        falling = dz - along_x * ux - along_y * uy
        if abs(falling) < 1e-12:
            continue
        distance = (a + along_x * px + along_y * py - oz) / falling
        if not (enter - _SLACK <= distance <= out + _SLACK) or distance < 0:
            continue
        x, y = px + ux * distance, py + uy * distance
        if distance < best and (x >= y - _SLACK if lower else x <= y + _SLACK):
            best = distance
            slope_x, slope_y = along_x / cell, along_y / cell
            best_cosine = abs(falling) / math.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    return best, best_cosine
