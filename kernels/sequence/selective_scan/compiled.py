"""The selective scan on the CPU: channels across vector registers, states kept every 32 tokens.

The way back walks over the blocks of tokens from the last to the first, works out a block's states
again from the one kept before it, and never holds those of more than one block.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from numba import njit
from torch import Tensor

from drivelab.kernels.registers import BITS
from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.selective_scan.channels import (
    TOGETHER,
    advance_many,
    advance_one,
    replay,
    retreat,
)
from drivelab.kernels.sequence.streams import compute_dtype

BLOCK = 32  # tokens between states that are kept
SIDE = 4  # registers of channels that share the gradients of B and C in one unit of work


@njit(nogil=True)
def _clear(flat):  # type: ignore[no-untyped-def]
    for i in range(len(flat)):
        flat[i] = 0


@njit(nogil=True)
def _copy(given, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = given[i]


@njit(nogil=True)
def _unit(units, n):  # type: ignore[no-untyped-def]
    return units[n, 0], units[n, 1], units[n, 2], units[n, 3]


@njit(nogil=True)
def _fill(tile, rows, low, lanes, begin, step, tokens, width):  # type: ignore[no-untyped-def]
    """A (token, channel) tile from rows of tokens."""
    for c in range(lanes):
        row = rows[low + c]
        for t in range(tokens):
            tile[t * width + c] = row[begin + t * step]


@njit(nogil=True)
def _turned(tile, numbers, low, lanes, width, out):  # type: ignore[no-untyped-def]
    """Put a (number, channel) tile where channels follow each other."""
    for c in range(lanes):
        for n in range(numbers):
            out[low + c, n] = tile[n * width + c]


@njit(nogil=True)
def _tile(rows, low, lanes, width):  # type: ignore[no-untyped-def]
    """A (number, channel) tile; channels that there are not are 0."""
    numbers = rows.shape[1]
    tile = np.zeros(numbers * width, rows.dtype)
    for c in range(lanes):
        for n in range(numbers):
            tile[n * width + c] = rows[low + c, n]
    return tile


@njit(nogil=True)
def _walk(state, rate, delta, moved, out, b, c, tokens, numbers, first, pitch, step):  # type: ignore[no-untyped-def]
    """A block of tokens with time."""
    t = 0
    while t < tokens:
        here = (first + t * step, first + t * step)
        if t + TOGETHER <= tokens:
            advance_many(state, rate, delta, moved, out, b, c, t, numbers, here, pitch, step)
            t += TOGETHER
        else:
            advance_one(state, rate, delta, moved, out, b, c, t, numbers, here, pitch, step)
            t += 1


@njit(cache=True, nogil=True)
def _forward(first, last, units, u, delta, rates, b, c, start, out, final, against):  # type: ignore[no-untyped-def]
    tokens, numbers = u.shape[2], rates.shape[1]
    width = np.int64(BITS // 8) // u.itemsize
    step = -1 if against else 1
    tiles = np.zeros((4, BLOCK * width), u.dtype)
    pace, moved, source, read = tiles[0], tiles[1], tiles[2], tiles[3]
    for unit in range(first, last):
        n, group, low, high = _unit(units, unit)
        begun = (n * b.shape[1] + group) * numbers * tokens
        for at in range(low, high, width):
            lanes = min(width, high - at)
            state, rate = _tile(start[n], at, lanes, width), _tile(rates, at, lanes, width)
            _clear(pace)
            for past in range(0, tokens, BLOCK):
                count = min(BLOCK, tokens - past)
                begin = tokens - 1 - past if against else past
                _fill(pace, delta[n], at, lanes, begin, step, count, width)
                _fill(source, u[n], at, lanes, begin, step, count, width)
                for i in range(count * width):
                    moved[i] = pace[i] * source[i]
                _walk(
                    state, rate, pace, moved, read, b.reshape(-1), c.reshape(-1), count, numbers,
                    begun + begin, tokens, step,
                )  # fmt: skip
                for lane in range(lanes):
                    for t in range(count):
                        out[n, at + lane, begin + t * step] = read[t * width + lane]
            _turned(state, numbers, at, lanes, width, final[n])


@njit(nogil=True)
def _keep_states(  # type: ignore[no-untyped-def]
    kept, n, low, high, u, delta, rates, b, c, start, begun, tiles, against
):  # fmt: skip
    """States before each block of tokens, [block, register]."""
    tokens, numbers = u.shape[2], rates.shape[1]
    width = np.int64(BITS // 8) // u.itemsize
    step = -1 if against else 1
    pace, moved, source, read = tiles[0], tiles[1], tiles[2], tiles[3]
    for side, at in enumerate(range(low, high, width)):
        lanes = min(width, high - at)
        state, rate = _tile(start[n], at, lanes, width), _tile(rates, at, lanes, width)
        _clear(pace)
        for block in range(len(kept)):
            _copy(state, kept[block, side])
            if block == len(kept) - 1:
                break
            begin = tokens - 1 - block * BLOCK if against else block * BLOCK
            _fill(pace, delta[n], at, lanes, begin, step, BLOCK, width)
            _fill(source, u[n], at, lanes, begin, step, BLOCK, width)
            for i in range(BLOCK * width):
                moved[i] = pace[i] * source[i]
            _walk(
                state, rate, pace, moved, read, b.reshape(-1), c.reshape(-1), BLOCK, numbers,
                begun + begin, tokens, step,
            )  # fmt: skip


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]  # noqa: C901
    first, last, units, u, delta, rates, b, c, start, grad, grad_final,
    grad_u, grad_delta, grad_rates, grad_b, grad_c, grad_start, against,
):  # fmt: skip
    tokens, numbers = u.shape[2], rates.shape[1]
    width = np.int64(BITS // 8) // u.itemsize
    step, row = -1 if against else 1, numbers * width
    blocks = (tokens + BLOCK - 1) // BLOCK
    tiles = np.zeros((6, BLOCK * width), u.dtype)
    pace, moved, source, into, paced, seen = (
        tiles[0], tiles[1], tiles[2], tiles[3], tiles[4], tiles[5]
    )  # fmt: skip
    states = np.empty((BLOCK + 1) * row, u.dtype)
    decays = np.empty(BLOCK * row, u.dtype)
    for_b, for_c = np.empty(BLOCK * row, u.dtype), np.empty(BLOCK * row, u.dtype)
    kept = np.empty((blocks, SIDE, row), u.dtype)
    carry, turned = np.zeros((SIDE, row), u.dtype), np.zeros((SIDE, row), u.dtype)
    flat_b, flat_c = b.reshape(-1), c.reshape(-1)
    for unit in range(first, last):
        n, group, low, high = _unit(units, unit)
        begun = (n * b.shape[1] + group) * numbers * tokens
        _keep_states(kept, n, low, high, u, delta, rates, b, c, start, begun, tiles, against)
        _clear(turned.reshape(-1))
        for side, at in enumerate(range(low, high, width)):
            _copy(_tile(grad_final[n], at, min(width, high - at), width), carry[side])
        for block in range(blocks - 1, -1, -1):
            count = min(BLOCK, tokens - block * BLOCK)
            begin = tokens - 1 - block * BLOCK if against else block * BLOCK
            place = begun + begin
            _clear(for_b)
            _clear(for_c)
            for side, at in enumerate(range(low, high, width)):
                lanes = min(width, high - at)
                rate = _tile(rates, at, lanes, width)
                _clear(tiles.reshape(-1))
                _fill(pace, delta[n], at, lanes, begin, step, count, width)
                _fill(source, u[n], at, lanes, begin, step, count, width)
                _fill(seen, grad[n], at, lanes, begin, step, count, width)
                for i in range(count * width):
                    moved[i] = pace[i] * source[i]
                replay(
                    kept[block, side], rate, pace, moved, states, decays, flat_b, count, numbers,
                    place, tokens, step,
                )  # fmt: skip
                retreat(
                    carry[side], rate, pace, moved, seen, states, decays, turned[side], for_b,
                    for_c, into, paced, flat_b, flat_c, count, numbers, (place, place), tokens,
                    step,
                )  # fmt: skip
                for lane in range(lanes):
                    for t in range(count):
                        i, there = t * width + lane, begin + t * step
                        grad_u[n, at + lane, there] = pace[i] * into[i]
                        grad_delta[n, at + lane, there] = paced[i] + source[i] * into[i]
            for m in range(numbers):
                for t in range(count):
                    i = (m * count + t) * width
                    one, other = u.dtype.type(0), u.dtype.type(0)
                    for lane in range(width):
                        one += for_b[i + lane]
                        other += for_c[i + lane]
                    grad_b[unit, m, begin + t * step] = one
                    grad_c[unit, m, begin + t * step] = other
        for side, at in enumerate(range(low, high, width)):
            lanes = min(width, high - at)
            _turned(carry[side], numbers, at, lanes, width, grad_start[n])
            _turned(turned[side], numbers, at, lanes, width, grad_rates[n])


def _units(batch: int, channels: int, groups: int, dtype: torch.dtype) -> Int[np.ndarray, "n 4"]:
    """Sequence, group, first channel and the one behind the last of each unit of work."""
    share, side = channels // groups, SIDE * BITS // 8 // dtype.itemsize
    starts = [(g, g * share + c) for g in range(groups) for c in range(0, share, side)]
    rows = [
        (n, g, low, min(low + side, (g + 1) * share)) for n in range(batch) for g, low in starts
    ]
    return np.array(rows, np.int64).reshape(-1, 4)


def _arrays(dtype: torch.dtype, *tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(x.detach().to(dtype).contiguous().numpy() for x in tensors)


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """Outputs (B, D, L) and the final state."""
    dtype = compute_dtype(u, delta, A, B, C, state)
    given = _arrays(dtype, u, delta, A, B, C, state)
    y, final = torch.empty(u.shape, dtype=dtype), torch.empty(state.shape, dtype=dtype)
    units = _units(u.shape[0], u.shape[1], B.shape[1], dtype)
    found = y.numpy(), final.numpy()
    over_heads(
        lambda first, last: _forward(first, last, units, *given, *found, reverse),
        len(units),
        4 * u.numel() * A.shape[1],
    )
    return y, final


def backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool,
    grad_y: Tensor, grad_final: Tensor | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of u, delta, A, B, C and the first state."""
    dtype = compute_dtype(u, delta, A, B, C, state)
    end = torch.zeros_like(state) if grad_final is None else grad_final
    given = _arrays(dtype, u, delta, A, B, C, state, grad_y, end)
    units = _units(u.shape[0], u.shape[1], B.shape[1], dtype)
    (batch, channels, tokens), numbers, groups = u.shape, A.shape[1], B.shape[1]
    du, ddelta = (torch.empty(u.shape, dtype=dtype) for _ in range(2))
    start, rates = (torch.empty(batch, channels, numbers, dtype=dtype) for _ in range(2))
    shared = (torch.empty(len(units), numbers, tokens, dtype=dtype) for _ in range(2))
    db, dc = shared
    found = tuple(x.numpy() for x in (du, ddelta, rates, db, dc, start))
    over_heads(
        lambda first, last: _backward(first, last, units, *given, *found, reverse),
        len(units),
        12 * u.numel() * numbers,
    )
    parts = len(units) // (batch * groups) if batch else 1
    db, dc = (x.view(batch, groups, parts, numbers, tokens).sum(2) for x in (db, dc))
    grads = zip((du, ddelta, rates.sum(0), db, dc, start), (u, delta, A, B, C, state), strict=True)
    return tuple(grad.to(x.dtype) for grad, x in grads)


def _fake(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    dtype = compute_dtype(u, delta, A, B, C, state)
    return u.new_empty(u.shape, dtype=dtype), state.new_empty(state.shape, dtype=dtype)


selective_scan_numba = operator(
    "selective_scan_numba",
    "u delta A B C state",
    "bool reverse",
    2,
    forward=forward,
    backward=backward,
    fake=_fake,
    direct=True,
)
