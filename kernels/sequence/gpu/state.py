"""States of heads on a GPU: carried from segment to segment, and moved by one token."""

# Compiled code: no annotations, long argument lists.
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def join(  # type: ignore[no-untyped-def]
    states, totals, size, columns, segments,
    AGAINST: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Carry the states of one head along its segments, in place.

    It takes
        states: (n, segments + 1, size); what comes first in the walk is a state, the others are
            what a segment adds to the state before it.
        totals: (n, segments, size / columns or 1) sums of the gates.
        size: elements of a state.
        columns: of a state.
        segments: of a sequence.
        AGAINST: whether the last slot comes first.
        WIDE: whether each row has gates of its own.
        BLOCK: elements of a program.
    """
    n = tl.program_id(0).to(tl.int64)
    o = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = o < size
    rows = size // columns
    states += n * (segments + 1) * size
    state = tl.load(states + (segments if AGAINST else 0) * size + o, mask=inside, other=0.0)
    for i in range(segments):
        p = segments - 1 - i if AGAINST else i
        if WIDE:
            where = totals + (n * segments + p) * rows + o // columns
            fade = tl.exp(tl.load(where, mask=inside, other=0.0))
        else:
            fade = tl.exp(tl.load(totals + n * segments + p))
        there = states + (p if AGAINST else p + 1) * size + o
        state = tl.load(there, mask=inside, other=0.0) + fade * state
        tl.store(there, state, mask=inside)


@triton.jit
def step(  # type: ignore[no-untyped-def]
    q, k, v, gate, enter, leave, out, q_b, q_h, k_b, k_h, v_b, v_h, gate_b, gate_h, out_b, out_h,
    share, heads, rows, columns, blocks, scale,
    WIDE: tl.constexpr, R: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """One token of one head and one block of columns: the state is read and written once."""
    head = tl.program_id(0) // blocks
    block = tl.program_id(0) % blocks
    b = (head // heads).to(tl.int64)
    h = (head % heads).to(tl.int64)
    r = tl.arange(0, R)
    c = block * N + tl.arange(0, N)
    cell = head.to(tl.int64) * rows * columns + r[:, None] * columns + c[None, :]
    within = (r < rows)[:, None] & (c < columns)[None, :]
    group = h // share
    key = tl.load(k + b * k_b + group * k_h + r, mask=r < rows, other=0.0).to(tl.float32)
    query = tl.load(q + b * q_b + group * q_h + r, mask=r < rows, other=0.0).to(tl.float32)
    value = tl.load(v + b * v_b + h * v_h + c, mask=c < columns, other=0.0).to(tl.float32)
    gate += b * gate_b + h * gate_h
    if WIDE:
        fade = tl.exp(tl.load(gate + r, mask=r < rows, other=0.0).to(tl.float32))[:, None]
    else:
        fade = tl.exp(tl.load(gate).to(tl.float32))
    state = fade * tl.load(enter + cell, mask=within, other=0.0) + key[:, None] * value[None, :]
    tl.store(leave + cell, state, mask=within)
    seen = scale * tl.sum(query[:, None] * state, 0)
    tl.store(out + b * out_b + h * out_h + c, seen.to(out.dtype.element_ty), mask=c < columns)
