"""Instructions of the selective scan on a register's width of channels.

Channels lie across a vector register, so a state is N registers, and the exponentials of a token
are N vector operations. Tiles are flat arrays of (token, channel) or (state number, channel) with
`width` channels a row; B and C are read where they are, one number for all channels.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.exponential import emit_exponential
from drivelab.kernels.registers import Registers

TOGETHER = 4  # tokens a pass over the state

_NUMBER = types.intp


def _scalar(builder: Any, base: Any, begin: Any, *terms: tuple[Any, Any]) -> Any:
    """Address of base[begin + sum of products]."""
    place = begin
    for a, b in terms:
        place = builder.add(place, builder.mul(a, b))
    return builder.gep(base, [place])


def _advance(count: int) -> Any:
    """An intrinsic of `count` tokens: state <- exp(delta A) state + delta u B, y = C state.

    Its arrays are tiles of the state, A, delta, delta u and y, then flat B and C; `at` is the first
    token in the tiles, `first` the place of B[0, t] and C[0, t] in the flat arrays, `pitch` the
    distance between numbers of the state in them, `step` that between tokens.
    """

    @intrinsic
    def advance(
        typing: Any, state: Any, rate: Any, delta: Any, moved: Any, out: Any, b: Any, c: Any,
        at: Any, numbers: Any, first: Any, pitch: Any, step: Any,
    ) -> Any:  # fmt: skip
        arrays = (state, rate, delta, moved, out, b, c)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Registers(context, builder, state.dtype)
            base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
            at, numbers, first, pitch, step = args[7:]
            begin = cgutils.unpack_tuple(builder, first, 2)
            width, tokens = ir.Constant(at.type, regs.lanes), range(count)
            rows = [builder.mul(builder.add(at, ir.Constant(at.type, t)), width) for t in tokens]
            held = [[regs.load(regs.offset(base[i], row)) for row in rows] for i in (2, 3)]
            sums = regs.sums(count)
            with cgutils.for_range(builder, numbers) as loop:
                row = builder.mul(loop.index, width)
                now = regs.load(regs.offset(base[0], row))
                fade = regs.load(regs.offset(base[1], row))
                for t in tokens:
                    there = (loop.index, pitch), (ir.Constant(at.type, t), step)
                    new, seen = (
                        regs.broadcast(_scalar(builder, base[5 + i], begin[i], *there))
                        for i in (0, 1)
                    )
                    decay = emit_exponential(builder, builder.fmul(fade, held[0][t]))
                    now = regs.multiply_add(held[1][t], new, builder.fmul(decay, now))
                    total = regs.multiply_add(now, seen, builder.load(sums[t]))
                    builder.store(total, sums[t])
                regs.store(now, regs.offset(base[0], row))
            for t in tokens:
                regs.store(builder.load(sums[t]), regs.offset(base[4], rows[t]))
            return context.get_dummy_value()

        kinds = (_NUMBER, _NUMBER, types.UniTuple(_NUMBER, 2), _NUMBER, _NUMBER)
        return types.none(*arrays, *kinds), emit

    return advance


advance_many = _advance(TOGETHER)
advance_one = _advance(1)


@intrinsic
def replay(
    typing: Any, state: Any, rate: Any, delta: Any, moved: Any, kept: Any, decays: Any, b: Any,
    tokens: Any, numbers: Any, first: Any, pitch: Any, step: Any,
) -> Any:  # fmt: skip
    """States after each token of a block, and its decays: `kept` and `decays` [number, token].

    `kept` has a token more, of which the first is the state before the block.
    """
    arrays = (state, rate, delta, moved, kept, decays, b)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Registers(context, builder, state.dtype)
        base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
        tokens, numbers, first, pitch, step = args[7:]
        width, one = (ir.Constant(tokens.type, n) for n in (regs.lanes, 1))
        now = cgutils.alloca_once(builder, regs.vector)
        with cgutils.for_range(builder, numbers) as loop:
            row = builder.mul(loop.index, width)
            fade = regs.load(regs.offset(base[1], row))
            line = builder.mul(loop.index, builder.mul(builder.add(tokens, one), width))
            after = builder.mul(loop.index, builder.mul(tokens, width))
            begun = regs.load(regs.offset(base[0], row))
            builder.store(begun, now)
            regs.store(begun, regs.offset(base[4], line))
            with cgutils.for_range(builder, tokens) as inner:
                place = builder.mul(inner.index, width)
                new = regs.broadcast(
                    _scalar(builder, base[6], first, (loop.index, pitch), (inner.index, step))
                )
                paced = builder.fmul(fade, regs.load(regs.offset(base[2], place)))
                decay = emit_exponential(builder, paced)
                regs.store(decay, regs.offset(base[5], builder.add(after, place)))
                grown = regs.multiply_add(
                    regs.load(regs.offset(base[3], place)),
                    new,
                    builder.fmul(decay, builder.load(now)),
                )
                builder.store(grown, now)
                there = builder.add(line, builder.add(place, width))
                regs.store(grown, regs.offset(base[4], there))
        return context.get_dummy_value()

    return types.none(*arrays, *([_NUMBER] * 5)), emit


@intrinsic
def retreat(
    typing: Any, carry: Any, rate: Any, delta: Any, moved: Any, grad: Any, kept: Any, decays: Any,
    grad_rate: Any, grad_b: Any, grad_c: Any, into: Any, pace: Any, b: Any, c: Any,
    tokens: Any, numbers: Any, first: Any, pitch: Any, step: Any,
) -> Any:  # fmt: skip
    """The block's tokens backwards, with dh the gradient of the state and `carry` decay dh.

    dh = C dy + carry. Adds to tiles: grad_b [number, token] delta u dh, grad_c dy h, into [token]
    sum B dh, pace [token] the sum of A decay dh h_before, and grad_rate delta decay dh h_before.
    """
    arrays = (
        carry, rate, delta, moved, grad, kept, decays, grad_rate, grad_b, grad_c, into, pace, b, c,
    )  # fmt: skip

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Registers(context, builder, carry.dtype)
        base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
        tokens, numbers, first, pitch, step = args[14:]
        begin = cgutils.unpack_tuple(builder, first, 2)
        width, one = (ir.Constant(tokens.type, n) for n in (regs.lanes, 1))
        held, turned = regs.sums(2)
        with cgutils.for_range(builder, numbers) as loop:
            row = builder.mul(loop.index, width)
            fade = regs.load(regs.offset(base[1], row))
            builder.store(regs.load(regs.offset(base[0], row)), held)
            builder.store(regs.load(regs.offset(base[7], row)), turned)
            line = builder.mul(loop.index, builder.mul(builder.add(tokens, one), width))
            after = builder.mul(loop.index, builder.mul(tokens, width))
            with cgutils.for_range(builder, tokens) as inner:
                t = builder.sub(builder.sub(tokens, one), inner.index)
                place = builder.mul(t, width)
                there = builder.add(after, place)
                before = builder.add(line, place)
                new, seen = (
                    regs.broadcast(
                        _scalar(builder, base[12 + i], begin[i], (loop.index, pitch), (t, step))
                    )
                    for i in (0, 1)
                )
                paced, moved_t, dy = (regs.load(regs.offset(base[i], place)) for i in (2, 3, 4))
                past = regs.load(regs.offset(base[5], before))
                now = regs.load(regs.offset(base[5], builder.add(before, width)))
                dh = regs.multiply_add(dy, seen, builder.load(held))
                for i, a, x in ((8, moved_t, dh), (9, dy, now)):
                    spot = regs.offset(base[i], there)
                    regs.store(regs.multiply_add(a, x, regs.load(spot)), spot)
                left = builder.fmul(regs.load(regs.offset(base[6], there)), dh)
                builder.store(left, held)
                turn = builder.fmul(left, past)
                for i, a, x in ((10, new, dh), (11, fade, turn)):
                    spot = regs.offset(base[i], place)
                    regs.store(regs.multiply_add(a, x, regs.load(spot)), spot)
                builder.store(regs.multiply_add(paced, turn, builder.load(turned)), turned)
            regs.store(builder.load(held), regs.offset(base[0], row))
            regs.store(builder.load(turned), regs.offset(base[7], row))
        return context.get_dummy_value()

    kinds = (_NUMBER, _NUMBER, types.UniTuple(_NUMBER, 2), _NUMBER, _NUMBER)
    return types.none(*arrays, *kinds), emit
