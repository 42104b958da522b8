"""The causal depthwise convolution on the CPU: a channel at a time, in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from drivelab.kernels.exponential import exponential
from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.streams import compute_dtype

# For loops in vector registers: sums in any order, and no check of each divisor.
QUICK: dict[str, Any] = {"fastmath": {"reassoc", "contract"}, "error_model": "numpy"}


@njit(nogil=True, **QUICK)
def _copy(given, out):  # type: ignore[no-untyped-def]
    for t in range(len(out)):
        out[t] = given[t]


@njit(nogil=True, **QUICK)
def _fill(out, value):  # type: ignore[no-untyped-def]
    for t in range(len(out)):
        out[t] = value


@njit(nogil=True, **QUICK)
def _convolve(y, line, w, b):  # type: ignore[no-untyped-def]
    _fill(y, b)
    for i in range(len(w)):
        factor, part = w[i], line[i : i + len(y)]
        for t in range(len(y)):
            y[t] += factor * part[t]


@njit(nogil=True, **QUICK)
def _silu(y):  # type: ignore[no-untyped-def]
    one = y.dtype.type(1)
    for t in range(len(y)):
        y[t] = y[t] / (one + exponential(-y[t]))


@njit(nogil=True, **QUICK)
def _silu_back(seen, given):  # type: ignore[no-untyped-def]
    """Gradient at the place of what silu was taken of."""
    one = seen.dtype.type(1)
    for t in range(len(seen)):
        share = one / (one + exponential(-seen[t]))
        seen[t] = given[t] * share * (one + seen[t] * (one - share))


@njit(nogil=True, **QUICK)
def _sum(x):  # type: ignore[no-untyped-def]
    total = x.dtype.type(0)
    for t in range(len(x)):
        total += x[t]
    return total


@njit(nogil=True, **QUICK)
def _tap_back(seen, part, to, factor):  # type: ignore[no-untyped-def]
    """Gradient of one tap, that of its inputs added to `to`."""
    total = seen.dtype.type(0)
    for t in range(len(seen)):
        total += seen[t] * part[t]
        to[t] += factor * seen[t]
    return total


@njit(cache=True, nogil=True, **QUICK)
def _forward(first, last, x, w, b, state, y, final, silu):  # type: ignore[no-untyped-def]
    channels, tokens = x.shape[1:]
    before = state.shape[2]
    line = np.empty(tokens + before, x.dtype)
    for n in range(first, last):
        sequence, d = divmod(n, channels)
        _copy(state[sequence, d], line[:before])
        _copy(x[sequence, d], line[before:])
        _convolve(y[sequence, d], line, w[d], b[d])
        if silu:
            _silu(y[sequence, d])
        _copy(line[tokens:], final[sequence, d])


@njit(cache=True, nogil=True, **QUICK)
def _backward(  # type: ignore[no-untyped-def]
    first, last, x, w, b, state, grad_y, grad_final, grad_x, grad_w, grad_b, grad_state, silu
):
    channels, tokens = x.shape[1:]
    before = state.shape[2]
    line, spread = np.empty(tokens + before, x.dtype), np.empty(tokens + before, x.dtype)
    seen = np.empty(tokens, x.dtype)
    for n in range(first, last):
        sequence, d = divmod(n, channels)
        _copy(state[sequence, d], line[:before])
        _copy(x[sequence, d], line[before:])
        if silu:
            _convolve(seen, line, w[d], b[d])
            _silu_back(seen, grad_y[sequence, d])
        else:
            _copy(grad_y[sequence, d], seen)
        _fill(spread[:tokens], x.dtype.type(0))
        _copy(grad_final[sequence, d], spread[tokens:])
        grad_b[sequence, d] = _sum(seen)
        for i in range(w.shape[1]):
            grad_w[sequence, d, i] = _tap_back(
                seen, line[i : i + tokens], spread[i : i + tokens], w[d, i]
            )
        _copy(spread[:before], grad_state[sequence, d])
        _copy(spread[before:], grad_x[sequence, d])


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
    x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool, grad_y: Tensor,
    grad_final: Tensor | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of x, w, b and the state."""
    dtype = compute_dtype(x, w, b, state)
    end = torch.zeros_like(state) if grad_final is None else grad_final
    given = _arrays(dtype, x, w, b, state, grad_y, end)
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
    direct=True,
)
