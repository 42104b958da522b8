"""Who is in the way: for every driver the nearest box inside the corridor of its path."""

from __future__ import annotations

import numba
import numpy as np

SIGHT = 90.0  # how far ahead leaders are looked for [m]
CLEARANCE = 0.25  # boxes closer to the side than this are in the way [m]
POINTS = 7  # points along a box's axis that are tested
PIECE = 8  # segments of a path that share a bound


@numba.njit(cache=True)
def project_ahead(
    path: np.ndarray, arcs: np.ndarray, low: float, high: float, x: float, y: float
) -> tuple[float, float, float]:
    """Arc length of the nearest point of the path between two arc lengths, distance, heading."""
    first, last = _window(arcs, low, high)
    return _project(path, arcs, first, last, np.ones((last - first) // PIECE + 1, np.bool_), x, y)


@numba.njit(cache=True)
def pose_at(
    path: np.ndarray, arcs: np.ndarray, yaw: np.ndarray, at: float
) -> tuple[float, float, float]:
    """x, y [m] and the heading, not wrapped [rad], at an arc length, or at the nearer end."""
    at = min(max(at, 0.0), arcs[-1])
    return (
        np.interp(at, arcs, path[:, 0]), np.interp(at, arcs, path[:, 1]), np.interp(at, arcs, yaw)
    )  # fmt: skip


@numba.njit(cache=True)
def value_at(arcs: np.ndarray, values: np.ndarray, at: float) -> float:
    """One of the values along a path, at an arc length, or at the nearer end."""
    return float(np.interp(at, arcs, values))


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
    first, last = _window(arcs, at, at + SIGHT)
    bounds = _bounds(path, first, last)
    near = np.empty(len(bounds), np.bool_)
    nearest, lead_speed = np.inf, 0.0
    for j in range(boxes.shape[0]):
        if j == me or np.hypot(boxes[j, 0] - x0, boxes[j, 1] - y0) > SIGHT + 10.0:
            continue
        aside = 0.5 * (width + boxes[j, 4]) + CLEARANCE
        if not _may_touch(bounds, boxes[j, 0], boxes[j, 1], aside + 0.5 * boxes[j, 3], near):
            continue
        cos, sin = np.cos(boxes[j, 2]), np.sin(boxes[j, 2])
        for p in range(POINTS):
            shift = boxes[j, 3] * (p / (POINTS - 1) - 0.5)
            x, y = boxes[j, 0] + shift * cos, boxes[j, 1] + shift * sin
            along, distance, heading = _project(path, arcs, first, last, near, x, y)
            gap = along - at - front
            if distance < aside and gap > -0.5 and gap < nearest:
                nearest = gap
                lead_speed = speeds[j] * np.cos(boxes[j, 2] - heading)
    return max(nearest, 0.0), lead_speed


@numba.njit(cache=True)
def _window(arcs: np.ndarray, low: float, high: float) -> tuple[int, int]:
    """Numbers of the segments between two arc lengths: from the first up to the last."""
    first = max(int(np.searchsorted(arcs, low)) - 1, 0)
    return first, min(int(np.searchsorted(arcs, high)) + 1, arcs.size - 1)


@numba.njit(cache=True)
def _bounds(path: np.ndarray, first: int, last: int) -> np.ndarray:
    """(least x, least y, most x, most y) of every piece of the path."""
    found = np.empty((max(last - first + PIECE - 1, 0) // PIECE, 4))
    for piece in range(len(found)):
        begin = first + piece * PIECE
        end = min(begin + PIECE, last)
        for axis in range(2):
            found[piece, axis] = path[begin : end + 1, axis].min()
            found[piece, 2 + axis] = path[begin : end + 1, axis].max()
    return found


@numba.njit(cache=True)
def _may_touch(bounds: np.ndarray, x: float, y: float, reach: float, near: np.ndarray) -> bool:
    """Mark the pieces whose bound comes within `reach` of a point; whether there is one.

    What lies farther off is not in the way, so that it need not be measured.
    """
    room = reach + 1e-6  # rounding must not hide who just touches
    some = False
    for piece in range(len(bounds)):
        aside = max(bounds[piece, 0] - x, x - bounds[piece, 2])
        ahead = max(bounds[piece, 1] - y, y - bounds[piece, 3])
        near[piece] = max(aside, ahead) < room
        some |= near[piece]
    return some


@numba.njit(cache=True)
def _project(
    path: np.ndarray,
    arcs: np.ndarray,
    first: int,
    last: int,
    near: np.ndarray,
    x: float,
    y: float,
) -> tuple[float, float, float]:
    """Arc length of the nearest point of the path in its near pieces, distance, heading."""
    best, along, heading = np.inf, 0.0, 0.0
    for k in range(first, last):
        if not near[(k - first) // PIECE]:
            continue
        dx, dy = path[k + 1, 0] - path[k, 0], path[k + 1, 1] - path[k, 1]
        squared = dx * dx + dy * dy
        t = ((x - path[k, 0]) * dx + (y - path[k, 1]) * dy) / max(squared, 1e-12)
        t = min(max(t, 0.0), 1.0)
        gap = np.hypot(path[k, 0] + t * dx - x, path[k, 1] + t * dy - y)
        if gap < best:
            best, along, heading = gap, arcs[k] + t * np.sqrt(squared), path[k, 2]
    return along, best, heading
