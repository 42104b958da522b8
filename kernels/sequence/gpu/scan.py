"""The linear recurrence of this room on a GPU: one kernel for every pass of every gate.

    state[r, c] <- decay * state[r, c] + write_t[r] * values_t[c]
    out_t[c] = scale * sum_r read_t[r] * state[r, c]

where the decay of token t varies with the row r, the column c or the token alone. As on the CPU
(`sequence/scan.py`), the passes of a forward and a backward call are this with other tensors in
the roles, W the order of the op's own walk:

| pass | read | write | values | order | decay |
|---|---|---|---|---|---|
| o | q | k | v | with W | row |
| dq | do | v | k | with W | column |
| dv | k | q | do | against W | row |
| dk | v | do | q | against W | column |

A program keeps the state of one head and one block of columns in registers and walks over chunks
of tokens, which it reads once. With G the running sum of the log gates inside a chunk, a token t
weighs another one s by exp(-|G_t - G_s|), in both orders. For a gate per channel that is split into
exp(G_t - M) exp(M - G_s) with M half of the chunk's sum, which makes of it two matrix products; no
exponent is larger than half of `SPAN`. A chunk whose gates sum to more than `SPAN` is walked token
by token instead, where every exponent is a gate itself. With one gate a token no split is needed.

A long sequence of few heads is cut into segments: a first launch finds what each adds to the state,
`join` carries that along, and a second launch starts each segment from its own state.

The gradient of a log gate is the sum of dq q - dk k over the tokens from its own to the end of the
walk: the pass of dq leaves its part in float32, the pass of dk adds the rest as it walks, and at a
segment's end that sum is known as the product of the two states there.
"""

# Compiled code: no annotations, long argument lists, letters of the table above.
from __future__ import annotations

import triton
import triton.language as tl

from drivelab.kernels.sequence.gpu.chunk import COLUMN, GIVE, NONE, ROW, TAKE, TOKEN, chunk

__all__ = ["COLUMN", "GIVE", "NONE", "ROW", "TAKE", "TOKEN", "scan"]


