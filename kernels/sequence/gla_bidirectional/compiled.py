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
from drivelab.kernels.sequence.streams import (
    as_types,
    compute_dtype,
    flats_at,
    flatten,
    prepared,
    room_like,
)


@njit(nogil=True)
def _of_each(steps):  # type: ignore[no-untyped-def]
    """Steps of each direction's streams: q, k, v, its gate, and what is read or seen."""
    return (
        (steps[0], steps[1], steps[2], steps[3], steps[5]),
        (steps[0], steps[1], steps[2], steps[4], steps[5]),
    )


@njit(cache=True, nogil=True)
def _forward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, addresses, steps, zeros, scale
):
    q, k, v, gf, gb, out = flats_at(addresses, zeros)
    ahead, behind = (q, k, v, gf, out), (q, k, v, gb, out)
    ahead_steps, behind_steps = _of_each(steps)
    unused, unweighted = zeros.copy(), (zeros.reshape(-1), 0, 0)
    for n in range(first, last):
        at, step = places(ahead_steps, n, heads, tokens, False)
        forward_vector_gate(tokens, ahead, at, step, unweighted, zeros, unused, scale, False)
        at, step = places(behind_steps, n, heads, tokens, True)
        forward_vector_gate(tokens, behind, at, step, unweighted, zeros, unused, scale, True)


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, addresses, steps, into, into_steps, zeros, scale
):
    q, k, v, gf, gb, seen = flats_at(addresses, zeros)
    ahead, behind = (q, k, v, gf, seen), (q, k, v, gb, seen)
    ahead_steps, behind_steps = _of_each(steps)
    dq, dk, dv, dgf, dgb = flats_at(into, zeros)
    ahead_grads, behind_grads = (dq, dk, dv, dgf), (dq, dk, dv, dgb)
    one_way, other_way = _of_each((*into_steps, into_steps[4]))
    unused, unweighted = zeros.copy(), (zeros.reshape(-1), 0, 0)
    spare = np.empty((tokens + SPAN) * len(zeros), zeros.dtype)
    for n in range(first, last):
        at, step = places(ahead_steps, n, heads, tokens, False)
        grad_at, grad_step = places_of_four(one_way[:4], n, heads, tokens, False)
        backward_vector_gate(
            tokens, ahead, at, step, unweighted, ahead_grads, grad_at, grad_step, unweighted,
            zeros, zeros, unused, spare, scale, False,
        )  # fmt: skip
        at, step = places(behind_steps, n, heads, tokens, True)
        grad_at, grad_step = places_of_four(other_way[:4], n, heads, tokens, True)
        backward_vector_gate(
            tokens, behind, at, step, unweighted, behind_grads, grad_at, grad_step, unweighted,
            zeros, zeros, unused, spare, scale, True,
        )  # fmt: skip


def forward(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    """Outputs like v: scale times the sum of both directions."""
    dtype = compute_dtype(q, k, v, gf, gb)
    b, h, tokens, keys = q.shape
    out = room_like(v, dtype)
    given = [*prepared(dtype, q, k, v, gf, gb), out]
    call = flatten(*given)
    zeros = torch.zeros(keys, v.shape[3], dtype=dtype).numpy()
    factor = zeros.dtype.type(scale)
    over_heads(
        lambda first, last: _forward(first, last, h, tokens, *call, zeros, factor),
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
    given = prepared(dtype, q, k, v, gf, gb, grad_out)
    grads = tuple(room_like(x, dtype) for x in (q, k, v, gf, gb))
    call, back = flatten(*given), flatten(*grads)
    zeros = torch.zeros(keys, v.shape[3], dtype=dtype).numpy()
    factor = zeros.dtype.type(scale)
    over_heads(
        lambda first, last: _backward(first, last, h, tokens, *call, *back, zeros, factor),
        b * h,
        6 * v.numel() * keys,
    )
    return as_types(grads, (q, k, v, gf, gb))


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
    direct=True,
)
