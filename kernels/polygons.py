"""Point-in-polygon over a set of polygons with holes.

A polygon set is a tuple of flat arrays built by `build_polygon_set`. Every polygon's edges are
binned by y, so a query looks only at the edges of its own band: the test stays exact (strict
interior, as GEOS "contains") and costs a few edges instead of hundreds.
"""

from __future__ import annotations

from math import hypot, inf

import numpy as np
from jaxtyping import Float, Int
from numba import njit

EDGES_PER_BIN = 2


@njit(cache=True)
def ring_contains(ring: Float[np.ndarray, "n 2"], x: float, y: float) -> bool:
    """Even-odd test of one ring, its first vertex not repeated; the border may go either way."""
    inside = False
    count = ring.shape[0]
    j = count - 1
    for i in range(count):
        if (ring[i, 1] > y) != (ring[j, 1] > y):
            t = (y - ring[i, 1]) / (ring[j, 1] - ring[i, 1])
            if x < ring[i, 0] + t * (ring[j, 0] - ring[i, 0]):
                inside = not inside
        j = i
    return inside


@njit(cache=True)
def build_polygon_set(
    edges: Float[np.ndarray, "e 4"], start: Int[np.ndarray, " p+1"]
) -> tuple[
    Float[np.ndarray, "e 4"],
    Int[np.ndarray, " p+1"],
    Float[np.ndarray, "p 6"],
    Int[np.ndarray, " p+1"],
    Int[np.ndarray, " c"],
    Int[np.ndarray, " m"],
]:
    """Bin the edges (x0, y0, x1, y1) of polygon p = rows start[p]:start[p+1] by y.

    Returns edges, start, bounds (min x, min y, max x, max y, bins per metre, number of bins),
    bin_start (first bin of each polygon), cell_start (first entry of each bin) and entries (edges).
    """
    count = start.shape[0] - 1
    bounds = np.empty((count, 6))
    bin_start = np.zeros(count + 1, np.int64)
    for p in range(count):
        low_x, low_y, high_x, high_y = inf, inf, -inf, -inf
        for e in range(start[p], start[p + 1]):
            low_x, high_x = min(low_x, edges[e, 0]), max(high_x, edges[e, 0])
            low_y, high_y = min(low_y, edges[e, 1]), max(high_y, edges[e, 1])
        bins = max(1, (start[p + 1] - start[p]) // EDGES_PER_BIN)
        bounds[p, 0], bounds[p, 1], bounds[p, 2], bounds[p, 3] = low_x, low_y, high_x, high_y
        bounds[p, 4] = bins / (high_y - low_y) if high_y > low_y else 0.0
        bounds[p, 5] = bins
        bin_start[p + 1] = bin_start[p] + bins
    cells = np.zeros(bin_start[count] + 1, np.int64)
    for p in range(count):
        for e in range(start[p], start[p + 1]):
            first, last = _bin_range(bounds[p], edges[e, 1], edges[e, 3])
            for b in range(first, last + 1):
                cells[bin_start[p] + b + 1] += 1
    cells = np.cumsum(cells)
    entries = np.empty(cells[-1], np.int64)
    fill = cells.copy()
    for p in range(count):
        for e in range(start[p], start[p + 1]):
            first, last = _bin_range(bounds[p], edges[e, 1], edges[e, 3])
            for b in range(first, last + 1):
                slot = bin_start[p] + b
                entries[fill[slot]] = e
                fill[slot] += 1
    return edges, start, bounds, bin_start, cells, entries


@njit(cache=True, inline="always")
def _bin_of(low: float, per_metre: float, bins: float, y: float) -> int:
    return int(min(max((y - low) * per_metre, 0.0), bins - 1.0))


@njit(cache=True)
def _bin_range(bound: Float[np.ndarray, "6"], y0: float, y1: float) -> tuple[int, int]:
    low, per_metre, bins = bound[1], bound[4], bound[5]
    first = _bin_of(low, per_metre, bins, min(y0, y1))
    return first, _bin_of(low, per_metre, bins, max(y0, y1))


@njit(cache=True)
def polygon_contains_mask(polygons: tuple, p: int, points: Float[np.ndarray, "k 2"]) -> int:
    """Bit i is set where polygon p strictly contains point i; holes by the even-odd rule.

    All points of a state go through one call, and everything is written out in one loop: passing
    six arrays to a function costs more than testing a point.
    """
    edges, bounds, cells, entries = polygons[0], polygons[2], polygons[4], polygons[5]
    first_bin = polygons[3][p]
    low_x, low_y, high_x, high_y = bounds[p, 0], bounds[p, 1], bounds[p, 2], bounds[p, 3]
    per_metre, last_bin = bounds[p, 4], bounds[p, 5] - 1.0
    mask = 0
    for i in range(points.shape[0]):
        x, y = points[i, 0], points[i, 1]
        if not (low_x < x < high_x and low_y < y < high_y):
            continue  # written so that NaN is outside: it would index a bin far beyond the arrays
        slot = first_bin + int(min((y - low_y) * per_metre, last_bin))
        inside = False
        for index in range(cells[slot], cells[slot + 1]):
            e = entries[index]
            y0, y1 = edges[e, 1], edges[e, 3]
            if (y0 > y) != (y1 > y):
                x0 = edges[e, 0]
                side = (edges[e, 2] - x0) * (y - y0) - (y1 - y0) * (x - x0)
                if side == 0.0:
                    inside = False  # on the border
                    break
                if (side > 0.0) == (y1 > y0):
                    inside = not inside
            elif y0 == y and y1 == y and (edges[e, 0] > x) != (edges[e, 2] > x):
                inside = False  # on a horizontal edge
                break
        if inside:
            mask |= 1 << i
    return mask


@njit(cache=True)
def polygon_contains(polygons: tuple, p: int, x: float, y: float) -> bool:
    """Whether polygon p strictly contains one point."""
    point = np.empty((1, 2))
    point[0, 0], point[0, 1] = x, y
    return polygon_contains_mask(polygons, p, point) != 0


@njit(cache=True)
def point_segment_distance(
    px: float, py: float, ax: float, ay: float, bx: float, by: float
) -> float:
    """Distance from the point p to the segment a-b [m]."""
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    t = 0.0
    if squared > 0.0:
        t = min(max(((px - ax) * dx + (py - ay) * dy) / squared, 0.0), 1.0)
    return hypot(px - ax - t * dx, py - ay - t * dy)


@njit(cache=True)
def polygon_set_distance(polygons: tuple, p: int, x: float, y: float) -> float:
    """Distance from the point to the border of polygon p [m]."""
    edges, start = polygons[0], polygons[1]
    best = inf
    for e in range(start[p], start[p + 1]):
        gap = point_segment_distance(x, y, edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3])
        best = min(best, gap)
    return best


