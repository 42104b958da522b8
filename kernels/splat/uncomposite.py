"""Gradients of pictures -> sums for each Gaussian and tile, tile by tile.

Every Gaussian has a slot for each tile of its box, one behind the other, so that what tiles found
is added up in one order, whichever thread drew which tile when.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from drivelab.kernels.registers import fetch
from drivelab.kernels.splat.cells import (
    CELLS,
    EDGES,
    HIGH,
    ROW,
    STATE,
    WIDE,
    touched,
    unfinished,
)
from drivelab.kernels.splat.composite import _AHEAD, _PLACE, _TOGETHER, _begin
from drivelab.kernels.splat.moments import LEFT, MOMENTS, TO_RED, weigh
from drivelab.kernels.splat.tiles import TILE
from drivelab.kernels.splat.turns import next_of


@njit(nogil=True, cache=True)
def house(begins, stops, spans):  # type: ignore[no-untyped-def]
    """Turn spans of tiles into homes; returns how many slots there are.

    A home's upper 48 bits are the slot that tile 0 of the row of tiles 0 would have, its lower 16
    bits are the tiles in a row of the box.
    """
    total = 0
    for camera in range(len(begins)):
        for part in range(begins.shape[1]):
            for row in range(begins[camera, part], stops[camera, part]):
                span = spans[row]
                left, top = span & 0xFFFF, (span >> 32) & 0xFFFF
                wide = ((span >> 16) & 0xFFFF) - left + 1
                spans[row] = ((total - top * wide - left) << 16) | wide
                total += wide * ((span >> 48) + 1 - top)
    return total


@njit(nogil=True, cache=True)
def _load(state, left, top, width, height, pictures, gradients):  # type: ignore[no-untyped-def]
    """Fill a tile's pixels with their gradients and with what of their loss is behind nothing.

    Pictures and gradients (rgb, depth, cover) are flat.
    """
    (rgb, depth, cover), (to_rgb, to_depth, to_cover) = pictures, gradients
    for j in range(top, min(top + TILE, height)):  # rows lie far apart: all on their way at once
        for part in range(3):
            fetch(rgb, 3 * (j * width + left) + TILE * part)
            fetch(to_rgb, 3 * (j * width + left) + TILE * part)
        fetch(depth, j * width + left)
        fetch(to_depth, j * width + left)
        fetch(cover, j * width + left)
        fetch(to_cover, j * width + left)
    for cell in range(CELLS):
        j, i = top + cell % HIGH, left + cell // HIGH * WIDE
        if j >= height:
            continue
        own = state[cell]
        for p in range(min(WIDE, width - i)):
            at = j * width + i + p
            red, green, blue = to_rgb[3 * at], to_rgb[3 * at + 1], to_rgb[3 * at + 2]
            own[TO_RED, p], own[TO_RED + 1, p], own[TO_RED + 2, p] = red, green, blue
            own[TO_RED + 3, p] = to_depth[at]
            total = red * rgb[3 * at] + green * rgb[3 * at + 1] + blue * rgb[3 * at + 2]
            total += to_depth[at] * depth[at]
            own[LEFT, p] = total - to_cover[at] * (np.float32(1.0) - cover[at])


@njit(nogil=True, cache=True)
def _weigh_all(  # type: ignore[no-untyped-def]
    rows, homes, entries, across, down, most, open_, state, edges, bits, columns, lines, slots,
    sums, marks,
):  # fmt: skip
    """Lay a tile's Gaussians over its cells until none is open, as `composite` does."""
    flat, flat_sums = rows.reshape(-1), sums.reshape(-1)
    x, y = np.float32(across * TILE), np.float32(down * TILE)
    for p in range(2 * WIDE):
        columns[p] = x + np.float32(p) + np.float32(0.5)
    for p in range(HIGH):
        lines[p] = y + np.float32(p) + np.float32(0.5)
    for begin in range(0, len(entries), _TOGETHER):
        count = min(_TOGETHER, len(entries) - begin)
        for n in range(count):
            ahead = entries[min(begin + n + _AHEAD, len(entries) - 1)] & _PLACE
            fetch(flat, ahead * ROW)
            fetch(homes, ahead)
            place = entries[begin + n] & _PLACE
            slots[n] = (homes[place] >> 16) + down * (homes[place] & 0xFFFF) + across
            fetch(flat_sums, slots[n] * MOMENTS)
            bits[n] = touched(rows, place, x, y, edges, n) & open_
        for n in range(count):
            if bits[n] == 0:
                continue
            place = entries[begin + n] & _PLACE
            marks[slots[n]] = 1
            weigh(rows, place, edges, n, state, bits[n], columns, lines, most, sums, slots[n])
        for cell in range(CELLS):
            if unfinished(state, cell) == 0:
                open_ &= ~(np.uint32(1) << np.uint32(cell))
        if open_ == 0:
            return


@njit(nogil=True, cache=True)
def untile(  # type: ignore[no-untyped-def]
    counter, turns, rows, homes, begins, entries, across, most, rgb, depth, cover, to_rgb,
    to_depth, to_cover, sums, marks,
):  # fmt: skip
    """Go over the tiles once more, as the counter hands them out.

    Args:
        counter: (1,) see `next_of`.
        turns: (c * tiles,) numbers of the tiles of all pictures, in the order of their turns.
        rows: (m, ROW) see `project`.
        homes: (m,) see `house`.
        begins: (c * tiles + 1,) where the tiles' lists begin.
        entries: of all lists, in the order of depth.
        across: tiles in a row of a picture.
        most: that one Gaussian covers at most.
        rgb: (c, h, w, 3) the pictures as they were drawn.
        depth: (c, h, w).
        cover: (c, h, w).
        to_rgb: (c, h, w, 3) float32 gradients of the pictures.
        to_depth: (c, h, w).
        to_cover: (c, h, w).
        sums: (slots, MOMENTS) float32; slots that are reached are written.
        marks: (slots,) uint8; 1 is written where a slot is reached.
    """
    height, width = depth.shape[1:]
    each = len(turns) // len(depth)
    state = np.empty((CELLS, STATE, WIDE), np.float32)
    edges, bits = np.empty((_TOGETHER, EDGES), np.float32), np.empty(_TOGETHER, np.uint32)
    columns, lines = np.empty(2 * WIDE, np.float32), np.empty(HIGH, np.float32)
    slots = np.empty(_TOGETHER, np.int64)
    while True:
        turn: int = next_of(counter)
        if turn >= len(turns):
            return
        t = turns[turn]
        camera, tile = t // each, t % each
        right, down = tile % across, tile // across
        own = entries[begins[t] : begins[t + 1]]
        open_ = _begin(state, min(TILE, width - right * TILE), min(TILE, height - down * TILE))
        _load(
            state, right * TILE, down * TILE, width, height,
            (rgb[camera].reshape(-1), depth[camera].reshape(-1), cover[camera].reshape(-1)),
            (
                to_rgb[camera].reshape(-1), to_depth[camera].reshape(-1),
                to_cover[camera].reshape(-1),
            ),
        )  # fmt: skip
        _weigh_all(
            rows, homes, own, right, down, most, open_, state, edges, bits, columns, lines, slots,
            sums, marks,
        )  # fmt: skip
