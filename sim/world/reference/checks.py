"""Collisions, off-road, kerbs and border gaps: every box against every box and every border."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.kernels.world.arrays import (
    ABSENT,
    COLLISION,
    GAP_LIMIT,
    KERB,
    OFF_ROAD,
    Roads,
    State,
)

CORNERS = ((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0))

Pair = tuple[np.ndarray, np.ndarray]  # x and y


def check_actors(roads: Roads, state: State) -> None:
    """As `drivelab.kernels.world.checks.check_actors`."""
    used = np.arange(state.mode.shape[1]) < state.count[:, None]
    there = used & (state.mode != ABSENT)
    hit = _nearest_hit(state, there)
    state.hit[used] = hit[used]
    flags = state.flags.astype(np.int64)
    flags[used] &= ~(COLLISION | OFF_ROAD | KERB)
    flags[there & (hit >= 0)] |= COLLISION
    state.border_gap[used] = GAP_LIMIT
    for m in np.unique(state.map):
        where = np.nonzero(there & (state.map == m)[:, None])
        border = roads.border[roads.map_border[m] : roads.map_border[m + 1]]
        off, kerb, gap = _against_border(border, state, where)
        flags[where] |= off * OFF_ROAD | kerb * KERB
        state.border_gap[where] = gap
    state.flags[...] = flags


def _nearest_hit(state: State, there: Bool[np.ndarray, "E N"]) -> Int[np.ndarray, "E N"]:
    """Slot of the overlapping actor with the nearest centre, -1 = none."""
    x, y, cos, sin = state.x, state.y, state.cos, state.sin
    length, width = state.half_length, state.half_width
    dx, dy = x[:, None] - x[:, :, None], y[:, None] - y[:, :, None]  # from row to column
    dot = np.abs(cos[:, None] * cos[:, :, None] + sin[:, None] * sin[:, :, None])
    cross = np.abs(cos[:, :, None] * sin[:, None] - sin[:, :, None] * cos[:, None])
    ahead = np.abs(dx * cos[:, :, None] + dy * sin[:, :, None])
    aside = np.abs(dy * cos[:, :, None] - dx * sin[:, :, None])
    mine = (ahead <= length[:, :, None] + length[:, None] * dot + width[:, None] * cross) & (
        aside <= width[:, :, None] + length[:, None] * cross + width[:, None] * dot
    )
    meet = mine & mine.transpose(0, 2, 1) & there[:, None] & there[:, :, None]
    meet[:, range(x.shape[1]), range(x.shape[1])] = False
    squared = np.where(meet, dx * dx + dy * dy, np.inf)
    return np.where(meet.any(axis=2), squared.argmin(axis=2), -1)


def _against_border(
    border: Float[np.ndarray, "b 4"],
    state: State,
    where: tuple[np.ndarray, ...],
) -> tuple[Bool[np.ndarray, " k"], Bool[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """OFF_ROAD, KERB and border gap of each box."""
    x, y, cos, sin = state.x[where], state.y[where], state.cos[where], state.sin[where]
    length, width = state.half_length[where], state.half_width[where]
    reach = GAP_LIMIT + np.hypot(length, width)
    squared = _squared_gaps(border.T[:, None], x[:, None], y[:, None])
    box, item = np.nonzero(squared <= (reach * reach)[:, None])  # pairs near enough to matter
    frame = (x[box], y[box], cos[box], sin[box])
    a, b = (_in_frame(border[item, k], border[item, k + 1], *frame) for k in (0, 2))
    size = (length[box], width[box])
    kerb = np.zeros(len(x), bool)
    kerb[box[_meets_box(a, b, size)]] = True
    apart, depth = np.full(len(x), GAP_LIMIT), np.zeros(len(x))
    for end in (a, b):
        np.minimum.at(apart, box, _box_gaps(end, size))
    off = ~points_inside(border, x, y)  # as a whole, where no border meets the box
    off[kerb] = False
    for front, left in CORNERS:
        dx, dy = front * length, left * width
        px, py = (x + cos * dx - sin * dy)[kerb], (y + sin * dx + cos * dy)[kerb]
        gap = np.full(len(x), GAP_LIMIT)
        corner = _squared_gaps((*a, *b), front * size[0], left * size[1])
        np.minimum.at(gap, box, np.sqrt(corner))
        apart = np.minimum(apart, gap)
        out = ~kerb & off
        out[kerb] = ~points_inside(border, px, py)
        off |= out
        depth = np.where(out, np.maximum(depth, gap), depth)
    return off, kerb, np.where(off | kerb, -depth, apart)


def points_inside(
    border: Float[np.ndarray, "b 4"], x: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"]
) -> Bool[np.ndarray, " k"]:
    """Even-odd rule along a ray to the right."""
    ax, ay, bx, by = border.T
    py = y[:, None]
    point, item = np.nonzero((ay > py) != (by > py))
    share = (y[point] - ay[item]) / (by[item] - ay[item])
    right = x[point] < ax[item] + share * (bx[item] - ax[item])
    return np.bincount(point[right], minlength=len(x)) % 2 == 1


def _squared_gaps(ends: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared distances from points to segments with these ends (ax, ay, bx, by) [m^2]."""
    ax, ay, bx, by = ends
    dx, dy, rx, ry = bx - ax, by - ay, x - ax, y - ay
    t = np.clip((rx * dx + ry * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    gx, gy = rx - t * dx, ry - t * dy
    return gx * gx + gy * gy


def _in_frame(
    px: Float[np.ndarray, " p"],
    py: Float[np.ndarray, " p"],
    x: Float[np.ndarray, " p"],
    y: Float[np.ndarray, " p"],
    cos: Float[np.ndarray, " p"],
    sin: Float[np.ndarray, " p"],
) -> Pair:
    """Points as seen from boxes, along and to the left."""
    dx, dy = px - x, py - y
    return dx * cos + dy * sin, dy * cos - dx * sin


def _meets_box(a: Pair, b: Pair, size: Pair) -> Bool[np.ndarray, " p"]:
    """Whether segments a-b share a point with the boxes: Liang-Barsky clipping."""
    low, high = np.zeros(len(a[0])), np.ones(len(a[0]))
    hit = np.ones(len(a[0]), bool)
    for start, stop, half in zip(a, b, size, strict=True):
        still = stop == start
        hit &= ~(still & (np.abs(start) > half))
        per = 1.0 / np.where(still, 1.0, stop - start)
        t0, t1 = (-half - start) * per, (half - start) * per
        low = np.where(still, low, np.maximum(low, np.minimum(t0, t1)))
        high = np.where(still, high, np.minimum(high, np.maximum(t0, t1)))
    return hit & (low <= high)


def _box_gaps(point: Pair, size: Pair) -> Float[np.ndarray, " p"]:
    """Distance of points in the frames of boxes to these boxes [m]."""
    ex = np.maximum(np.abs(point[0]) - size[0], 0.0)
    ey = np.maximum(np.abs(point[1]) - size[1], 0.0)
    return np.sqrt(ex * ex + ey * ey)
