"""3 x 3 convolutions with a border of one pixel, and what follows them, by Winograd's F(4x4, 3x3).

A map is cut into tiles of 4 x 4 pixels. `look` turns tiles into 36 values a channel, `answer`
multiplies them by the weights of `WIDTH` channels at a time and turns the products into pixels,
adding bias and shortcut. `both` does this tiles by tiles, so that what lies between stays in the
nearer caches; with few tiles threads share them better if all have looked before any answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, njit
from numba.np.numpy_support import carray

from drivelab.kernels.convolution.points import POINTS, TILE
from drivelab.kernels.convolution.product import ROWS, WIDTH, multiply_by_four
from drivelab.kernels.convolution.tiles import give, give_at_edge, look, look_at_edge
from drivelab.kernels.convolution.vectors import FLOAT, LANES, address_of, taken

VALUES = POINTS * POINTS
# Values of one tile lie apart by no power of two, or they would share a few lines of the caches.
PAD = 5 * LANES * FLOAT
FEW, MANY = 32, 64  # tiles that are answered together: by `both`, by `answer`
ENOUGH = 4 * FEW  # tiles of a map for `both`

JOB = np.dtype(
    [
        (name, np.int64)
        for name in (
            "turn", "member",  # work and rooms that are already taken
            "source", "height", "width", "given",  # of the map; channels in
            "weights", "bias", "floor", "taken",  # address of the least result; channels out
            "beside", "target",  # maps of the result's shape, the first 0 where there is none
            "tile_rows", "tile_columns", "group",
            "seen", "seen_all", "seen_step",  # values of tiles, their size, their distance
            "rooms", "room", "found_step",  # what each thread needs, its size; products likewise
        )
    ]
)  # fmt: skip
_MEMBER = 8  # bytes before "member"


def step_between(tiles: int, channels: int) -> int:
    """Bytes from one value of a tile to its next, where there are so many tiles and channels."""
    return -(-tiles // ROWS) * ROWS * channels * FLOAT + PAD


def arrange(record: np.ndarray) -> None:
    """Divide the work of a `JOB` of which maps and weights are told: tiles, groups, rooms.

    With many tiles `seen_all` is 0, and `both_job` does everything; otherwise so many bytes are
    needed at `seen`, where `look_job` writes and `answer_job` reads.
    """
    job = record[0]
    job["tile_rows"], job["tile_columns"] = -(-job["height"] // TILE), -(-job["width"] // TILE)
    tiles, given = int(job["tile_rows"] * job["tile_columns"]), int(job["given"])
    at_once = tiles >= ENOUGH
    job["group"] = FEW if at_once else min(MANY, tiles)
    job["seen_step"] = step_between(FEW if at_once else tiles, given)
    job["found_step"] = step_between(int(job["group"]), WIDTH)
    job["room"] = VALUES * (job["found_step"] + (job["seen_step"] if at_once else 0))
    job["seen_all"] = 0 if at_once else VALUES * job["seen_step"]


@njit
def _within(first, size):  # type: ignore[no-untyped-def]
    """Bits of those of `POINTS` pixels from the first on that are within the map."""
    bits = 0
    for place in range(POINTS):
        if 0 <= first + place < size:
            bits |= 1 << place
    return bits


@njit
def _look(job, first, last, seen):  # type: ignore[no-untyped-def]
    """Values of some tiles."""
    column = job.given * FLOAT
    row = column * job.width
    for tile in range(first, last):
        y = tile // job.tile_columns * TILE - 1
        x = tile % job.tile_columns * TILE - 1
        source, target = job.source + y * row + x * column, seen + (tile - first) * column
        if y >= 0 and x >= 0 and y + POINTS <= job.height and x + POINTS <= job.width:
            look(source, row, column, 0, 0, job.given, target, job.seen_step)
        else:
            rows, columns = _within(y, job.height), _within(x, job.width)
            look_at_edge(source, row, column, rows, columns, job.given, target, job.seen_step)


@njit
def _answer(job, first, last, part, seen, products):  # type: ignore[no-untyped-def]
    """Pixels of some tiles in `WIDTH` channels out."""
    given, wide = job.given * FLOAT, WIDTH * FLOAT
    apart = job.found_step
    for value in range(VALUES):
        weights = job.weights + (part * VALUES + value) * job.given * wide
        for n in range(0, last - first, ROWS):
            values, target = (
                seen + value * job.seen_step + n * given,
                products + value * apart + n * wide,
            )
            multiply_by_four(values, given, 0, 1, job.given, weights, target, wide)
    column = job.taken * FLOAT
    row = column * job.width
    bias = job.bias + part * wide
    for tile in range(first, last):
        y, x = tile // job.tile_columns * TILE, tile % job.tile_columns * TILE
        shift = y * row + x * column + part * wide
        beside = job.beside + shift if job.beside else 0
        found, target = products + (tile - first) * wide, job.target + shift
        rows, columns = job.height - y, job.width - x
        if rows >= TILE and columns >= TILE:
            give(found, apart, bias, job.floor, WIDTH, target, row, column, 0, 0, beside)
        else:
            give_at_edge(
                found, apart, bias, job.floor, WIDTH, target, row, column, rows, columns, beside
            )


@cfunc("void(voidptr)", cache=True)
def look_job(data: Any) -> None:
    """Values of all tiles, `ROWS` at a time."""
    job = carray(data, (1,), JOB)[0]
    tiles = job.tile_rows * job.tile_columns
    while True:
        first = taken(address_of(data)) * ROWS
        if first >= tiles:
            break
        seen = job.seen + first * job.given * FLOAT
        _look(job, first, min(tiles, first + ROWS), seen)


@cfunc("void(voidptr)", cache=True)
def answer_job(data: Any) -> None:
    """Pixels from the values of all tiles; a piece of work is a group with `WIDTH` channels."""
    job = carray(data, (1,), JOB)[0]
    tiles, parts = job.tile_rows * job.tile_columns, job.taken // WIDTH
    room = job.rooms + taken(address_of(data) + _MEMBER) * job.room
    while True:
        piece = taken(address_of(data))
        first = piece // parts * job.group
        if first >= tiles:
            break
        seen = job.seen + first * job.given * FLOAT
        _answer(job, first, min(tiles, first + job.group), piece % parts, seen, room)


@cfunc("void(voidptr)", cache=True)
def both_job(data: Any) -> None:
    """Pixels of all tiles, group by group; the values of a group are in its thread's room."""
    job = carray(data, (1,), JOB)[0]
    tiles, parts = job.tile_rows * job.tile_columns, job.taken // WIDTH
    room = job.rooms + taken(address_of(data) + _MEMBER) * job.room
    while True:
        first = taken(address_of(data)) * job.group
        if first >= tiles:
            break
        last, seen = min(tiles, first + job.group), room + VALUES * job.found_step
        _look(job, first, last, seen)
        for part in range(parts):
            _answer(job, first, last, part, seen, room)
