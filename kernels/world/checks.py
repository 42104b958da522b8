"""Exact checks of all actors: collisions, off-road, kerbs, distance to the border."""

from __future__ import annotations

from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    CELL,
    COLLISION,
    GAP_LIMIT,
    INSIDE,
    KERB,
    OFF_ROAD,
    Roads,
    State,
)
from drivelab.kernels.world.cells import Grid, column_and_row, grid_of

LONGEST_PIECE = 16.0  # longer boxes are looked at in pieces: cells list borders only so far [m]


class Border(NamedTuple):
    """The border of the drivable area and what cells know of it; fields of `Roads`."""

    cell_row: Int[np.ndarray, " C"]
    cell_inside: Int[np.ndarray, " C"]
    first: Int[np.ndarray, " rows+1"]
    item: Int[np.ndarray, " b"]
    away: Float[np.ndarray, " b"]
    segment: Float[np.ndarray, "B 4"]


@njit(cache=True)
def check_actors(roads: Roads, state: State) -> None:
    """Set flags COLLISION, OFF_ROAD and KERB, `hit` and `border_gap` of all present actors.

    COLLISION: two boxes share a point; `hit` is the one with the nearest centre, then the lowest
    slot. OFF_ROAD: a corner lies outside the drivable area. KERB: the box and the border share a
    point. A box is wholly on the road when neither is set. `border_gap`: distance from the box to
    the border while all of it is inside; minus the farthest that a corner lies outside else (0 when
    the border runs through the box but no corner is outside); both end at GAP_LIMIT.
    """
    # arrays are taken out of their tuples once: every access in a loop would count references
    mode, flags, hit, border_gap = state.mode, state.flags, state.hit, state.border_gap
    cos, sin = state.cos, state.sin
    half_length, half_width = state.half_length, state.half_width
    border = Border(
        roads.cell_row, roads.cell_inside, roads.border_first, roads.border_item, roads.border_away,
        roads.border,
    )  # fmt: skip
    slots = mode.shape[1]
    xs, ys, radius = np.empty(slots), np.empty(slots), np.empty(slots)
    nearest = np.empty(slots)
    for e in range(mode.shape[0]):
        _collide(state, e, xs, ys, radius, nearest)
        grid = grid_of(roads, state.map[e])
        for n in range(state.count[e]):
            bits = np.int64(flags[e, n]) & ~(COLLISION | OFF_ROAD | KERB)
            gap = GAP_LIMIT
            if mode[e, n] != ABSENT:
                if hit[e, n] >= 0:
                    bits |= COLLISION
                found, gap = _border(
                    border, grid,
                    xs[n], ys[n], cos[e, n], sin[e, n], half_length[e, n], half_width[e, n],
                )  # fmt: skip
                bits |= found
            flags[e, n] = bits
            border_gap[e, n] = gap


@njit(cache=True)
def _collide(
    state: State,
    e: int,
    xs: np.ndarray,
    ys: np.ndarray,
    radius: np.ndarray,
    nearest: np.ndarray,
) -> None:
    """Separating axes in the frame of one box; both of a pair learn of a hit at once."""
    count = state.count[e]
    for n in range(count):
        there = state.mode[e, n] != ABSENT
        length, width = state.half_length[e, n], state.half_width[e, n]
        xs[n], ys[n] = (state.x[e, n], state.y[e, n]) if there else (nan, nan)
        radius[n] = sqrt(length * length + width * width)
        nearest[n] = inf
        state.hit[e, n] = -1
    for i in range(count):
        for j in range(i + 1, count):
            dx, dy = xs[j] - xs[i], ys[j] - ys[i]
            squared = dx * dx + dy * dy
            reach = radius[i] + radius[j]
            if not squared <= reach * reach:  # NaN: one of the two is absent
                continue
            ci, si, cj, sj = state.cos[e, i], state.sin[e, i], state.cos[e, j], state.sin[e, j]
            li, wi = state.half_length[e, i], state.half_width[e, i]
            lj, wj = state.half_length[e, j], state.half_width[e, j]
            dot, cross = abs(ci * cj + si * sj), abs(ci * sj - si * cj)
            if (
                abs(dx * ci + dy * si) > li + lj * dot + wj * cross
                or abs(dy * ci - dx * si) > wi + lj * cross + wj * dot
                or abs(dx * cj + dy * sj) > lj + li * dot + wi * cross
                or abs(dy * cj - dx * sj) > wj + li * cross + wi * dot
            ):
                continue
            if squared < nearest[i]:
                nearest[i], state.hit[e, i] = squared, j
            if squared < nearest[j]:
                nearest[j], state.hit[e, j] = squared, i


@njit(cache=True, inline="always")
def _border(
    border: Border,
    grid: Grid,
    x: float,
    y: float,
    cos: float,
    sin: float,
    half_length: float,
    half_width: float,
) -> tuple[int, float]:
    """Bits OFF_ROAD and KERB, and the border gap of one box."""
    rows, columns = 1, 1
    if half_length + half_width > LONGEST_PIECE / 2:
        rows = int(2 * half_length / LONGEST_PIECE) + 1
        columns = int(2 * half_width / LONGEST_PIECE) + 1
    gap = GAP_LIMIT
    for i in range(rows):
        for j in range(columns):
            ahead = half_length * ((2 * i + 1) / rows - 1.0)
            left = half_width * ((2 * j + 1) / columns - 1.0)
            px, py = x + cos * ahead - sin * left, y + sin * ahead + cos * left
            gap = _box_gap(
                border, grid, px, py, cos, sin, half_length / rows, half_width / columns, gap
            )
    bits = KERB if gap <= 0.0 else 0
    if gap > 0.0:  # no border runs through the box: it is inside or outside as a whole
        if is_inside(border, grid, x + cos * half_length, y + sin * half_length):
            return bits, gap
        bits = OFF_ROAD
    depth = 0.0
    for k in range(4):
        ahead = half_length if k < 2 else -half_length
        left = half_width if k % 2 == 0 else -half_width
        px, py = x + cos * ahead - sin * left, y + sin * ahead + cos * left
        if not is_inside(border, grid, px, py):
            bits |= OFF_ROAD
            depth = max(depth, _point_gap(border, grid, px, py))
    return bits, -depth


