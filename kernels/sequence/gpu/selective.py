"""The selective scan on a GPU: a tile of channels and tokens, one number of the state at a time.

A program walks over the tokens of a few channels of one group. Within a tile the recurrence
h_t = a_t h_{t-1} + b_t is an associative scan along the tokens: no exponent is above 0, and a tile
costs a logarithm of its length. The way back starts each tile from the state that a forward walk
left before it (1 / C of all states), works its states out again, and scans the gradient
dh_t = C_t dy_t + a_{t+1} dh_{t+1} from the end.
"""

# Compiled code: no annotations, long argument lists.
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _compose(a, b, c, d):  # type: ignore[no-untyped-def]
    """First h -> a h + b, then h -> c h + d."""
    return a * c, c * b + d


@triton.jit
def _rows(base, d, stride, t, inside, mine):  # type: ignore[no-untyped-def]
    """Channels d at tokens t, as float32."""
    where = base + d[:, None] * stride + t[None, :]
    return tl.load(where, mask=mine[:, None] & inside[None, :], other=0.0).to(tl.float32)


@triton.jit
def forward(  # type: ignore[no-untyped-def]
    u, delta, rates, b, c, state, y, final, marks, channels, tokens, numbers, groups, parts,
    REVERSE: tl.constexpr, MARK: tl.constexpr, D: tl.constexpr, C: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Outputs and final state of D channels, or, with MARK, states before each tile.

    It takes
        u, delta, y: (B, channels, tokens), contiguous like all.
        rates: (channels, numbers).
        b, c: (B, groups, numbers, tokens).
        state, final: (B, channels, numbers).
        marks: (B, channels, tiles, numbers).
        numbers: of a state.
        parts: programs of a group.
        C: tokens of a tile.
        N: numbers of a state, rounded up to a power of two.
    """
    part = tl.program_id(0) % parts
    group = tl.program_id(0) // parts % groups
    batch = (tl.program_id(0) // parts // groups).to(tl.int64)
    share = channels // groups
    d = part * D + tl.arange(0, D)
    mine = d < share
    d += group * share
    k = tl.arange(0, N)
    cell = d[:, None] * numbers + k[None, :]
    held = mine[:, None] & (k < numbers)[None, :]
    h = tl.load(state + batch * channels * numbers + cell, mask=held, other=0.0)
    u += batch * channels * tokens
    delta += batch * channels * tokens
    y += batch * channels * tokens
    b += (batch * groups + group) * numbers * tokens
    c += (batch * groups + group) * numbers * tokens
    tiles = tl.cdiv(tokens, C)
    marks += batch * channels * tiles * numbers
    i = tl.arange(0, C)
    for tile in range(tiles):
        local = tile * C + i
        inside = local < tokens
        t = tokens - 1 - local if REVERSE else local
        if MARK:
            spot = marks + (d[:, None] * tiles + tile) * numbers + k[None, :]
            tl.store(spot, h, mask=held)
        pace = _rows(delta, d, tokens, t, inside, mine)
        moved = pace * _rows(u, d, tokens, t, inside, mine)
        out = tl.zeros((D, C), tl.float32)
        for n in range(numbers):
            rate = tl.load(rates + d * numbers + n, mask=mine, other=0.0).to(tl.float32)
            new = tl.load(b + n * tokens + t, mask=inside, other=0.0).to(tl.float32)
            before = tl.sum(tl.where(k[None, :] == n, h, 0.0), 1)
            fade = tl.exp(pace * rate[:, None])
            fade, grown = tl.associative_scan((fade, moved * new[None, :]), 1, _compose)
            now = grown + fade * before[:, None]
            last = tl.sum(tl.where(i[None, :] == C - 1, now, 0.0), 1)
            h = tl.where(k[None, :] == n, last[:, None], h)
            if not MARK:
                seen = tl.load(c + n * tokens + t, mask=inside, other=0.0).to(tl.float32)
                out += now * seen[None, :]
        if not MARK:
            place = y + d[:, None] * tokens + t[None, :]
            tl.store(place, out, mask=mine[:, None] & inside[None, :])
    if not MARK:
        tl.store(final + batch * channels * numbers + cell, h, mask=held)


@triton.jit
def backward(  # type: ignore[no-untyped-def]
    u, delta, rates, b, c, marks, grad_y, grad_final,
    grad_u, grad_delta, grad_rates, grad_b, grad_c, grad_state,
    channels, tokens, numbers, groups, parts,
    REVERSE: tl.constexpr, D: tl.constexpr, C: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Gradients of D channels; those of `b` and `c` are added up by all programs of a group.

    What it takes is that of `forward`; grad_rates is (B, channels, numbers).
    """
    part = tl.program_id(0) % parts
    group = tl.program_id(0) // parts % groups
    batch = (tl.program_id(0) // parts // groups).to(tl.int64)
    share = channels // groups
    d = part * D + tl.arange(0, D)
    mine = d < share
    d += group * share
    k = tl.arange(0, N)
    cell = batch * channels * numbers + d[:, None] * numbers + k[None, :]
    held = mine[:, None] & (k < numbers)[None, :]
    pull = tl.load(grad_final + cell, mask=held, other=0.0)
    turned = tl.zeros((D, N), tl.float32)
    tiles = tl.cdiv(tokens, C)
    wide = batch * channels * tokens
    u += wide
    delta += wide
    grad_y += wide
    grad_u += wide
    grad_delta += wide
    marks += batch * channels * tiles * numbers
    shared = (batch * groups + group) * numbers * tokens
    b += shared
    c += shared
    grad_b += shared
    grad_c += shared
    i = tl.arange(0, C)
    sign = -1 if REVERSE else 1
    for back in range(tiles):
        tile = tiles - 1 - back
        local = tile * C + i
        inside = local < tokens
        t = tokens - 1 - local if REVERSE else local
        earlier = inside & (i > 0)
        later = (local + 1 < tokens) & (i < C - 1)
        source = _rows(u, d, tokens, t, inside, mine)
        pace = _rows(delta, d, tokens, t, inside, mine)
        seen = _rows(grad_y, d, tokens, t, inside, mine)
        pace_before = _rows(delta, d, tokens, t - sign, earlier, mine)
        moved_before = pace_before * _rows(u, d, tokens, t - sign, earlier, mine)
        pace_behind = _rows(delta, d, tokens, t + sign, later, mine)
        moved = pace * source
        into = tl.zeros((D, C), tl.float32)
        paced = tl.zeros((D, C), tl.float32)
        for n in range(numbers):
            row = n * tokens
            rate = tl.load(rates + d * numbers + n, mask=mine, other=0.0).to(tl.float32)[:, None]
            new = tl.load(b + row + t, mask=inside, other=0.0).to(tl.float32)[None, :]
            old = tl.load(b + row + t - sign, mask=earlier, other=0.0).to(tl.float32)[None, :]
            read = tl.load(c + row + t, mask=inside, other=0.0).to(tl.float32)[None, :]
            mark = tl.load(marks + (d * tiles + tile) * numbers + n, mask=mine, other=0.0)
            since, grown = tl.associative_scan(
                (tl.exp(pace_before * rate), moved_before * old), 1, _compose
            )
            past = tl.exp(pace * rate) * (grown + since * mark[:, None])
            until, gained = tl.associative_scan(
                (tl.exp(pace_behind * rate), read * seen), 1, _compose, reverse=True
            )
            carried = tl.sum(tl.where(k[None, :] == n, pull, 0.0), 1)
            grad = gained + until * carried[:, None]
            into += new * grad
            turn = past * grad
            paced += rate * turn
            turned += tl.where(k[None, :] == n, tl.sum(pace * turn, 1)[:, None], 0.0)
            first = tl.where(i[None, :] == 0, tl.exp(pace * rate) * grad, 0.0)
            pull = tl.where(k[None, :] == n, tl.sum(first, 1)[:, None], pull)
            tl.atomic_add(grad_b + row + t, tl.sum(moved * grad, 0), mask=inside)
            state = past + moved * new
            tl.atomic_add(grad_c + row + t, tl.sum(seen * state, 0), mask=inside)
        here = mine[:, None] & inside[None, :]
        place = d[:, None] * tokens + t[None, :]
        tl.store(grad_u + place, pace * into, mask=here)
        tl.store(grad_delta + place, paced + source * into, mask=here)
    tl.store(grad_rates + cell, turned, mask=held)
    tl.store(grad_state + cell, pull, mask=held)
