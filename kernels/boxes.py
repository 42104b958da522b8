"""Oriented boxes: overlap, signed gap, distance between convex rings.

A box is (x, y, cos yaw, sin yaw, half length, half width). Touching boxes overlap.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from jaxtyping import Float
from numba import njit

from drivelab.kernels.polygons import point_segment_distance, ring_contains


@njit(cache=True)
def box_gap(a: Float[np.ndarray, "6"], b: Float[np.ndarray, "6"]) -> float:
    """Largest separation over the four face normals [m]: > 0 apart, <= 0 overlapping by that much.

    For overlapping boxes its negative is the penetration depth; for separated ones it is a lower
    bound of the distance.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    cross = abs(a[2] * b[3] - a[3] * b[2])
    dot = abs(a[2] * b[2] + a[3] * b[3])
    gap = abs(dx * a[2] + dy * a[3]) - (a[4] + b[4] * dot + b[5] * cross)
    gap = max(gap, abs(dy * a[2] - dx * a[3]) - (a[5] + b[4] * cross + b[5] * dot))
    gap = max(gap, abs(dx * b[2] + dy * b[3]) - (b[4] + a[4] * dot + a[5] * cross))
    return max(gap, abs(dy * b[2] - dx * b[3]) - (b[5] + a[4] * cross + a[5] * dot))


@njit(cache=True)
def boxes_overlap(a: Float[np.ndarray, "6"], b: Float[np.ndarray, "6"]) -> bool:
    """Whether two boxes share a point; a cheap circle test goes first."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    reach = sqrt(a[4] * a[4] + a[5] * a[5]) + sqrt(b[4] * b[4] + b[5] * b[5])
    if dx * dx + dy * dy > reach * reach * 1.0000001:
        return False
    return box_gap(a, b) <= 0.0


@njit(cache=True)
def box_ring(box: Float[np.ndarray, "6"]) -> Float[np.ndarray, "4 2"]:
    """Corners front-left, rear-left, rear-right, front-right."""
    x, y, c, s, length, width = box[0], box[1], box[2], box[3], box[4], box[5]
    ring = np.empty((4, 2))
    ring[0, 0], ring[0, 1] = x + c * length - s * width, y + s * length + c * width
    ring[1, 0], ring[1, 1] = x - c * length - s * width, y - s * length + c * width
    ring[2, 0], ring[2, 1] = x - c * length + s * width, y - s * length - c * width
    ring[3, 0], ring[3, 1] = x + c * length + s * width, y + s * length - c * width
    return ring


@njit(cache=True)
def _turn(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@njit(cache=True)
def _segments_cross(
    a: Float[np.ndarray, "2"],
    b: Float[np.ndarray, "2"],
    c: Float[np.ndarray, "2"],
    d: Float[np.ndarray, "2"],
) -> bool:
    """Proper crossing; touching shows up as a zero point-segment distance."""
    first = _turn(a[0], a[1], b[0], b[1], c[0], c[1])
    second = _turn(a[0], a[1], b[0], b[1], d[0], d[1])
    third = _turn(c[0], c[1], d[0], d[1], a[0], a[1])
    fourth = _turn(c[0], c[1], d[0], d[1], b[0], b[1])
    return first * second < 0.0 and third * fourth < 0.0


@njit(cache=True)
def ring_distance(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> float:
    """Distance between two filled rings without holes [m]; 0 when they share a point."""
    best = inf
    for i in range(a.shape[0]):
        j = (i + 1) % a.shape[0]
        for k in range(b.shape[0]):
            m = (k + 1) % b.shape[0]
            if _segments_cross(a[i], a[j], b[k], b[m]):
                return 0.0
            gap = point_segment_distance(a[i, 0], a[i, 1], b[k, 0], b[k, 1], b[m, 0], b[m, 1])
            best = min(best, gap)
            gap = point_segment_distance(b[k, 0], b[k, 1], a[i, 0], a[i, 1], a[j, 0], a[j, 1])
            best = min(best, gap)
    if ring_contains(a, b[0, 0], b[0, 1]) or ring_contains(b, a[0, 0], a[0, 1]):
        return 0.0
    return best
