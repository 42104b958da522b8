"""Pose and curvature along a centreline by the rules of the nuPlan map code."""

from __future__ import annotations

import math

import numpy as np
import shapely
from jaxtyping import Float

LOOKAHEAD = 0.5  # [m], how far the direction of a projected pose looks along the line
WINDOW = 2.0  # [m], half-width of the circle fit
STRAIGHT = 1e-6  # product under the root of Heron's formula below which a curve counts as straight


def nearest_pose(
    path: Float[np.ndarray, "n columns"], point: Float[np.ndarray, "2"]
) -> tuple[float, Float[np.ndarray, "3"]]:
    """Arc length [m] and pose of the point of the path nearest to `point`.

    The heading points 0.5 m ahead along the line; in the last 0.5 m it points from 0.5 m behind.
    """
    line = shapely.LineString(path[:, :2])
    s = float(line.project(shapely.Point(point[0], point[1])))
    here = _at(line, s)
    if s + LOOKAHEAD <= line.length:
        start, end = here, _at(line, s + LOOKAHEAD)
    else:
        start, end = _at(line, s - LOOKAHEAD), here
    return s, np.array([*here, math.atan2(end[1] - start[1], end[0] - start[0])])


def curvature_at(path: Float[np.ndarray, "n columns"], s: float) -> float:
    """Signed curvature [1/m] of the circle through the points 2 m before, at and 2 m after `s`.

    Left bends are positive; windows are moved inside at the ends; nearly straight pieces give 0.
    """
    line = shapely.LineString(path[:, :2])
    middle = min(max(s, WINDOW), max(line.length - WINDOW, 0.0))
    a, b, c = (_at(line, middle + step) for step in (-WINDOW, 0.0, WINDOW))
    ab, bc, ca = math.dist(a, b), math.dist(b, c), math.dist(c, a)
    half = (ab + bc + ca) / 2
    product = half * (half - ab) * (half - bc) * (half - ca)
    if product < STRAIGHT:
        return 0.0
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return math.copysign(4 * math.sqrt(product) / (ab * bc * ca), cross)


def _at(line: shapely.LineString, s: float) -> Float[np.ndarray, "2"]:
    point = line.interpolate(min(max(s, 0.0), line.length))
    return np.array([point.x, point.y])
