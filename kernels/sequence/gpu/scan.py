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

# Compiled code: no annotations, long argument lists, letters of the tables above.
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
    state, running, at, first, count, others, read, write, values, gate, out, partner, moment, gate_grad,
    read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c, out_scale, value_scale,
    KIND, AGAINST, REVERSE, OUT, ADD, MOMENT, C,
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
                seen += tl.load(out + t * out_t + c, mask=c < tl.where(done, broad, 0), other=0.0).to(tl.float32)
            tl.store(out + t * out_t + c, seen.to(out.dtype.element_ty), mask=here)
        if AGAINST:
            state = state * fade
    return state, running


@triton.jit
def _chunk(  # type: ignore[no-untyped-def]
    state, running, fading, at, first, count, others, read, write, values, gate, out, partner, moment,
    gate_grad, read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c, out_scale,
    value_scale, sums, block, KIND, AGAINST, REVERSE, OUT, ADD, MOMENT, OPERAND, PRECISION, C,
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
        if OUT:
            read_tile = _tile(read, read_t, t, i, inside, r, rows).to(tl.float32)
        else:
            read_tile = write_tile  # what is read of it goes nowhere, and the compiler drops it
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
                    tl.store(moment + t * sums + (i * sums + block), tl.sum(seen * other, 1), mask=inside)
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
            state, running, at, first, count, others, read, write, values, gate, out, partner, moment,
            gate_grad, read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c,
            out_scale, value_scale, KIND, AGAINST, REVERSE, OUT, ADD, MOMENT, C,
        )  # fmt: skip
    return state, running, fading


@triton.jit
def scan(  # type: ignore[no-untyped-def]
    read, write, values, gate, behind, out, enter, leave, totals, partner, moment, gate_grad,
    behind_grad, edge,
    read_b, read_h, read_t, write_b, write_h, write_t, values_b, values_h, values_t,
    gate_b, gate_h, gate_t, out_b, out_h, out_t, partner_b, partner_h, partner_t,
    read_share, write_share, values_share, partner_share, sums, state_d, state_n, state_p, state_r, state_c,
    heads, sequences, tokens, length, segments, rows, columns, blocks, out_scale, value_scale,
    KIND: tl.constexpr, AGAINST: tl.constexpr, REVERSE: tl.constexpr, BOTH: tl.constexpr,
    OUT: tl.constexpr, START: tl.constexpr, LEAVE: tl.constexpr, TOTALS: tl.constexpr,
    MOMENT: tl.constexpr, OPERAND: tl.constexpr, PRECISION: tl.constexpr, C: tl.constexpr,
    R: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """One head, one block of columns, one segment of its tokens.

    Args:
        read, write, values, gate: see the table; gates (b, h, t, rows, columns or 1 of the head).
        behind: gates of the second direction.
        out: (b, h, t, columns).
        enter, leave: states before and behind each segment, by direction, sequence and segment.
        totals: takes the sums of each segment's gates.
        partner, moment, gate_grad, behind_grad, edge: q in the pass of dq, which GIVEs dq q (d, n, t, columns);
            k in the pass of dk, which TAKEs it and sums dq q - dk k from the end of each segment,
            where `edge` (d, n, segment, columns) is the sum of what comes behind. With one gate a
            token both passes GIVE sums over a block, (n, t, sums).
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
        state, running, fading = _chunk(
            state, running, fading, at, first, count, (chunks - i if AGAINST else i) * C,
            read, write, values, gate, out, partner, moment, gate_grad,
            read_t, write_t, values_t, gate_t, out_t, partner_t, rows, columns, r, c,
            out_scale, value_scale, sums, block, KIND, AGAINST, REVERSE, OUT, BOTH, MOMENT, OPERAND,
            PRECISION, C,
        )  # fmt: skip
        if BOTH:
            tl.debug_barrier()
            behind_state, behind_running, behind_fading = _chunk(
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


@triton.jit
def join(  # type: ignore[no-untyped-def]
    states, totals, size, columns, segments,
    AGAINST: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Carry the states of one head along its segments, in place.

    Args:
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
