"""What stands beside the scans, on a GPU: the short causal convolution and the gated norm.

Both move each number once and compute little, so each is one launch a direction that works out
again what it needs instead of keeping it.
"""

# Compiled code: no annotations, long argument lists.
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _silu(x):  # type: ignore[no-untyped-def]
    return x / (1.0 + tl.exp(-x))


@triton.jit
def _silu_slope(x):  # type: ignore[no-untyped-def]
    s = 1.0 / (1.0 + tl.exp(-x))
    return s * (1.0 + x * (1.0 - s))


@triton.jit
def _joined(x, state, p, d, tokens, x_d, x_t, channels, W):  # type: ignore[no-untyped-def]
    """The inputs at places p of state and tokens together; the first W - 1 lie in the state."""
    at = p - (W - 1)
    mine = (d < channels)[:, None]
    here = mine & ((at >= 0) & (at < tokens))[None, :]
    found = tl.load(x + d[:, None] * x_d + at[None, :] * x_t, mask=here, other=0.0).to(tl.float32)
    past = mine & ((p >= 0) & (at < 0))[None, :]
    kept = tl.load(state + d[:, None] * (W - 1) + p[None, :], mask=past, other=0.0)
    return found + kept.to(tl.float32)


@triton.jit
def _weight(w, d, i, channels, W):  # type: ignore[no-untyped-def]
    return tl.load(w + d * W + i, mask=d < channels, other=0.0).to(tl.float32)[:, None]


@triton.jit
def _before(x, state, w, bias, p, d, tokens, x_d, x_t, channels, W):  # type: ignore[no-untyped-def]
    """Sums of the convolution for the tokens p."""
    total = tl.load(bias + d, mask=d < channels, other=0.0).to(tl.float32)[:, None]
    total = total + tl.zeros((d.shape[0], p.shape[0]), tl.float32)
    for i in tl.static_range(W):
        given = _joined(x, state, p + i, d, tokens, x_d, x_t, channels, W)
        total += _weight(w, d, i, channels, W) * given
    return total