@triton.jit
def scan(  # type: ignore[no-untyped-def]  # noqa: C901
    read, write, values, gate, behind, out, enter, leave, totals, partner, moment, gate_grad,
    behind_grad, edge,
    read_b, read_h, read_t, write_b, write_h, write_t, values_b, values_h, values_t,
    gate_b, gate_h, gate_t, out_b, out_h, out_t, partner_b, partner_h, partner_t,
    read_share, write_share, values_share, partner_share, sums,
    state_d, state_n, state_p, state_r, state_c, heads, sequences, tokens, length, segments,
    rows, columns, blocks, out_scale, value_scale,
    KIND: tl.constexpr, AGAINST: tl.constexpr, REVERSE: tl.constexpr, BOTH: tl.constexpr,
    OUT: tl.constexpr, START: tl.constexpr, LEAVE: tl.constexpr, TOTALS: tl.constexpr,
    MOMENT: tl.constexpr, OPERAND: tl.constexpr, PRECISION: tl.constexpr, C: tl.constexpr,
    R: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """One head, one block of columns, one segment of its tokens.

    It takes
        read, write, values, gate: see the table; gates (b, h, t, rows, columns or 1 of the head).
        behind: gates of the second direction.
        out: (b, h, t, columns).
        enter, leave: states before and behind each segment, by direction, sequence and segment.
        totals: takes the sums of each segment's gates.
        partner, moment, gate_grad, behind_grad, edge: q in the pass of dq, which GIVEs dq q (d, n,
            t, columns); k in the pass of dk, which TAKEs it and sums dq q - dk k from the end of
            each segment; `edge` (d, n, segment, columns) is the sum of what comes behind. With one
            gate a token both passes GIVE sums over a block, (n, t, sums).
        *_b, *_h, *_t: steps from one sequence, head and token to the next.
        *_share: neighbouring heads that read one.
        sums: places for blocks in a row of `moment`.
        state_*: steps of the states.
        heads: in a sequence.
        sequences: heads of all sequences.
        length: tokens of a segment.
        blocks: of columns.
        out_scale, value_scale: factors of the outputs and of the values.
        KIND: ROW, COLUMN or TOKEN.
        AGAINST: whether this pass runs against the op's own walk.
        REVERSE: whether the op walks from the last token to the first.
        BOTH: whether a second direction, with gates and states of its own, adds to the outputs.
        OUT: whether outputs are wanted, or states only.
        START: whether `enter` is read; the states are zero else.
        LEAVE: whether `leave` is written.
        TOTALS: whether `totals` is.
        MOMENT: NONE, GIVE or TAKE.
        OPERAND: element type of the factors of matrix products.
        PRECISION: of products of float32.
        C: tokens of a chunk.
        R: rows, rounded up to a power of two.
        N: columns of a block.
    """
    head = tl.program_id(0) // blocks
    block = tl.program_id(0) % blocks
    segment = tl.program_id(1)
    first = segment.to(tl.int64) * length
    count = tl.minimum(length, tokens - segment * length)
    b = (head // heads).to(tl.int64)
    h = (head % heads).to(tl.int64)
    n = head.to(tl.int64)
    r = tl.arange(0, R)
    c = block * N + tl.arange(0, N)
    read += b * read_b + h // read_share * read_h
    write += b * write_b + h // write_share * write_h
    values += b * values_b + h // values_share * values_h
    gate += b * gate_b + h * gate_h
    behind += b * gate_b + h * gate_h
    out += b * out_b + h * out_h
    partner += b * partner_b + h // partner_share * partner_h
    moment += n * tokens * (sums if KIND == TOKEN else columns)
    gate_grad += n * tokens * columns
    behind_moment = moment + tl.cast(sequences, tl.int64) * tokens * columns
    behind_grad += n * tokens * columns
    order = segments - 1 - segment if REVERSE else segment
    behind_order = segments - 1 - order
    within = (r < rows)[:, None] & (c < columns)[None, :]
    cell = n * state_n + r[:, None] * state_r + c[None, :] * state_c
    row = n * segments + order
    behind_row = (sequences + n) * segments + behind_order
    if KIND == ROW:
        fading = tl.zeros((R,), tl.float32)
        behind_fading = tl.zeros((R,), tl.float32)
    elif KIND == COLUMN:
        fading = tl.zeros((N,), tl.float32)
        behind_fading = tl.zeros((N,), tl.float32)
    else:
        fading = 0.0
        behind_fading = 0.0
    if START:
        state = tl.load(enter + cell + order * state_p, mask=within, other=0.0)
    else:
        state = tl.zeros((R, N), tl.float32)
    if MOMENT == TAKE:
        running = tl.load(edge + row * columns + c, mask=c < columns, other=0.0)
    else:
        running = tl.zeros((N,), tl.float32)
    if BOTH:
        if START:
            there = enter + cell + state_d + behind_order * state_p
            behind_state = tl.load(there, mask=within, other=0.0)
        else:
            behind_state = tl.zeros((R, N), tl.float32)
        if MOMENT == TAKE:
            behind_running = tl.load(edge + behind_row * columns + c, mask=c < columns, other=0.0)
        else:
            behind_running = tl.zeros((N,), tl.float32)
    chunks = tl.cdiv(count, C)
    for i in range(chunks):
        at = (chunks - 1 - i if AGAINST else i) * C
        if BOTH:
            tl.debug_barrier()  # the other direction's outputs are read back
        state, running, fading = chunk(
            state, running, fading, at, first, count, (chunks - i if AGAINST else i) * C,
            read, write, values, gate, out, partner, moment, gate_grad,
            read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c,
            out_scale, value_scale, sums, block, KIND, AGAINST, REVERSE, OUT, BOTH, MOMENT, OPERAND,
            PRECISION, C,
        )  # fmt: skip
        if BOTH:
            tl.debug_barrier()
            behind_state, behind_running, behind_fading = chunk(
                behind_state, behind_running, behind_fading, at, first, count,
                (chunks - 1 - i if AGAINST else i + 1) * C,
                read, write, values, behind, out, partner, behind_moment, behind_grad,
                read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c,
                out_scale, value_scale, sums, block, KIND, AGAINST, not REVERSE, OUT, BOTH, MOMENT,
                OPERAND, PRECISION, C,
            )  # fmt: skip
    if LEAVE:
        tl.store(leave + cell + order * state_p, state, mask=within)
        if BOTH:
            there = leave + cell + state_d + behind_order * state_p
            tl.store(there, behind_state, mask=within)
    if TOTALS:
        if KIND == TOKEN:
            tl.store(totals + row, fading, mask=block == 0)
        else:
            once = r < tl.where(block == 0, rows, 0)
            tl.store(totals + row * rows + r, fading, mask=once)
            if BOTH:
                tl.store(totals + behind_row * rows + r, behind_fading, mask=once)
