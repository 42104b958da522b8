"""The causal depthwise convolution on the CPU: a channel at a time, in the cache."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor

from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.exponential import exponential
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.streams import compute_dtype

ANY_ORDER = {"reassoc", "contract"}  # of sums, so that they are vectorised


@njit(nogil=True, fastmath=ANY_ORDER)
def _line(line, x, state):  # type: ignore[no-untyped-def]
    """The inputs of a channel behind those before them."""
    before = len(state)
    line[:before] = state
    line[before:] = x


@njit(nogil=True, fastmath=ANY_ORDER)
def _convolve(y, line, w, b):  # type: ignore[no-untyped-def]
    y[:] = b
    for i in range(len(w)):
        factor, part = w[i], line[i : i + len(y)]
        for t in range(len(y)):
            y[t] += factor * part[t]


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _forward(first, last, x, w, b, state, y, final, silu):  # type: ignore[no-untyped-def]
    channels, tokens = x.shape[1:]
    line, one = np.empty(tokens + state.shape[2], x.dtype), x.dtype.type(1)
    for n in range(first, last):
        sequence, d = divmod(n, channels)
        out = y[sequence, d]
        _line(line, x[sequence, d], state[sequence, d])
        _convolve(out, line, w[d], b[d])
        if silu:
            for t in range(tokens):
                out[t] = out[t] / (one + exponential(-out[t]))
        final[sequence, d] = line[tokens:]


@njit(cache=True, nogil=True, fastmath=ANY_ORDER)
def _backward(  # type: ignore[no-untyped-def]
    first, last, x, w, b, state, grad_y, grad_final, grad_x, grad_w, grad_b, grad_state, silu
):
    channels, tokens = x.shape[1:]
    before, one = state.shape[2], x.dtype.type(1)
    line, spread = np.empty(tokens + before, x.dtype), np.empty(tokens + before, x.dtype)
    seen = np.empty(tokens, x.dtype)
    for n in range(first, last):
        sequence, d = divmod(n, channels)
        _line(line, x[sequence, d], state[sequence, d])
        given = grad_y[sequence, d]
        if silu:
            _convolve(seen, line, w[d], b[d])
            for t in range(tokens):
                share = one / (one + exponential(-seen[t]))
                seen[t] = given[t] * share * (one + seen[t] * (one - share))
        else:
            seen[:] = given
        spread[:tokens] = 0
        spread[tokens:] = grad_final[sequence, d]
        total = seen.dtype.type(0)
        for t in range(tokens):
            total += seen[t]
        grad_b[sequence, d] = total
        for i in range(len(w[d])):
            factor, part, to = w[d, i], line[i : i + tokens], spread[i : i + tokens]
            total = seen.dtype.type(0)
            for t in range(tokens):
                total += seen[t] * part[t]
                to[t] += factor * seen[t]
            grad_w[sequence, d, i] = total
        grad_state[sequence, d] = spread[:before]
        grad_x[sequence, d] = spread[before:]


def forward(x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool) -> tuple[Tensor, Tensor]:
    """Outputs like x, and the last inputs like the state."""
    dtype = compute_dtype(x, w, b, state)
    given = _arrays(dtype, x, w, b, state)
    y, final = (torch.empty(like.shape, dtype=dtype) for like in (x, state))
    found = y.numpy(), final.numpy()
    over_heads(
        lambda first, last: _forward(first, last, *given, *found, silu),
        x.shape[0] * x.shape[1],
        4 * x.numel(),
    )
    return y.to(x.dtype), final.to(state.dtype)


def backward(
    x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool, grad_y: Tensor, grad_final: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of x, w, b and the state."""
    dtype = compute_dtype(x, w, b, state)
    given = _arrays(dtype, x, w, b, state, grad_y, grad_final)
    dx, start = (torch.empty(like.shape, dtype=dtype) for like in (x, state))
    dw = torch.empty(x.shape[0], *w.shape, dtype=dtype)
    db = torch.empty(x.shape[0], *b.shape, dtype=dtype)
    found = tuple(grad.numpy() for grad in (dx, dw, db, start))
    over_heads(
        lambda first, last: _backward(first, last, *given, *found, silu),
        x.shape[0] * x.shape[1],
        12 * x.numel(),
    )
    grads = zip((dx, dw.sum(0), db.sum(0), start), (x, w, b, state), strict=True)
    return tuple(grad.to(like.dtype) for grad, like in grads)


def _arrays(dtype: torch.dtype, *tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(one.detach().to(dtype).contiguous().numpy() for one in tensors)


def _fake(x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), state.new_empty(state.shape)


causal_conv1d_numba = operator(
    "causal_conv1d_numba",
    "x w b state",
    "bool silu",
    2,
    forward=forward,
    backward=backward,
    fake=_fake,
)
