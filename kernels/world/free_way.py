"""Free ways: polylines (x, y, heading, distance) that actors follow outside the lanes.

Distances count from the first vertex; before it and beyond the last one a way goes straight on.
"""

from __future__ import annotations

from math import atan2, cos, hypot, inf, sin

import numpy as np
from jaxtyping import Float
from numba import njit

from drivelab.kernels.tracker import wrapped
from drivelab.kernels.world.inner import inner

CORNER = 3.0  # headings blend over so much to either side of a vertex at most [m]


@inner
def way_segment(way: Float[np.ndarray, "W 4"], first: int, count: int, s: float) -> int:
    """First vertex of the segment that holds distance `s`; the first or last one beyond them."""
    low, high = first, first + count - 2
    while low < high:
        middle = (low + high + 1) // 2
        if way[middle, 3] <= s:
            low = middle
        else:
            high = middle - 1
    return low


@njit(cache=True)
def way_pose(
    way: Float[np.ndarray, "W 4"], first: int, count: int, s: float
) -> tuple[float, float, float]:
    """Point and heading at distance `s` [m].

    The heading is that of the segment, blended with its neighbours' close to the vertices.
    """
    k = way_segment(way, first, count, s)
    ax, ay, bx, by = way[k, 0], way[k, 1], way[k + 1, 0], way[k + 1, 1]
    length = way[k + 1, 3] - way[k, 3]
    here = s - way[k, 3]
    share = here / length
    yaw = atan2(by - ay, bx - ax)
    reach = min(0.5 * length, CORNER)
    if here < reach and k > first:
        before = atan2(ay - way[k - 1, 1], ax - way[k - 1, 0])
        yaw = before + wrapped(yaw - before) * (0.5 + 0.5 * max(here, 0.0) / reach)
    elif length - here < reach and k < first + count - 2:
        after = atan2(way[k + 2, 1] - by, way[k + 2, 0] - bx)
        yaw = after + wrapped(yaw - after) * (0.5 + 0.5 * max(length - here, 0.0) / reach)
    return ax + share * (bx - ax), ay + share * (by - ay), yaw


@njit(cache=True)
def place_on_way(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    x: float,
    y: float,
    low: float,
    high: float,
) -> tuple[float, float]:
    """Distance along the way of its point nearest to (x, y), and how far left of it (x, y) lies.

    Only segments that meet [low, high] are looked at; the ends of the way are carried on.
    """
    best, along, aside = inf, 0.0, 0.0
    last = first + count - 2
    for k in range(first, last + 1):
        if way[k + 1, 3] < low and k < last:
            continue
        if way[k, 3] > high and k > first:
            break
        length = way[k + 1, 3] - way[k, 3]
        ux, uy = (way[k + 1, 0] - way[k, 0]) / length, (way[k + 1, 1] - way[k, 1]) / length
        dx, dy = x - way[k, 0], y - way[k, 1]
        s = dx * ux + dy * uy
        if k > first:
            s = max(s, 0.0)
        if k < last:
            s = min(s, length)
        gap = hypot(dx - s * ux, dy - s * uy)
        if gap < best:
            best, along = gap, way[k, 3] + s
            left = dy * ux - dx * uy
            aside = gap if left >= 0.0 else -gap
    return along, aside


@inner
def finish_way(way: Float[np.ndarray, "W 4"], first: int, stop: int) -> int:
    """Drop doubled vertices of first:stop, fill headings and distances; returns how many stay."""
    kept = 1
    way[first, 3] = 0.0
    for k in range(first + 1, stop):
        last = first + kept - 1
        step = hypot(way[k, 0] - way[last, 0], way[k, 1] - way[last, 1])
        if step < 1e-3:
            continue
        way[last, 2] = atan2(way[k, 1] - way[last, 1], way[k, 0] - way[last, 0])
        way[last + 1, 0], way[last + 1, 1] = way[k, 0], way[k, 1]
        way[last + 1, 3] = way[last, 3] + step
        kept += 1
    if kept > 1:
        way[first + kept - 1, 2] = way[first + kept - 2, 2]
    return kept


@njit(cache=True)
def way_crossing(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    begin: float,
    other_first: int,
    other_count: int,
    other_begin: float,
    near: float,
) -> tuple[float, float]:
    """Where a way, from distance `begin` on, first crosses another one; distances on both [m].

    Without a crossing the place counts where a vertex of the other comes closest, if it comes
    nearer than `near` [m]; else both are NaN.
    """
    closest, mine, other = near, np.nan, np.nan
    for k in range(first, first + count - 1):
        if way[k + 1, 3] < begin:
            continue
        length = way[k + 1, 3] - way[k, 3]
        ux, uy = way[k + 1, 0] - way[k, 0], way[k + 1, 1] - way[k, 1]
        crossing = inf
        for j in range(other_first, other_first + other_count - 1):
            if way[j + 1, 3] < other_begin:
                continue
            vx, vy = way[j + 1, 0] - way[j, 0], way[j + 1, 1] - way[j, 1]
            dx, dy = way[j, 0] - way[k, 0], way[j, 1] - way[k, 1]
            cross = ux * vy - uy * vx
            if cross != 0.0:
                t, u = (dx * vy - dy * vx) / cross, (dx * uy - dy * ux) / cross
                if 0.0 <= t <= 1.0 and 0.0 <= u <= 1.0 and t < crossing:
                    s = way[k, 3] + t * length
                    at = way[j, 3] + u * (way[j + 1, 3] - way[j, 3])
                    if s >= begin and at >= other_begin:
                        crossing, mine, other = t, s, at
            t = min(max((dx * ux + dy * uy) / (length * length), 0.0), 1.0)
            gap = hypot(dx - t * ux, dy - t * uy)
            s = way[k, 3] + t * length
            if crossing == inf and gap < closest and way[j, 3] >= other_begin and s >= begin:
                closest, mine, other = gap, s, way[j, 3]
        if crossing < inf:
            return mine, other
    return mine, other


@inner
def smooth_share(t: float) -> float:
    """From 0 to 1 with no slope and no curvature at either end (quintic)."""
    t = min(max(t, 0.0), 1.0)
    return t * t * t * (10.0 - 15.0 * t + 6.0 * t * t)


@inner
def put_vertex(
    way: Float[np.ndarray, "W 4"], row: int, x: float, y: float, yaw: float, left: float
) -> None:
    """Write the point `left` [m] to the left of a pose as a vertex."""
    way[row, 0], way[row, 1] = x - left * sin(yaw), y + left * cos(yaw)
