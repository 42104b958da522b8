"""One chunk of the recurrence in registers: by matrix products, or token by token."""

# Compiled code: no annotations, long argument lists, letters of the table in `gpu/scan.py`.
from __future__ import annotations

import triton
import triton.language as tl

ROW = tl.constexpr(0)
COLUMN = tl.constexpr(1)
TOKEN = tl.constexpr(2)
NONE = tl.constexpr(0)
GIVE = tl.constexpr(1)
TAKE = tl.constexpr(2)
SPAN = tl.constexpr(60.0)  # exp(SPAN / 2) squared, times the width of a head, is far below 3e38


@triton.jit
def _tile(base, stride, t, i, inside, d, width):  # type: ignore[no-untyped-def]
    """Tokens t + i, channels d, zeros outside; only t needs 64 bits."""
    where = base + t * stride + (i[:, None] * stride + d[None, :])
    return tl.load(where, mask=inside[:, None] & (d < width)[None, :], other=0.0)


@triton.jit
def _vector_gate(state, read, write, values, gates, total, KIND, AGAINST, OPERAND, PRECISION, C):  # type: ignore[no-untyped-def]
    """A chunk under a gate per channel, by matrix products: the new state and the outputs."""
    i = tl.arange(0, C)
    middle = 0.5 * total
    sums = tl.cumsum(gates, 0)
    up = tl.exp(sums - middle[None, :])
    down = tl.exp(middle[None, :] - sums)
    edge = tl.exp(middle)
    if AGAINST:
        near, far = down, up
        kept = i[:, None] <= i[None, :]
    else:
        near, far = up, down
        kept = i[:, None] >= i[None, :]
    if KIND == ROW:
        reads = (read * near).to(OPERAND)
        writes = (write * far).to(OPERAND)
        held = state * edge[:, None]
        given = values.to(OPERAND)
    else:
        reads = read.to(OPERAND)
        writes = write.to(OPERAND)
        held = state * edge[None, :]
        given = (values * far).to(OPERAND)
    pairs = tl.dot(reads, tl.trans(writes), input_precision=PRECISION)
    pairs = tl.where(kept, pairs, 0.0).to(OPERAND)
    out = tl.dot(reads, held.to(OPERAND), input_precision=PRECISION)
    out = tl.dot(pairs, given, acc=out, input_precision=PRECISION)
    state = tl.dot(tl.trans(writes), given, acc=held, input_precision=PRECISION)
    if KIND == ROW:
        state = state * edge[:, None]
    else:
        state = state * edge[None, :]
        out = out * near
    return state, out


@triton.jit
def _scalar_gate(state, read, write, values, gates, AGAINST, OPERAND, PRECISION, C):  # type: ignore[no-untyped-def]
    """A chunk under one gate a token: the new state and the outputs."""
    i = tl.arange(0, C)
    total = tl.sum(gates, 0)
    sums = tl.cumsum(gates, 0)
    if AGAINST:
        apart = sums[None, :] - sums[:, None]
        kept = i[:, None] <= i[None, :]
        near, far = tl.exp(total - sums), tl.exp(sums)
    else:
        apart = sums[:, None] - sums[None, :]
        kept = i[:, None] >= i[None, :]
        near, far = tl.exp(sums), tl.exp(total - sums)
    reads = read.to(OPERAND)
    writes = tl.trans(write.to(OPERAND))
    pairs = tl.dot(reads, writes, input_precision=PRECISION)
    pairs = (pairs * tl.exp(tl.where(kept, apart, float("-inf")))).to(OPERAND)
    out = tl.dot(reads, state.to(OPERAND), input_precision=PRECISION) * near[:, None]
    out = tl.dot(pairs, values.to(OPERAND), acc=out, input_precision=PRECISION)
    late = (values * far[:, None]).to(OPERAND)
    state = tl.dot(writes, late, acc=state * tl.exp(total), input_precision=PRECISION)
    return state, out


