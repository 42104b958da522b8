"""The linear recurrence behind every op of this room, on one head.

    state[r, c] <- decay * state[r, c] + write_t[r] * values_t[c]
    out_t[c] = scale * sum_r read_t[r] * state[r, c]

token by token, with values times a factor, where `decay` varies with the row r, the column c (lane)
or the token alone. The four passes of a forward and a backward call are this with other arrays in
the four roles:

| pass | read | write | values | order | decay of a vector gate |
|---|---|---|---|---|---|
| o | q | k | v | with time | row |
| dq | do | v | k | with time | lane |
| dv | k | q | do | against | row |
| dk | v | do | q | against | lane |

Columns lie across a vector register. Eight tokens are done as a `block`, what is left one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.registers import BITS, Registers
from drivelab.kernels.sequence.block import (
    ROOM,
    TOGETHER,
    advance_lanes,
    advance_rows,
    advance_token,
    decayed_dots,
    dots,
)


def _advance_one(kind: str) -> Any:
    """An intrinsic of one token; its arguments are those of a block's, without its products."""

    @intrinsic
    def advance(
        typing: Any, state: Any, read: Any, write: Any, values: Any, decay: Any, out: Any,
        pitch: Any, rows: Any, columns: Any, first: Any, factor: Any, scale: Any, add: Any,
    ) -> Any:  # fmt: skip
        arrays = (state, read, write, values, decay, out)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Registers(context, builder, state.dtype)
            base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
            pitch, rows, columns, first, factor, scale, add = args[6:]
            begin = cgutils.unpack_tuple(builder, first, 5)
            read, write, values, decay, out = (
                regs.offset(a, at) for a, at in zip(base[1:], begin, strict=True)
            )
            mask = regs.first(columns)
            held = builder.fmul(regs.splat(factor, regs.vector), regs.load_where(mask, values))
            kept = regs.load_where(mask, decay) if kind == "lane" else regs.broadcast(decay)
            (total,) = regs.sums(1)
            with cgutils.for_range(builder, rows) as loop:
                spot = regs.offset(base[0], builder.mul(loop.index, pitch))
                fade = regs.broadcast(regs.offset(decay, loop.index)) if kind == "row" else kept
                new = regs.broadcast(regs.offset(write, loop.index))
                now = regs.multiply_add(new, held, builder.fmul(fade, regs.load(spot)))
                regs.store(now, spot)
                seen = regs.broadcast(regs.offset(read, loop.index))
                builder.store(regs.multiply_add(seen, now, builder.load(total)), total)
            before = builder.select(add, regs.load_where(mask, out), regs.zero)
            share = regs.splat(scale, regs.vector)
            regs.store_where(mask, regs.multiply_add(share, builder.load(total), before), out)
            return context.get_dummy_value()

        number, five = types.intp, types.UniTuple(types.intp, 5)
        last = (number, number, number, five, state.dtype, state.dtype, types.boolean)
        return types.none(*arrays, *last), emit

    return advance


def named(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Tell functions made by one factory apart in compiled files.

    Numba calls them by their qualified name and a number that each process counts anew: of two that
    different processes compiled, a third that loads both would run one for the other.
    """

    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__qualname__ = name
        return function

    return give


def _scan(kind: str, many: Any) -> Callable[..., None]:
    """The loop over tokens and columns for one kind of decay."""
    one, by_row, by_lane = _advance_one(kind), kind == "row", kind == "lane"

    @njit(nogil=True)
    @named(f"scan_{kind}")
    def scan(tokens, state, rows, columns, streams, first, step, factor, scale, add):  # type: ignore[no-untyped-def]
        read, write, values, decay, out = streams
        width = np.int64(BITS // 8) // state.itemsize
        pitch, flat = state.shape[1], state.reshape(-1)
        wide = (rows + width - 1) // width * width if by_row and tokens >= TOGETHER else 0
        products = np.empty(ROOM, state.dtype)
        reads, writes = (
            np.empty(TOGETHER * wide, state.dtype),
            np.empty(TOGETHER * wide, state.dtype),
        )
        fade = np.empty(wide, state.dtype)
        t = 0
        while t < tokens:
            here = (
                first[0] + t * step[0], first[1] + t * step[1], first[2] + t * step[2],
                first[3] + t * step[3], first[4] + t * step[4],
            )  # fmt: skip
            whole = t + TOGETHER <= tokens
            if whole and by_row:
                decayed_dots(
                    read, write, decay, products, reads, writes, fade, rows, wide,
                    (here[0], here[1], here[3]), (step[0], step[1], step[3]),
                )  # fmt: skip
            elif whole:
                dots(read, write, products, rows, (here[0], here[1]), (step[0], step[1]))
            for c in range(0, columns, width):
                part, left = flat[c:], min(columns - c, width)
                if not whole:
                    at = (here[0], here[1], here[2] + c, here[3] + c * by_lane, here[4] + c)
                    one(
                        part, read, write, values, decay, out, pitch, rows, left, at, factor,
                        scale, add,
                    )  # fmt: skip
                elif by_row:
                    many(
                        part, reads, writes, values, fade, out, products, pitch, rows, left,
                        (0, 0, here[2] + c, 0, here[4] + c), (wide, wide, step[2], 0, step[4]),
                        factor, scale, add,
                    )  # fmt: skip
                else:
                    many(
                        part, read, write, values, decay, out, products, pitch, rows, left,
                        (here[0], here[1], here[2] + c, here[3] + c * by_lane, here[4] + c), step,
                        factor, scale, add,
                    )  # fmt: skip
            t += TOGETHER if whole else 1

    return scan


# Each runs the recurrence over `tokens` tokens of one head:
#   state     (rows, columns rounded up to a register) of float32 or float64, changed in place
#   streams   flat arrays (read, write, values, decay, out) of the same type
#   first     element of each stream at which its first token begins
#   step      elements from one token of a stream to the next, negative against time
#   factor    of the values
#   scale     of what is read
#   add       whether to add to `out` instead of writing it
scan_row_decay = _scan("row", advance_rows)
scan_lane_decay = _scan("lane", advance_lanes)
scan_token_decay = _scan("token", advance_token)
