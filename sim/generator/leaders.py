"""Who is in the way: for every driver the nearest box inside the corridor of its path."""

from __future__ import annotations

import numba
import numpy as np

SIGHT = 90.0  # how far ahead leaders are looked for [m]
CLEARANCE = 0.25  # boxes closer to the side than this are in the way [m]
POINTS = 7  # points along a box's axis that are tested


@numba.njit(cache=True)
def project_ahead(
    path: np.ndarray, arcs: np.ndarray, low: float, high: float, x: float, y: float
) -> tuple[float, float, float]:
    """Arc length of the nearest point of the path between two arc lengths, distance, heading."""
    first = max(int(np.searchsorted(arcs, low)) - 1, 0)
    last = min(int(np.searchsorted(arcs, high)) + 1, arcs.size - 1)
    best, along, heading = np.inf, 0.0, 0.0
    for k in range(first, last):
        dx, dy = path[k + 1, 0] - path[k, 0], path[k + 1, 1] - path[k, 1]
        squared = dx * dx + dy * dy
        t = ((x - path[k, 0]) * dx + (y - path[k, 1]) * dy) / max(squared, 1e-12)
        t = min(max(t, 0.0), 1.0)
        gap = np.hypot(path[k, 0] + t * dx - x, path[k, 1] + t * dy - y)
        if gap < best:
            best, along, heading = gap, arcs[k] + t * np.sqrt(squared), path[k, 2]
    return along, best, heading


@numba.njit(cache=True)
def leader(
    path: np.ndarray,
    arcs: np.ndarray,
    at: float,
    front: float,
    width: float,
    boxes: np.ndarray,
    speeds: np.ndarray,
    me: int,
) -> tuple[float, float]:
    """Bumper gap [m] and speed along the path [m/s] of the nearest box ahead; inf when free.

    `at` is the driver's arc length, `front` the distance from there to its bumper; `boxes` are
    (x, y, yaw, length, width) of everybody, `me` the driver's own row.
    """
    x0 = np.interp(at, arcs, path[:, 0])
    y0 = np.interp(at, arcs, path[:, 1])
    nearest, lead_speed = np.inf, 0.0
    for j in range(boxes.shape[0]):
        if j == me or np.hypot(boxes[j, 0] - x0, boxes[j, 1] - y0) > SIGHT + 10.0:
            continue
        aside = 0.5 * (width + boxes[j, 4]) + CLEARANCE
        cos, sin = np.cos(boxes[j, 2]), np.sin(boxes[j, 2])
        for p in range(POINTS):
            shift = boxes[j, 3] * (p / (POINTS - 1) - 0.5)
            x, y = boxes[j, 0] + shift * cos, boxes[j, 1] + shift * sin
            along, distance, heading = project_ahead(path, arcs, at, at + SIGHT, x, y)
            gap = along - at - front
            if distance < aside and gap > -0.5 and gap < nearest:
                nearest = gap
                lead_speed = speeds[j] * np.cos(boxes[j, 2] - heading)
    return max(nearest, 0.0), lead_speed
