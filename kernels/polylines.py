"""Projection on a polyline and sampling by arc length."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from jaxtyping import Float
from numba import njit

CHUNK = 8  # segments that share a bounding box


@njit(cache=True)
def chunk_bounds(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "c 4"]:
    """Bounding boxes of consecutive groups of `CHUNK` segments, to skip far ones."""
    segments = points.shape[0] - 1
    count = (segments + CHUNK - 1) // CHUNK
    bounds = np.empty((count, 4))
    for c in range(count):
        first, last = c * CHUNK, min((c + 1) * CHUNK, segments)
        bounds[c, 0], bounds[c, 1], bounds[c, 2], bounds[c, 3] = inf, inf, -inf, -inf
        for i in range(first, last + 1):
            bounds[c, 0] = min(bounds[c, 0], points[i, 0])
            bounds[c, 1] = min(bounds[c, 1], points[i, 1])
            bounds[c, 2] = max(bounds[c, 2], points[i, 0])
            bounds[c, 3] = max(bounds[c, 3], points[i, 1])
    return bounds


@njit(cache=True)
def project_point(
    points: Float[np.ndarray, "n 2"],
    arc: Float[np.ndarray, " n"],
    bounds: Float[np.ndarray, "c 4"],
    x: float,
    y: float,
) -> tuple[float, float]:
    """Arc length of the nearest point (the first of equals) and the distance to it [m]."""
    best, where = inf, 0.0
    segments = points.shape[0] - 1
    for c in range(bounds.shape[0]):
        gap_x = max(bounds[c, 0] - x, 0.0, x - bounds[c, 2])
        gap_y = max(bounds[c, 1] - y, 0.0, y - bounds[c, 3])
        if gap_x * gap_x + gap_y * gap_y > best:
            continue
        for i in range(c * CHUNK, min((c + 1) * CHUNK, segments)):
            dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
            squared = dx * dx + dy * dy
            t = 0.0
            if squared > 0.0:
                t = ((x - points[i, 0]) * dx + (y - points[i, 1]) * dy) / squared
                t = min(max(t, 0.0), 1.0)
            ex, ey = points[i, 0] + t * dx - x, points[i, 1] + t * dy - y
            gap = ex * ex + ey * ey
            if gap < best:
                best, where = gap, arc[i] + t * sqrt(squared)
    return where, sqrt(best)