@njit(cache=True)
def is_inside(border: Border, grid: Grid, x: float, y: float) -> bool:
    """Whether a point (local frame of map m) is drivable; either answer on the border itself.

    The cell says it of its centre; every border segment between the two changes it.
    """
    first, item, away, segment = border.first, border.item, border.away, border.segment
    ix, iy = column_and_row(grid, x, y)
    if ix < 0:
        return False
    cell = grid.first + iy * grid.nx + ix
    inside = border.cell_inside[cell] == INSIDE
    row = border.cell_row[cell]
    if row < 0:
        return inside
    cx, cy = grid.x + (ix + 0.5) * CELL, grid.y + (iy + 0.5) * CELL
    dx, dy = cx - x, cy - y
    reach = sqrt(dx * dx + dy * dy) + 1e-6
    for k in range(first[row], first[row + 1]):
        if away[k] > reach:
            break
        b = item[k]
        ax, ay, bx, by = segment[b, 0], segment[b, 1], segment[b, 2], segment[b, 3]
        # a vertex counts to one side, seen from the point, whichever segment it is looked at for
        low = dx * (ay - y) - dy * (ax - x) > 0.0
        high = dx * (by - y) - dy * (bx - x) > 0.0
        if low == high:
            continue
        ux, uy = bx - ax, by - ay
        if (ux * (y - ay) - uy * (x - ax) > 0.0) != (ux * (cy - ay) - uy * (cx - ax) > 0.0):
            inside = not inside
    return inside


@njit(cache=True, inline="always")
def _box_gap(
    border: Border,
    grid: Grid,
    x: float,
    y: float,
    cos: float,
    sin: float,
    half_length: float,
    half_width: float,
    best: float,
) -> float:
    """Distance from a box to the nearest border segment [m], 0 where one meets it; at most `best`.

    A cell's list is sorted by distance from its centre, so that the first ones are enough.
    """
    first, item, away, segment = border.first, border.item, border.away, border.segment
    ix, iy = column_and_row(grid, x, y)
    if ix < 0:
        return best
    row = border.cell_row[grid.first + iy * grid.nx + ix]
    if row < 0:
        return best
    ox = x - grid.x - (ix + 0.5) * CELL
    oy = y - grid.y - (iy + 0.5) * CELL
    reach = sqrt(ox * ox + oy * oy) + sqrt(half_length * half_length + half_width * half_width)
    squared_best = best * best
    for k in range(first[row], first[row + 1]):
        if away[k] > reach + best:
            break
        b = item[k]
        rx, ry = segment[b, 0] - x, segment[b, 1] - y
        ax, ay = rx * cos + ry * sin, ry * cos - rx * sin
        rx, ry = segment[b, 2] - x, segment[b, 3] - y
        bx, by = rx * cos + ry * sin, ry * cos - rx * sin
        squared = _segment_box(ax, ay, bx, by, half_length, half_width)
        if squared < squared_best:
            squared_best = squared
            best = sqrt(squared)
            if best == 0.0:
                break
    return best


@njit(cache=True)
def _segment_box(
    ax: float, ay: float, bx: float, by: float, half_length: float, half_width: float
) -> float:
    """Squared distance between a segment and the box |x| <= half_length, |y| <= half_width."""
    dx, dy = bx - ax, by - ay
    normal = abs(dx * ay - dy * ax)
    if (
        min(ax, bx) <= half_length
        and max(ax, bx) >= -half_length
        and min(ay, by) <= half_width
        and max(ay, by) >= -half_width
        and normal <= abs(dx) * half_width + abs(dy) * half_length
    ):
        return 0.0
    # apart: nearest at an end of the segment, or at the one corner that points to its line
    ex, ey = max(abs(ax) - half_length, 0.0), max(abs(ay) - half_width, 0.0)
    best = ex * ex + ey * ey
    ex, ey = max(abs(bx) - half_length, 0.0), max(abs(by) - half_width, 0.0)
    best = min(best, ex * ex + ey * ey)
    side = dx * ay - dy * ax  # > 0: the box lies to the right of the line
    cx = half_length if (dy > 0.0) == (side < 0.0) else -half_length
    cy = half_width if (dx > 0.0) == (side > 0.0) else -half_width
    rx, ry = cx - ax, cy - ay
    along, squared = rx * dx + ry * dy, dx * dx + dy * dy
    if 0.0 < along < squared:
        across = dx * ry - dy * rx
        best = min(best, across * across / squared)
    return best


@njit(cache=True)
def _point_gap(border: Border, grid: Grid, x: float, y: float) -> float:
    """Distance from a point to the border [m], at most GAP_LIMIT."""
    return _box_gap(border, grid, x, y, 1.0, 0.0, 0.0, 0.0, GAP_LIMIT)