@njit(cache=True)
def ring_meets_polygon(polygons: tuple, p: int, ring: Float[np.ndarray, "n 2"]) -> bool:
    """Whether a convex ring and polygon p share a point."""
    edges, start, bounds, _, _, _ = polygons
    bound = bounds[p]
    if not (ring[:, 0].max() >= bound[0] and ring[:, 0].min() <= bound[2]):
        return False  # NaN ends here too
    if not (ring[:, 1].max() >= bound[1] and ring[:, 1].min() <= bound[3]):
        return False
    if polygon_contains(polygons, p, ring[0, 0], ring[0, 1]):
        return True
    for e in range(start[p], start[p + 1]):
        if _segment_meets_convex(edges[e], ring):
            return True
    return False


@njit(cache=True)
def _segment_meets_convex(edge: Float[np.ndarray, "4"], ring: Float[np.ndarray, "n 2"]) -> bool:
    """Clip the segment against a counter-clockwise convex ring; touching counts."""
    low, high = 0.0, 1.0
    x, y = edge[0], edge[1]
    dx, dy = edge[2] - x, edge[3] - y
    count = ring.shape[0]
    for i in range(count):
        j = (i + 1) % count
        nx, ny = ring[j, 1] - ring[i, 1], ring[i, 0] - ring[j, 0]  # outward
        offset = nx * (x - ring[i, 0]) + ny * (y - ring[i, 1])
        slope = nx * dx + ny * dy
        if slope == 0.0:
            if offset > 0.0:
                return False
        elif slope > 0.0:
            high = min(high, -offset / slope)
        else:
            low = max(low, -offset / slope)
        if low > high:
            return False
    return True
