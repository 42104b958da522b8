"""Which Gaussians touch which tile, nearest first; equal depths keep the order of the scene."""

from __future__ import annotations

import numpy as np
from numba import njit

TILE = 16  # pixels a side
ROW_DEPTH = 9  # of the numbers of a row
_BITS = 11
_BINS = 1 << _BITS


@njit(nogil=True)
def order(rows, count):  # type: ignore[no-untyped-def]
    """Places of the rows by depth, by a stable sort of the bits of its float (depths are > 0)."""
    keys = rows[:count, ROW_DEPTH].copy().view(np.uint32)
    now, then = np.empty(count, np.int32), np.empty(count, np.int32)
    for n in range(count):
        now[n] = n
    begins = np.empty(_BINS + 1, np.int64)
    for shift in (0, _BITS, 2 * _BITS):
        begins[:] = 0
        for n in range(count):
            begins[((keys[n] >> shift) & (_BINS - 1)) + 1] += 1
        for b in range(_BINS):
            begins[b + 1] += begins[b]
        for n in range(count):
            key = (keys[now[n]] >> shift) & (_BINS - 1)
            then[begins[key]] = now[n]
            begins[key] += 1
        now, then = then, now
    return now


@njit(nogil=True)
def lists(boxes, ranks, across, down):  # type: ignore[no-untyped-def]
    """Where each tile's list begins (tiles + 1), and the lists one behind the other."""
    begins = np.zeros(across * down + 1, np.int64)
    for n in ranks:
        box = boxes[n]
        for ty in range(box[2] // TILE, box[3] // TILE + 1):
            for tx in range(box[0] // TILE, box[1] // TILE + 1):
                begins[ty * across + tx + 1] += 1
    for t in range(across * down):
        begins[t + 1] += begins[t]
    found, at = np.empty(begins[-1], np.int32), begins[:-1].copy()
    for n in ranks:
        box = boxes[n]
        for ty in range(box[2] // TILE, box[3] // TILE + 1):
            for tx in range(box[0] // TILE, box[1] // TILE + 1):
                t = ty * across + tx
                found[at[t]] = n
                at[t] += 1
    return begins, found