@triton.jit
def convolve(  # type: ignore[no-untyped-def]
    x, w, bias, state, y, final, x_b, x_d, x_t, y_b, y_d, y_t, channels, tokens,
    SILU: tl.constexpr, W: tl.constexpr, D: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    """A tile of channels and of tokens; the last W - 1 places behind the tokens are the new state.

    x, y (B, channels, tokens) by steps; w (channels, W), bias (channels), state and final
    (B, channels, W - 1) contiguous.
    """
    batch = tl.program_id(2).to(tl.int64)
    d = tl.program_id(1) * D + tl.arange(0, D)
    p = tl.program_id(0) * C + tl.arange(0, C)
    x += batch * x_b
    state += batch * channels * (W - 1)
    total = _before(x, state, w, bias, p, d, tokens, x_d, x_t, channels, W)
    if SILU:
        total = _silu(total)
    mine = (d < channels)[:, None]
    place = y + batch * y_b + d[:, None] * y_d + p[None, :] * y_t
    tl.store(place, total.to(y.dtype.element_ty), mask=mine & (p < tokens)[None, :])
    last = (p >= tokens) & (p < tokens + W - 1)
    kept = _joined(x, state, p, d, tokens, x_d, x_t, channels, W)
    place = final + batch * channels * (W - 1) + d[:, None] * (W - 1) + (p - tokens)[None, :]
    tl.store(place, kept.to(final.dtype.element_ty), mask=mine & last[None, :])


@triton.jit
def convolve_back(  # type: ignore[no-untyped-def]
    x, w, bias, state, grad_y, grad_final, grad_x, grad_w, grad_bias, grad_state,
    x_b, x_d, x_t, g_b, g_d, g_t, dx_b, dx_d, dx_t, channels, tokens,
    SILU: tl.constexpr, W: tl.constexpr, D: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    """Gradients of a tile; those of w (part, channels, W) and bias are sums over the tile."""
    batch = tl.program_id(2).to(tl.int64)
    d = tl.program_id(1) * D + tl.arange(0, D)
    p = tl.program_id(0) * C + tl.arange(0, C)
    mine = d < channels
    x += batch * x_b
    state += batch * channels * (W - 1)
    part = batch * tl.num_programs(0) + tl.program_id(0)
    total = tl.zeros((D, C), tl.float32)
    for i in tl.static_range(W):
        q = p - i
        here = mine[:, None] & ((q >= 0) & (q < tokens))[None, :]
        place = grad_y + batch * g_b + d[:, None] * g_d + q[None, :] * g_t
        back = tl.load(place, mask=here, other=0.0).to(tl.float32)
        if SILU:
            sums = _before(x, state, w, bias, q, d, tokens, x_d, x_t, channels, W)
            back = back * _silu_slope(sums)
        total += _weight(w, d, i, channels, W) * back
        if i == 0:
            tl.store(grad_bias + part * channels + d, tl.sum(back, 1), mask=mine)
            for j in tl.static_range(W):
                given = _joined(x, state, p + j, d, tokens, x_d, x_t, channels, W)
                place = grad_w + (part * channels + d) * W + j
                tl.store(place, tl.sum(back * given, 1), mask=mine)
    last = (p >= tokens) & (p < tokens + W - 1)
    wide = batch * channels * (W - 1) + d[:, None] * (W - 1)
    place = grad_final + wide + (p - tokens)[None, :]
    total += tl.load(place, mask=mine[:, None] & last[None, :], other=0.0).to(tl.float32)
    at = p - (W - 1)
    here = mine[:, None] & ((at >= 0) & (at < tokens))[None, :]
    place = grad_x + batch * dx_b + d[:, None] * dx_d + at[None, :] * dx_t
    tl.store(place, total.to(grad_x.dtype.element_ty), mask=here)
    past = mine[:, None] & (at < 0)[None, :]
    tl.store(grad_state + wide + p[None, :], total.to(grad_state.dtype.element_ty), mask=past)


@triton.jit
def normalize(  # type: ignore[no-untyped-def]
    x, w, z, out, rows, channels, group, eps,
    GATED: tl.constexpr, BEFORE: tl.constexpr, R: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """R rows of one group of channels: norm(x silu(z)) w, or, with BEFORE, norm(x) w silu(z)."""
    r = (tl.program_id(0) * R + tl.arange(0, R)).to(tl.int64)
    i = tl.arange(0, P)
    c = tl.program_id(1) * group + i
    here = (r < rows)[:, None] & (i < group)[None, :]
    cell = r[:, None] * channels + c[None, :]
    given = tl.load(x + cell, mask=here, other=0.0).to(tl.float32)
    weight = tl.load(w + c, mask=i < group, other=0.0).to(tl.float32)[None, :]
    if GATED:
        gate = _silu(tl.load(z + cell, mask=here, other=0.0).to(tl.float32))
        if not BEFORE:
            given = given * gate
    found = given * tl.rsqrt(tl.sum(given * given, 1) / group + eps)[:, None] * weight
    if GATED and BEFORE:
        found = found * gate
    tl.store(out + cell, found.to(out.dtype.element_ty), mask=here)


@triton.jit
def normalize_back(  # type: ignore[no-untyped-def]
    x, w, z, grad, grad_x, grad_w, grad_z, rows, channels, group, eps, tiles,
    GATED: tl.constexpr, BEFORE: tl.constexpr, R: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """Gradients of `tiles` tiles of rows of one group; that of w (part, channels) is their sum."""
    i = tl.arange(0, P)
    c = tl.program_id(1) * group + i
    weight = tl.load(w + c, mask=i < group, other=0.0).to(tl.float32)[None, :]
    total = tl.zeros((P,), tl.float32)
    for tile in range(tiles):
        r = ((tl.program_id(0) * tiles + tile) * R + tl.arange(0, R)).to(tl.int64)
        here = (r < rows)[:, None] & (i < group)[None, :]
        cell = r[:, None] * channels + c[None, :]
        plain = tl.load(x + cell, mask=here, other=0.0).to(tl.float32)
        seen = tl.load(grad + cell, mask=here, other=0.0).to(tl.float32)
        given = plain
        if GATED:
            logit = tl.load(z + cell, mask=here, other=0.0).to(tl.float32)
            gate = _silu(logit)
            if BEFORE:
                behind = seen * weight
                seen = seen * gate
            else:
                given = plain * gate
        factor = tl.rsqrt(tl.sum(given * given, 1) / group + eps)[:, None]
        unit = given * factor
        total += tl.sum(seen * unit, 0)
        turned = seen * weight
        along = (tl.sum(turned * unit, 1) / group)[:, None]
        turned = factor * (turned - unit * along)
        if GATED:
            if BEFORE:
                to_z = behind * unit * _silu_slope(logit)
            else:
                to_z = turned * plain * _silu_slope(logit)
                turned = turned * gate
            tl.store(grad_z + cell, to_z.to(grad_z.dtype.element_ty), mask=here)
        tl.store(grad_x + cell, turned.to(grad_x.dtype.element_ty), mask=here)
    tl.store(grad_w + tl.program_id(0) * channels + c, total, mask=i < group)
