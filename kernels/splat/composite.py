"""Pixels of tiles from their lists of Gaussians, front to back."""

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
    lay_colours,
    lay_labels,
    show,
    touched,
    unfinished,
)
from drivelab.kernels.splat.tiles import BINS, TILE, arrange
from drivelab.kernels.splat.turns import next_of

_TOGETHER = 32  # Gaussians whose cells are found before they are drawn
_PLACE = (1 << 32) - 1  # the bits of an entry that are the place of a row
_AHEAD = 64  # Gaussians before its turn that one is fetched


@njit(nogil=True, cache=True)
def _begin(state, right, bottom):  # type: ignore[no-untyped-def]
    """An empty tile of which (right, bottom) pixels lie on the image; returns bits of its cells.

    What lies beyond the image is finished from the start.
    """
    state[:] = 0.0
    bits = np.uint32(0)
    for cell in range(CELLS):
        row, first = cell % HIGH, cell // HIGH * WIDE
        for p in range(WIDE):
            state[cell, 0, p] = 1.0 if row < bottom and first + p < right else -1.0
        if row < bottom and first < right:
            bits |= np.uint32(1) << np.uint32(cell)
    return bits


@njit(nogil=True, cache=True)
def _draw(rows, entries, left, top, most, open_, state, edges, bits, columns, labelled):  # type: ignore[no-untyped-def]
    """Lay a tile's Gaussians over its cells until none is open.

    Some at a time: the loop that finds their cells takes no turn that depends on a Gaussian, so
    that many of them are on their way from memory at once.
    """
    flat = rows.reshape(-1)
    x, y = np.float32(left), np.float32(top)
    for p in range(len(columns)):
        columns[p] = x + np.float32(p) + np.float32(0.5)
    for begin in range(0, len(entries), _TOGETHER):
        count = min(_TOGETHER, len(entries) - begin)
        for n in range(count):
            fetch(flat, (entries[min(begin + n + _AHEAD, len(entries) - 1)] & _PLACE) * ROW)
            place = entries[begin + n] & _PLACE
            bits[n] = touched(rows, place, x, y, edges, n) & open_
        for n in range(count):
            if bits[n] == 0:
                continue
            place = entries[begin + n] & _PLACE
            if labelled:
                lay_labels(rows, place, edges, n, state, bits[n], columns, most)
            else:
                lay_colours(rows, place, edges, n, state, bits[n], columns, most)
        for cell in range(CELLS):
            if unfinished(state, cell) == 0:
                open_ &= ~(np.uint32(1) << np.uint32(cell))
        if open_ == 0:
            return


@njit(nogil=True, cache=True)
def _show(state, left, top, back, rgb, depth, cover, labels):  # type: ignore[no-untyped-def]
    """Write a tile's pixels into one camera's pictures."""
    height, width = depth.shape
    flat_rgb, flat_depth, flat_cover = rgb.reshape(-1), depth.reshape(-1), cover.reshape(-1)
    for cell in range(CELLS):
        j, i = top + cell % HIGH, left + cell // HIGH * WIDE
        if j >= height:
            continue
        first = j * width + i
        if i + WIDE <= width:
            show(state, cell, back, first, flat_rgb, flat_depth, flat_cover)
        for p in range(min(WIDE, width - i)):
            if i + WIDE > width:
                light = abs(state[cell, 0, p])
                for c in range(3):
                    flat_rgb[3 * (first + p) + c] = state[cell, 1 + c, p] + light * back[c]
                flat_depth[first + p] = state[cell, 4, p]
                flat_cover[first + p] = np.float32(1.0) - light
            if labels.shape[0] > 0:
                labels[j, i + p] = np.uint8(state[cell, 5, p])


@njit(nogil=True, cache=True)
def tiles(  # type: ignore[no-untyped-def]
    counter, turns, rows, begins, entries, across, most, back, rgb, depth, cover, labels
):
    """Sort and draw the lists of tiles, as the counter hands them out.

    Args:
        counter: (1,) see `next_of`.
        turns: (c * tiles,) numbers of the tiles of all pictures, in the order of their turns.
        rows: (m, ROW) see `project`.
        begins: (c * tiles + 1,) where their lists begin.
        entries: of all lists, see `drivelab.kernels.splat.tiles`; are left in the order of depth.
        across: tiles in a row of a picture.
        most: that one Gaussian covers at most.
        back: red, green, blue behind everything.
        rgb: (c, h, w, 3), is written, as are the following.
        depth: (c, h, w).
        cover: (c, h, w).
        labels: (c, h, w) uint8, or (c, 0, 0) where none are asked for.
    """
    height, width = depth.shape[1:]
    each = len(turns) // len(depth)
    state = np.empty((CELLS, STATE, WIDE), np.float32)
    edges, bits = np.empty((_TOGETHER, EDGES), np.float32), np.empty(_TOGETHER, np.uint32)
    columns, bins = np.empty(2 * WIDE, np.float32), np.empty(BINS, np.int32)
    longest = begins[turns[0] + 1] - begins[turns[0]]
    spare = np.empty(longest, np.int64)
    while True:
        turn: int = next_of(counter)
        if turn >= len(turns):
            return
        t = turns[turn]
        camera, tile = t // each, t % each
        left, top = tile % across * TILE, tile // across * TILE
        own = entries[begins[t] : begins[t + 1]]
        arrange(own, spare, bins)
        open_ = _begin(state, min(TILE, width - left), min(TILE, height - top))
        _draw(
            rows, own, left, top, most, open_, state, edges, bits, columns,
            labels.shape[1] > 0,
        )  # fmt: skip
        _show(state, left, top, back, rgb[camera], depth[camera], cover[camera], labels[camera])
