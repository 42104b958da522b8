"""Which Gaussians touch which tile, nearest first; equal depths keep the order of the scene.

An entry of a tile's list is a whole number: the bits of a depth, of which the larger is the larger
number as depths are above 0, and below them the place of a Gaussian's row, which grows with its
place in the scene. All entries differ, so that their order does not depend on how they are sorted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from drivelab.kernels.splat.turns import next_of

TILE = 16  # pixels a side
BINS = (4, 2048)  # turns of a sort, bins of a turn
_MANY = 2048  # entries that are worth 2048 bins and not 256
_FEW = 48  # entries that are sorted by putting each in its place


@njit(nogil=True, cache=True)
def places(counts, begins):  # type: ignore[no-untyped-def]
    """Counts (parts, lists) -> where each list begins (lists + 1,) int64; returns their total.

    The counts become where each part writes its first.
    """
    parts, lists = counts.shape
    total = 0
    for t in range(lists):
        begins[t] = total
        for p in range(parts):
            own = counts[p, t]
            counts[p, t] = total
            total += own
    begins[lists] = total
    return total


@njit(nogil=True, cache=True)
def fill(counter, begins, stops, spans, keys, across, at, entries):  # type: ignore[no-untyped-def]
    """Write the entries of the rows into the lists of their tiles, part by part.

    `begins` and `stops` (c, parts) are the rows of a part; `at` (parts, c, tiles) is where it
    writes, as `places` leaves it, and is used up.
    """
    bits = keys.view(np.uint32)
    while True:
        part: int = next_of(counter)
        if part >= begins.shape[1]:
            return
        for camera in range(len(begins)):
            own = at[part, camera]
            for row in range(begins[camera, part], stops[camera, part]):
                span, entry = spans[row], (np.int64(bits[row]) << 32) | row
                left, right = span & 0xFFFF, (span >> 16) & 0xFFFF
                for ty in range((span >> 32) & 0xFFFF, (span >> 48) + 1):
                    for t in range(ty * across + left, ty * across + right + 1):
                        entries[own[t]] = entry
                        own[t] += 1


@njit(nogil=True, cache=True)
def _insert(entries):  # type: ignore[no-untyped-def]
    """Sort a short list by putting each entry in its place."""
    for n in range(1, len(entries)):
        entry, at = entries[n], n
        while at > 0 and entries[at - 1] > entry:
            entries[at] = entries[at - 1]
            at -= 1
        entries[at] = entry


@njit(nogil=True, cache=True)
def _binned(entries, low, wide, bins):  # type: ignore[no-untyped-def]
    """Where each bin of each turn begins; a turn looks at `wide` bits, the first from `low` on."""
    size = (1 << wide) - 1
    bins[:, : size + 1] = 0
    for entry in entries:
        key = entry >> low
        for turn in range(len(bins)):
            bins[turn, (key >> (turn * wide)) & size] += 1
    for turn in range(len(bins)):
        begin = np.int32(0)
        for b in range(size + 1):
            own = bins[turn, b]
            bins[turn, b] = begin
            begin += own


@njit(nogil=True, cache=True)
def arrange(entries, spare, bins):  # type: ignore[no-untyped-def]
    """Sort a list that comes in the order of its rows; `spare` (as long or longer) is used up.

    By the bits in which its depths differ, the lowest first. `bins` (BINS) int32 is used up, too.
    """
    count = len(entries)
    if count <= _FEW:
        _insert(entries)
        return
    differ = np.int64(0)
    for n in range(count):
        differ |= entries[n] ^ entries[0]
    differ >>= 32
    low = 32
    while low < 63 and (differ >> (low - 32)) & 1 == 0:
        low += 1
    wide = 11 if count >= _MANY else 8
    turns = 0
    while differ >> (low - 32 + turns * wide) != 0:
        turns += 1
    _binned(entries, low, wide, bins[:turns])
    taken, given = entries, spare[:count]
    for turn in range(turns):
        shift, at, size = low + turn * wide, bins[turn], (1 << wide) - 1
        for n in range(count):
            key = (taken[n] >> shift) & size
            given[at[key]] = taken[n]
            at[key] += 1
        taken, given = given, taken
    if turns % 2 == 1:
        entries[:] = spare[:count]