@triton.jit
def _tokens(  # type: ignore[no-untyped-def]
    state, running, at, first, count, others, read, write, values, gate, out, partner, moment,
    gate_grad, read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c, out_scale,
    value_scale, KIND, AGAINST, REVERSE, OUT, ADD, MOMENT, C,
):  # fmt: skip
    """A chunk token by token, for gates that shut within it: the new state and running sum."""
    for n in range(C):
        local = at + (C - 1 - n if AGAINST else n)
        tall = tl.where(local < count, rows, 0)
        broad = tl.where(local < count, columns, 0)
        t = first + (count - 1 - local if REVERSE else local)
        wrote = tl.load(write + t * write_t + r, mask=r < tall, other=0.0)
        value = tl.load(values + t * values_t + c, mask=c < broad, other=0.0)
        value = value.to(tl.float32) * value_scale
        new = wrote.to(tl.float32)[:, None] * value[None, :]
        if KIND == ROW:
            g = tl.load(gate + t * gate_t + r, mask=r < tall, other=0.0)
            fade = tl.exp(g.to(tl.float32))[:, None]
        else:
            g = tl.load(gate + t * gate_t + c, mask=c < broad, other=0.0)
            fade = tl.exp(g.to(tl.float32))[None, :]
        state = state + new if AGAINST else state * fade + new
        if OUT:
            reads = tl.load(read + t * read_t + r, mask=r < tall, other=0.0)
            seen = out_scale * tl.sum(reads.to(tl.float32)[:, None] * state, 0)
            here = c < broad
            if MOMENT == GIVE:
                other = tl.load(partner + t * partner_t + c, mask=here, other=0.0)
                tl.store(moment + t * columns + c, seen * other.to(tl.float32), mask=here)
            if MOMENT == TAKE:
                other = tl.load(partner + t * partner_t + c, mask=here, other=0.0)
                before = tl.load(moment + t * columns + c, mask=here, other=0.0)
                running += before - seen * other.to(tl.float32)
                tl.store(gate_grad + t * columns + c, running, mask=here)
            if ADD:
                mirrored = count - 1 - local
                done = mirrored >= others if AGAINST else mirrored < others
                there = c < tl.where(done, broad, 0)
                seen += tl.load(out + t * out_t + c, mask=there, other=0.0).to(tl.float32)
            tl.store(out + t * out_t + c, seen.to(out.dtype.element_ty), mask=here)
        if AGAINST:
            state = state * fade
    return state, running


@triton.jit
def chunk(  # type: ignore[no-untyped-def]  # noqa: C901
    state, running, fading, at, first, count, others, read, write, values, gate, out, partner,
    moment, gate_grad, read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c,
    out_scale, value_scale, sums, block, KIND, AGAINST, REVERSE, OUT, ADD, MOMENT, OPERAND,
    PRECISION, C,
):  # fmt: skip
    """One chunk of one direction: state, the sum behind the gates' gradient, the sum of the gates.

    `others` tells which tokens the other direction has written: those before it in its own walk,
    or, against, those from it on.
    """
    local = at + tl.arange(0, C)
    inside = local < count
    t = first + (count - 1 - at if REVERSE else at)
    i = (-1 if REVERSE else 1) * tl.arange(0, C)
    if KIND == TOKEN:
        gates = tl.load(gate + t * gate_t + i * gate_t, mask=inside, other=0.0).to(tl.float32)
        fading += tl.sum(gates, 0)
        quick = True
    elif KIND == ROW:
        gates = _tile(gate, gate_t, t, i, inside, r, rows).to(tl.float32)
        total = tl.sum(gates, 0)
        fading += total
        quick = tl.min(total, 0) > -SPAN
    else:
        gates = _tile(gate, gate_t, t, i, inside, c, columns).to(tl.float32)
        total = tl.sum(gates, 0)
        fading += total
        quick = tl.min(total, 0) > -SPAN
    if quick:
        write_tile = _tile(write, write_t, t, i, inside, r, rows).to(tl.float32)
        values_tile = _tile(values, values_t, t, i, inside, c, columns).to(tl.float32) * value_scale
        read_tile = write_tile  # where no outputs are wanted, what follows of it is dropped
        if OUT:
            read_tile = _tile(read, read_t, t, i, inside, r, rows).to(tl.float32)
        if KIND == TOKEN:
            state, seen = _scalar_gate(
                state, read_tile, write_tile, values_tile, gates, AGAINST, OPERAND, PRECISION, C
            )
        else:
            state, seen = _vector_gate(
                state, read_tile, write_tile, values_tile, gates, total,
                KIND, AGAINST, OPERAND, PRECISION, C,
            )  # fmt: skip
        if OUT:
            seen = seen * out_scale
            here = inside[:, None] & (c < columns)[None, :]
            flat = t * columns + (i[:, None] * columns + c[None, :])
            if MOMENT == GIVE:
                other = _tile(partner, partner_t, t, i, inside, c, columns).to(tl.float32)
                if KIND == TOKEN:
                    part = moment + t * sums + (i * sums + block)
                    tl.store(part, tl.sum(seen * other, 1), mask=inside)
                else:
                    tl.store(moment + flat, seen * other, mask=here)
            if MOMENT == TAKE:
                other = _tile(partner, partner_t, t, i, inside, c, columns).to(tl.float32)
                change = tl.load(moment + flat, mask=here, other=0.0) - seen * other
                after = tl.cumsum(change, 0, reverse=True) + running[None, :]
                tl.store(gate_grad + flat, after, mask=here)
                running += tl.sum(change, 0)
            place = out + t * out_t + (i[:, None] * out_t + c[None, :])
            if ADD:
                mirrored = count - 1 - local
                done = mirrored >= others if AGAINST else mirrored < others
                seen += tl.load(place, mask=here & done[:, None], other=0.0).to(tl.float32)
            tl.store(place, seen.to(out.dtype.element_ty), mask=here)
    else:
        state, running = _tokens(
            state, running, at, first, count, others, read, write, values, gate, out, partner,
            moment, gate_grad, read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns,
            r, c, out_scale, value_scale, KIND, AGAINST, REVERSE, OUT, ADD, MOMENT, C,
        )  # fmt: skip
    return state, running, fading
