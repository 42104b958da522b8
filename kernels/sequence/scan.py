"""The linear recurrence behind every op of this room, on one head.

    state[r, c] <- decay * state[r, c] + write_t[r] * values_t[c]
    out_t[c] = scale * sum_r read_t[r] * state[r, c]

token by token, with values times a factor, where `decay` varies with the row r, the column c (lane) or the token alone. The
four passes of a forward and a backward call are this with other arrays in the four roles:

| pass | read | write | values | order | decay of a vector gate |
|---|---|---|---|---|---|
| o | q | k | v | with time | row |
| dq | do | v | k | with time | lane |
| dv | k | q | do | against | row |
| dk | v | do | q | against | lane |

Columns lie across a vector register, eight tokens are done in one pass over the state: of its rows
each is loaded once, decayed and extended eight times, and written back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.sequence.registers import BITS, Registers

ROW, LANE, TOKEN = range(3)  # what a decay varies with
TOGETHER = 8  # tokens a pass


class _Pass:
    """Emits the instructions of `count` tokens over one register's width of columns."""

    def __init__(self, kind: int, count: int) -> None:
        self.kind, self.count = kind, count

    def emit(self, regs: Registers, arrays: list[Any], args: Any) -> None:
        """Load what belongs to the columns, walk over the rows, write what was read.

        Args:
            regs: of the element type.
            arrays: addresses of state, read, write, values, decay and out.
            args: the arguments of `_advance` from `pitch` on, without the arrays.
        """
        pitch, rows, columns, first, step, factor, scale, add = args
        state, streams = arrays[0], self._places(regs, arrays[1:], first, step)
        mask = regs.first(columns)
        weight = regs.splat(factor, regs.vector)
        held = [
            regs.builder.fmul(weight, regs.load_where(mask, place)) for place in streams[2]
        ]
        kept: list[Any] = []
        if self.kind == LANE:
            kept = [regs.load_where(mask, place) for place in streams[3]]
        elif self.kind == TOKEN:
            kept = [regs.broadcast(place) for place in streams[3]]
        sums = regs.sums(self.count)
        with cgutils.for_range(regs.builder, rows) as loop:
            place = regs.offset(state, regs.builder.mul(loop.index, pitch))
            regs.store(
                self._row(regs, loop.index, regs.load(place), streams, held, kept, sums), place
            )
        share = regs.splat(scale, regs.vector)
        for place, total in zip(streams[4], sums, strict=True):
            before = regs.builder.select(add, regs.load_where(mask, place), regs.zero)
            after = regs.multiply_add(share, regs.builder.load(total), before)
            regs.store_where(mask, after, place)

    def _places(self, regs: Registers, arrays: list[Any], first: Any, step: Any) -> list[list[Any]]:
        """Addresses of each token in each stream."""
        build, number = regs.builder, ir.IntType(64)
        return [
            [
                regs.offset(base, build.add(begin, build.mul(stride, ir.Constant(number, t))))
                for t in range(self.count)
            ]
            for base, begin, stride in zip(arrays, first, step, strict=True)
        ]

    def _row(
        self,
        regs: Registers,
        row: Any,
        state: Any,
        streams: list[list[Any]],
        held: list[Any],
        kept: list[Any],
        sums: list[Any],
    ) -> Any:
        """All tokens at one row of the state; gives the row after them."""
        read, write, _, decay, _ = streams
        build = regs.builder
        for t in range(self.count):
            fade = kept[t] if kept else regs.broadcast(regs.offset(decay[t], row))
            new = regs.broadcast(regs.offset(write[t], row))
            state = regs.multiply_add(new, held[t], build.fmul(fade, state))
            seen = regs.broadcast(regs.offset(read[t], row))
            build.store(regs.multiply_add(seen, state, build.load(sums[t])), sums[t])
        return state


def _advance(kind: int, count: int) -> Any:
    """An intrinsic of `count` tokens.

    Its `first` and `step` are the first element and the distance between tokens of read, write,
    values, decay and out, in elements of the flat arrays; `columns` of the register are real; `add`
    keeps what is in `out`.
    """
    body = _Pass(kind, count)

    @intrinsic
    def advance(
        typing: Any,
        state: Any,
        read: Any,
        write: Any,
        values: Any,
        decay: Any,
        out: Any,
        pitch: Any,
        rows: Any,
        columns: Any,
        first: Any,
        step: Any,
        factor: Any,
        scale: Any,
        add: Any,
    ) -> Any:
        arrays = (state, read, write, values, decay, out)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Registers(context, builder, state.dtype)
            addresses = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
            pitch, rows, columns, first, step, factor, scale, add = args[6:]
            begin, stride = (cgutils.unpack_tuple(builder, pack, 5) for pack in (first, step))
            body.emit(regs, addresses, (pitch, rows, columns, begin, stride, factor, scale, add))
            return context.get_dummy_value()

        number, five = types.intp, types.UniTuple(types.intp, 5)
        last = (number, number, number, five, five, state.dtype, state.dtype, types.boolean)
        return types.none(*arrays, *last), emit

    return advance


def _scan(kind: int) -> Callable[..., None]:
    """The loop over tokens and columns for one kind of decay."""
    many, one, lane = _advance(kind, TOGETHER), _advance(kind, 1), kind == LANE

    @njit(nogil=True)
    def scan(tokens, state, rows, columns, streams, first, step, factor, scale, add):  # type: ignore[no-untyped-def]
        read, write, values, decay, out = streams
        width = np.int64(BITS // 8) // state.itemsize
        pitch, flat = state.shape[1], state.reshape(-1)
        t = 0
        while t < tokens:
            whole = t + TOGETHER <= tokens
            for c in range(0, columns, width):
                here = (
                    first[0] + t * step[0],
                    first[1] + t * step[1],
                    first[2] + t * step[2] + c,
                    first[3] + t * step[3] + (c if lane else 0),
                    first[4] + t * step[4] + c,
                )
                part, left = flat[c:], min(columns - c, width)
                if whole:
                    many(
                        part, read, write, values, decay, out, pitch, rows, left, here, step,
                        factor, scale, add,
                    )  # fmt: skip
                else:
                    one(
                        part, read, write, values, decay, out, pitch, rows, left, here, step,
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
scan_row_decay = _scan(ROW)
scan_lane_decay = _scan(LANE)
scan_token_decay = _scan(TOKEN)
