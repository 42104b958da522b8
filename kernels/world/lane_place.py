"""Where a point lies along a line: once per vehicle when an episode begins."""

from __future__ import annotations

from math import copysign, inf, sqrt

import numpy as np
from jaxtyping import Float
from numba import njit


@njit(cache=True)
def place_on_line(
    line: Float[np.ndarray, "n columns"], x: float, y: float
) -> tuple[float, float, float]:
    """Arc length of the nearest point of a line, distance to the left of it, the line's length."""
    best, along, left, length = inf, 0.0, 0.0, 0.0
    for i in range(line.shape[0] - 1):
        dx, dy = line[i + 1, 0] - line[i, 0], line[i + 1, 1] - line[i, 1]
        ex, ey = x - line[i, 0], y - line[i, 1]
        squared = dx * dx + dy * dy
        t = 0.0
        if squared > 0.0:
            t = min(max((ex * dx + ey * dy) / squared, 0.0), 1.0)
        gap = (ex - t * dx) ** 2 + (ey - t * dy) ** 2
        if gap < best:
            best, along = gap, length + t * sqrt(squared)
            left = copysign(sqrt(gap), dx * ey - dy * ex)
        length += sqrt(squared)
    return along, left, length
