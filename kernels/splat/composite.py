"""Pixels of tiles from their lists of Gaussians, front to back."""

from __future__ import annotations

import numpy as np
from numba import njit

from drivelab.kernels.registers import fetch
from drivelab.kernels.splat.cells import (
    CELLS,
    HIGH,
    ROW,
    STATE,
    WIDE,
    lay_colours,
    lay_labels,
    lowest_bit,
    touched,
)
from drivelab.kernels.splat.tiles import TILE

_TOGETHER = 64  # Gaussians that are sorted into cells before the cells are drawn


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
def _draw(rows, members, left, top, most, open_, state, lists, counts, labelled):  # type: ignore[no-untyped-def]
    """Lay a tile's Gaussians over its cells until none is open."""
    flat = rows.reshape(-1)
    x, y = np.float32(left), np.float32(top)
    for begin in range(0, len(members), _TOGETHER):
        counts[:] = 0
        for n in range(begin, min(begin + _TOGETHER, len(members))):
            place = members[n]
            if n + _TOGETHER < len(members):
                fetch(flat, np.intp(members[n + _TOGETHER]) * ROW)
            bits = touched(rows, place, x, y) & open_
            while bits != 0:
                cell = lowest_bit(bits)
                lists[cell, counts[cell]] = place
                counts[cell] += 1
                bits &= bits - np.uint32(1)
        for cell in range(CELLS):
            if counts[cell] == 0:
                continue
            at_x, at_y = x + np.float32(cell // HIGH * WIDE), y + np.float32(cell % HIGH)
            first = cell * _TOGETHER
            if labelled:
                going = lay_labels(rows, lists, first, counts[cell], state, cell, at_x, at_y, most)
            else:
                going = lay_colours(rows, lists, first, counts[cell], state, cell, at_x, at_y, most)
            if going == 0:
                open_ &= ~(np.uint32(1) << np.uint32(cell))
        if open_ == 0:
            return


@njit(nogil=True, cache=True)
def tiles(  # type: ignore[no-untyped-def]
    rows, begins, members, first, step, across, size, most, back, rgb, depth, cover, labels
):
    """Every `step`-th tile from `first` on, into rgb (h, w, 3), depth, cover and labels (h, w).

    Labels are left out where their picture is empty.
    """
    width, height = size
    state = np.empty((CELLS, STATE, WIDE), np.float32)
    lists, counts = np.empty((CELLS, _TOGETHER), np.int32), np.empty(CELLS, np.int64)
    labelled = labels.shape[0] > 0
    for t in range(first, len(begins) - 1, step):
        left, top = t % across * TILE, t // across * TILE
        right, bottom = min(TILE, width - left), min(TILE, height - top)
        open_ = _begin(state, right, bottom)
        _draw(
            rows, members[begins[t] : begins[t + 1]], left, top, most, open_, state, lists, counts,
            labelled,
        )  # fmt: skip
        for cell in range(CELLS):
            j, i = top + cell % HIGH, left + cell // HIGH * WIDE
            if j >= height:
                continue
            for p in range(min(WIDE, width - i)):
                light = abs(state[cell, 0, p])
                for c in range(3):
                    rgb[j, i + p, c] = state[cell, 1 + c, p] + light * back[c]
                depth[j, i + p] = state[cell, 4, p]
                cover[j, i + p] = np.float32(1.0) - light
                if labelled:
                    labels[j, i + p] = np.uint8(state[cell, 5, p])
