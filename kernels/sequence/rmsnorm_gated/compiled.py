"""Root-mean-square norms on the CPU: a row is read once and written once.

With n = y / s, s = sqrt(mean y^2 + eps) and c the gradient of n, that of y is
(c - n mean(c n)) / s.
"""

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

ROWS = 64  # that share a partial sum of the weights' gradient
# For loops in vector registers: sums in any order, and no check of each divisor.
QUICK: dict[str, Any] = {"fastmath": {"reassoc", "contract"}, "error_model": "numpy"}


@njit(nogil=True, **QUICK)
def _spread(y, eps):  # type: ignore[no-untyped-def]
    """1 / sqrt(mean y^2 + eps)."""
    total, one = y.dtype.type(0), y.dtype.type(1)
    for i in range(len(y)):
        total += y[i] * y[i]
    return one / np.sqrt(total / y.dtype.type(len(y)) + eps)


@njit(nogil=True, **QUICK)
def _gates(z, gate, slope):  # type: ignore[no-untyped-def]
    """Silu(z), and its derivative."""
    one = z.dtype.type(1)
    for i in range(len(z)):
        share = one / (one + exponential(-z[i]))
        gate[i] = z[i] * share
        slope[i] = share * (one + z[i] * (one - share))


@njit(nogil=True, **QUICK)
def _copy(given, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = given[i]


@njit(nogil=True, **QUICK)
def _scaled(y, factor, w, out):  # type: ignore[no-untyped-def]
    for i in range(len(y)):
        out[i] = y[i] * factor * w[i]


@njit(nogil=True, **QUICK)
def _product(a, b, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = a[i] * b[i]


@njit(cache=True, nogil=True, **QUICK)
def _forward(first, last, x, w, z, out, eps, group, gated, norm_before_gate):  # type: ignore[no-untyped-def]
    channels = x.shape[1]
    gate, slope = np.ones(channels, x.dtype), np.ones(channels, x.dtype)
    y = np.empty(channels, x.dtype)
    for row in range(first * ROWS, min(last * ROWS, len(x))):
        to = out[row]
        _copy(x[row], y)
        if gated:
            _gates(z[row], gate, slope)
            if not norm_before_gate:
                _product(y, gate, y)
        for begin in range(0, channels, group):
            end = begin + group
            factor = _spread(y[begin:end], eps)
            _scaled(y[begin:end], factor, w[begin:end], to[begin:end])
        if norm_before_gate:
            _product(to, gate, to)


@njit(nogil=True, **QUICK)
def _norm_back(y, seen, w, eps, grad_w, back):  # type: ignore[no-untyped-def]
    """Gradient of one group: `y` becomes its norm without weights, `back` what goes to y."""
    factor, shared = _spread(y, eps), y.dtype.type(0)
    for i in range(len(y)):
        y[i] *= factor
        grad_w[i] += seen[i] * y[i]
        back[i] = seen[i] * w[i]
        shared += back[i] * y[i]
    shared /= y.dtype.type(len(y))
    for i in range(len(y)):
        back[i] = (back[i] - y[i] * shared) * factor


@njit(cache=True, nogil=True, **QUICK)
def _backward(  # type: ignore[no-untyped-def]
    first, last, x, w, z, grad, grad_x, grad_w, grad_z, eps, group, gated, norm_before_gate
):
    channels = x.shape[1]
    gate, slope = np.ones(channels, x.dtype), np.ones(channels, x.dtype)
    y, seen, back = np.empty(channels, x.dtype), np.empty(channels, x.dtype), np.empty_like(gate)
    for row in range(first * ROWS, min(last * ROWS, len(x))):
        _copy(x[row], y)
        _copy(grad[row], seen)
        part, to = grad_w[row // ROWS], grad_x[row]
        if gated:
            _gates(z[row], gate, slope)
        if norm_before_gate:
            _product(seen, gate, seen)
        else:
            _product(y, gate, y)
        for begin in range(0, channels, group):
            end = begin + group
            _norm_back(
                y[begin:end], seen[begin:end], w[begin:end], eps, part[begin:end], back[begin:end]
            )
        if norm_before_gate:
            _copy(back, to)
            _product(y, w, y)
            _product(y, grad[row], y)
        else:
            _product(back, gate, to)
            _product(back, x[row], y)
        if gated:
            _product(y, slope, grad_z[row])


def forward(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool
) -> Tensor:
    """Outputs like x."""
    dtype = compute_dtype(x, w, z)
    given = _arrays(dtype, x, w, z)
    out = torch.empty(x.shape, dtype=dtype)
    to, gated = out.view(-1, x.shape[-1]).numpy(), z.numel() > 0
    small = to.dtype.type(eps)
    over_heads(
        lambda first, last: _forward(
            first, last, *given, to, small, group, gated, norm_before_gate
        ),
        -(-len(to) // ROWS),
        x.numel(),
    )
    return out.to(x.dtype)


def backward(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, w and z."""
    dtype = compute_dtype(x, w, z)
    given = _arrays(dtype, x, w, z, grad)
    blocks, gated = -(-len(given[0]) // ROWS), z.numel() > 0
    dx, dz = (torch.empty(one.shape, dtype=dtype) for one in (x, z))
    dw = torch.zeros(blocks, x.shape[-1], dtype=dtype)
    found = [one.view(-1, x.shape[-1]).numpy() for one in (dx, dw, dz)]
    small = given[0].dtype.type(eps)
    over_heads(
        lambda first, last: _backward(
            first, last, *given, *found, small, group, gated, norm_before_gate
        ),
        blocks,
        3 * x.numel(),
    )
    return dx.to(x.dtype), dw.sum(0).to(w.dtype), dz.to(z.dtype)


def _arrays(dtype: torch.dtype, x: Tensor, w: Tensor, *others: Tensor) -> tuple[np.ndarray, ...]:
    """Rows of channels, and the weights as they are."""
    rows = [one.detach().to(dtype).reshape(-1, x.shape[-1]) for one in (x, *others)]
    rows = [one.contiguous().numpy() for one in rows]
    return (rows[0], w.detach().to(dtype).contiguous().numpy(), *rows[1:])


def _fake(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool
) -> Tensor:
    return x.new_empty(x.shape)


rmsnorm_gated_numba = operator(
    "rmsnorm_gated_numba",
    "x w z",
    "float eps, int group, bool norm_before_gate",
    1,
    forward=forward,
    backward=backward,
    fake=_fake,
    direct=True,
)
