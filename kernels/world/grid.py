"""The grid of a map: which lane pieces, border segments and road segments lie near each cell."""

from __future__ import annotations

from math import ceil, floor, hypot, inf, sqrt

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.polygons import point_segment_distance
from drivelab.kernels.world.arrays import CELL

HALF_DIAGONAL = CELL / sqrt(2.0)  # from a cell's centre to its corners [m]


@njit(cache=True)
def cells_near_points(
    points: Float[np.ndarray, "n 2"], origin: Float[np.ndarray, "2"], nx: int, ny: int, reach: float
) -> np.ndarray:
    """Mark the cells whose centre is within `reach` [m] of a point; (ny * nx) bool."""
    marked = np.zeros(nx * ny, np.bool_)
    for i in range(points.shape[0]):
        px, py = points[i, 0] - origin[0], points[i, 1] - origin[1]
        for iy in range(max(0, floor((py - reach) / CELL)), min(ny, ceil((py + reach) / CELL))):
            dy = (iy + 0.5) * CELL - py
            room = reach * reach - dy * dy
            if room < 0.0:
                continue
            half = sqrt(room)
            low = max(0, ceil((px - half) / CELL - 0.5))
            high = min(nx - 1, floor((px + half) / CELL - 0.5))
            marked[iy * nx + low : iy * nx + high + 1] = True
    return marked


@njit(cache=True)
def segments_near_cells(
    ends: Float[np.ndarray, "n 4"],
    reach: Float[np.ndarray, " n"],
    origin: Float[np.ndarray, "2"],
    nx: int,
    ny: int,
    row: Int[np.ndarray, " C"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of table row and segment (ax, ay, bx, by) no farther than its `reach` from the centre.

    Returns the rows, the segments and their distances [m], segment by segment.
    """
    room = 0  # cells in the boxes about all segments
    for i in range(ends.shape[0]):
        wide = (abs(ends[i, 2] - ends[i, 0]) + 2.0 * reach[i]) / CELL + 2.0
        room += int(wide * ((abs(ends[i, 3] - ends[i, 1]) + 2.0 * reach[i]) / CELL + 2.0))
    rows, items, away = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
    count = 0
    for i in range(ends.shape[0]):
        ax, ay = ends[i, 0] - origin[0], ends[i, 1] - origin[1]
        bx, by = ends[i, 2] - origin[0], ends[i, 3] - origin[1]
        far = reach[i]
        first_x = max(0, floor((min(ax, bx) - far) / CELL))
        last_x = min(nx, ceil((max(ax, bx) + far) / CELL))
        first_y = max(0, floor((min(ay, by) - far) / CELL))
        last_y = min(ny, ceil((max(ay, by) + far) / CELL))
        for iy in range(first_y, last_y):
            for ix in range(first_x, last_x):
                r = row[iy * nx + ix]
                if r < 0:
                    continue
                gap = point_segment_distance((ix + 0.5) * CELL, (iy + 0.5) * CELL, ax, ay, bx, by)
                if gap > far:
                    continue
                rows[count], items[count], away[count] = r, i, gap
                count += 1
    return rows[:count], items[:count], away[:count]


@njit(cache=True)
def centres_inside(
    borders: Float[np.ndarray, "b 4"], origin: Float[np.ndarray, "2"], nx: int, ny: int
) -> np.ndarray:
    """Which cell centres the closed rings enclose (even-odd rule); (ny * nx) int8."""
    flags = np.zeros(nx * ny, np.int8)
    for i in range(borders.shape[0]):
        ax, ay = borders[i, 0] - origin[0], borders[i, 1] - origin[1]
        bx, by = borders[i, 2] - origin[0], borders[i, 3] - origin[1]
        low, high = min(ay, by), max(ay, by)
        for iy in range(max(0, ceil(low / CELL - 0.5)), min(ny, ceil(high / CELL - 0.5))):
            cross = ax + ((iy + 0.5) * CELL - ay) / (by - ay) * (bx - ax)
            ix = max(0, ceil(cross / CELL - 0.5))
            if ix < nx:
                flags[iy * nx + ix] ^= 1
    for iy in range(ny):
        for ix in range(1, nx):
            flags[iy * nx + ix] ^= flags[iy * nx + ix - 1]
    return flags


@njit(cache=True)
def nearest_segments(
    middle: Float[np.ndarray, "s 2"],
    origin: Float[np.ndarray, "2"],
    nx: int,
    ny: int,
    row: Int[np.ndarray, " C"],
    rows: int,
    most: int,
    reach: float,
) -> Int[np.ndarray, "rows most"]:
    """The `most` segments whose middles are nearest to each cell's centre, -1 = no more.

    Nearest first to within `reach` / 128; segments in one such ring stand in their own order.
    """
    ring_count = 128
    count = middle.shape[0]
    cell = np.empty(count, np.int64)
    first = np.zeros(nx * ny + 1, np.int64)
    for i in range(count):
        ix = min(max(int((middle[i, 0] - origin[0]) / CELL), 0), nx - 1)
        iy = min(max(int((middle[i, 1] - origin[1]) / CELL), 0), ny - 1)
        cell[i] = iy * nx + ix
        first[cell[i] + 1] += 1
    for c in range(nx * ny):
        first[c + 1] += first[c]
    fill = first.copy()
    item = np.empty(count, np.int64)
    for i in range(count):
        item[fill[cell[i]]] = i
        fill[cell[i]] += 1
    span = ceil(reach / CELL) + 1
    out = np.full((rows, most), -1, np.int32)
    found, ring = np.empty(count, np.int64), np.empty(count, np.int64)
    place = np.empty(ring_count + 1, np.int64)
    for iy in range(ny):
        for ix in range(nx):
            r = row[iy * nx + ix]
            if r < 0:
                continue
            cx, cy = origin[0] + (ix + 0.5) * CELL, origin[1] + (iy + 0.5) * CELL
            low, high = max(ix - span, 0), min(ix + span, nx - 1)
            place[:] = 0
            n = 0
            for jy in range(max(iy - span, 0), min(iy + span, ny - 1) + 1):
                for k in range(first[jy * nx + low], first[jy * nx + high + 1]):
                    dx, dy = middle[item[k], 0] - cx, middle[item[k], 1] - cy
                    squared = dx * dx + dy * dy
                    if squared < reach * reach:
                        found[n] = item[k]
                        ring[n] = int(sqrt(squared) * (ring_count / reach))
                        place[ring[n] + 1] += 1
                        n += 1
            for k in range(ring_count):
                place[k + 1] += place[k]
            for k in range(n):
                at = place[ring[k]]
                place[ring[k]] += 1
                if at < most:
                    out[r, at] = found[k]
    return out


@njit(cache=True)
def smallest_distance(
    ends: Float[np.ndarray, "n 4"], origin: Float[np.ndarray, "2"], nx: int, ny: int
) -> float:
    """Smallest distance between a cell's centre and a segment that passes its cell [m]."""
    best = inf
    for i in range(ends.shape[0]):
        ax, ay = ends[i, 0] - origin[0], ends[i, 1] - origin[1]
        bx, by = ends[i, 2] - origin[0], ends[i, 3] - origin[1]
        n = max(1, 2 * ceil(hypot(bx - ax, by - ay) / CELL))
        for k in range(n + 1):
            ix = floor((ax + k / n * (bx - ax)) / CELL)
            iy = floor((ay + k / n * (by - ay)) / CELL)
            if 0 <= ix < nx and 0 <= iy < ny:
                gap = point_segment_distance((ix + 0.5) * CELL, (iy + 0.5) * CELL, ax, ay, bx, by)
                best = min(best, gap)
    return best
