"""Which Gaussians touch which tile, nearest first; equal depths keep the order of the scene.

Rows of Gaussians lie in parts, one per task that projected them: `parts` (p, 2) are the first place
and how many are there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TILE = 16  # pixels a side
ROW_DEPTH = 9  # of the numbers of a row
_BITS = 11
_BINS = 1 << _BITS


@njit(nogil=True, cache=True)
def order(rows, parts):  # type: ignore[no-untyped-def]
    """Places of the rows by depth, by a stable sort of the bits of its float (depths are > 0)."""
    count = parts[:, 1].sum()
    now, then = np.empty(count, np.int32), np.empty(count, np.int32)
    keys, other = np.empty(count, np.uint32), np.empty(count, np.uint32)
    depths = keys.view(np.float32)
    begins = np.zeros((3, _BINS + 1), np.int64)
    at = 0
    for part in range(len(parts)):
        for place in range(parts[part, 0], parts[part, 0] + parts[part, 1]):
            now[at], depths[at] = place, rows[place, ROW_DEPTH]
            for turn in range(3):
                begins[turn, ((keys[at] >> np.uint32(turn * _BITS)) & (_BINS - 1)) + 1] += 1
            at += 1
    for turn in range(3):
        shift, begin = np.uint32(turn * _BITS), begins[turn]
        if begin.max() == count:  # all alike
            continue
        for b in range(_BINS):
            begin[b + 1] += begin[b]
        for n in range(count):
            key = (keys[n] >> shift) & (_BINS - 1)
            place = begin[key]
            then[place], other[place] = now[n], keys[n]
            begin[key] = place + 1
        now, then = then, now
        keys, other = other, keys
    return now


@njit(nogil=True, cache=True)
def count_pairs(spans, ranks, first, last, across, sorted_spans, counts):  # type: ignore[no-untyped-def]
    """How many of the ranks [first, last) touch each tile; their spans in the order of ranks."""
    for n in range(first, last):
        span = spans[ranks[n]]
        sorted_spans[n] = span
        left, right = span & 0xFFFF, (span >> 16) & 0xFFFF
        for ty in range((span >> 32) & 0xFFFF, (span >> 48) + 1):
            for tx in range(left, right + 1):
                counts[ty * across + tx] += 1


@njit(nogil=True, cache=True)
def places(counts):  # type: ignore[no-untyped-def]
    """Counts (p, tiles) of the parts -> where each tile's list begins (tiles + 1).

    The counts become where each part writes its first.
    """
    tiles = counts.shape[1]
    begins = np.empty(tiles + 1, np.int64)
    total = 0
    for t in range(tiles):
        begins[t] = total
        for p in range(counts.shape[0]):
            own = counts[p, t]
            counts[p, t] = total
            total += own
    begins[tiles] = total
    return begins


@njit(nogil=True, cache=True)
def fill(sorted_spans, ranks, first, last, across, at, found):  # type: ignore[no-untyped-def]
    """Write the ranks [first, last) into the lists of their tiles."""
    for n in range(first, last):
        span, place = sorted_spans[n], ranks[n]
        left, right = span & 0xFFFF, (span >> 16) & 0xFFFF
        for ty in range((span >> 32) & 0xFFFF, (span >> 48) + 1):
            for tx in range(left, right + 1):
                t = ty * across + tx
                found[at[t]] = place
                at[t] += 1
