"""Both directions of a head in one call: the second scan adds to what the first one read."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor

from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.gated_head import (
    SPAN,
    backward_vector_gate,
    forward_vector_gate,
    places,
    places_of_four,
)
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.streams import compute_dtype, flatten, room_like


@njit(cache=True, nogil=True)
def _forward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, ahead, ahead_steps, behind, behind_steps, zeros, scale
):
    unused, unweighted = zeros.copy(), (zeros.reshape(-1), 0, 0)
    for n in range(first, last):
        at, step = places(ahead_steps, n, heads, tokens, False)
        forward_vector_gate(tokens, ahead, at, step, unweighted, zeros, unused, scale, False)
        at, step = places(behind_steps, n, heads, tokens, True)
        forward_vector_gate(tokens, behind, at, step, unweighted, zeros, unused, scale, True)


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, ahead, ahead_steps, behind, behind_steps, ahead_grads,
    ahead_grad_steps, behind_grads, behind_grad_steps, zeros, scale,
):  # fmt: skip
    unused, unweighted = zeros.copy(), (zeros.reshape(-1), 0, 0)
    spare = np.empty((tokens + SPAN) * len(zeros), zeros.dtype)
    for n in range(first, last):
        at, step = places(ahead_steps, n, heads, tokens, False)
        grad_at, grad_step = places_of_four(ahead_grad_steps, n, heads, tokens, False)
        backward_vector_gate(
            tokens, ahead, at, step, unweighted, ahead_grads, grad_at, grad_step, unweighted,
            zeros, zeros, unused, spare, scale, False,
        )  # fmt: skip
        at, step = places(behind_steps, n, heads, tokens, True)
        grad_at, grad_step = places_of_four(behind_grad_steps, n, heads, tokens, True)
        backward_vector_gate(
            tokens, behind, at, step, unweighted, behind_grads, grad_at, grad_step, unweighted,
            zeros, zeros, unused, spare, scale, True,
        )  # fmt: skip


def forward(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    """Outputs like v: scale times the sum of both directions."""
    dtype = compute_dtype(q, k, v, gf, gb)
    b, h, tokens, keys = q.shape
    out = room_like(v, dtype)
    ahead, behind = (flatten(dtype, q, k, v, g, out) for g in (gf, gb))
    zeros = torch.zeros(keys, v.shape[3], dtype=dtype).numpy()
    factor = zeros.dtype.type(scale)
    over_heads(
        lambda first, last: _forward(first, last, h, tokens, *ahead, *behind, zeros, factor),
        b * h,
        2 * v.numel() * keys,
    )
    return out.to(v.dtype)


def backward(
    q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float, grad_out: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of q, k, v and the gates of both directions."""
    dtype = compute_dtype(q, k, v, gf, gb)
    b, h, tokens, keys = q.shape
    ahead, behind = (flatten(dtype, q, k, v, g, grad_out) for g in (gf, gb))
    grads = tuple(room_like(x, dtype) for x in (q, k, v, gf, gb))
    gates = (flatten(dtype, *grads[:3], g) for g in grads[3:])
    calls = (*ahead, *behind, *(part for call in gates for part in call))
    zeros = torch.zeros(keys, v.shape[3], dtype=dtype).numpy()
    factor = zeros.dtype.type(scale)
    over_heads(
        lambda first, last: _backward(first, last, h, tokens, *calls, zeros, factor),
        b * h,
        6 * v.numel() * keys,
    )
    return tuple(grad.to(x.dtype) for grad, x in zip(grads, (q, k, v, gf, gb), strict=True))


def _fake(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    return room_like(v)


def _fake_gradients(*given: Tensor) -> tuple[Tensor, ...]:
    return tuple(room_like(x) for x in given)


gla_bidirectional_numba = operator(
    "gla_bidirectional_numba",
    "q k v gf gb",
    "float scale",
    1,
    forward=forward,
    backward=backward,
    fake=_fake,
    fake_gradients=_fake_gradients,
)
