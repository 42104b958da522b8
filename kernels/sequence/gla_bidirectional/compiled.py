"""Both directions of a head in one call: the second scan adds to what the first one read."""

from __future__ import annotations

import torch
from numba import njit
from torch import Tensor

from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.gated_call import GatedCall, with_decays
from drivelab.kernels.sequence.gated_head import (
    backward_vector_gate,
    five,
    forward_vector_gate,
    four,
)
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.streams import compute_dtype


@njit(cache=True, nogil=True)
def _forward(  # type: ignore[no-untyped-def]
    first, last, tokens, ahead, ahead_places, step, behind, behind_places, zeros, scale
):  # fmt: skip
    unused = zeros.copy()
    for n in range(first, last):
        forward_vector_gate(
            tokens, ahead, five(ahead_places, n), step, zeros, unused, scale, False, False
        )
        forward_vector_gate(
            tokens, behind, five(behind_places, n), step, zeros, unused, scale, True, True
        )


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, tokens, ahead, ahead_places, step, behind, behind_places, zeros,
    ahead_grads, ahead_grad_places, grad_step, behind_grads, behind_grad_places,
):  # fmt: skip
    unused = zeros.copy()
    for n in range(first, last):
        backward_vector_gate(
            tokens, ahead, five(ahead_places, n), step, ahead_grads, four(ahead_grad_places, n),
            grad_step, zeros, zeros, unused, False, False,
        )  # fmt: skip
        backward_vector_gate(
            tokens, behind, five(behind_places, n), step, behind_grads,
            four(behind_grad_places, n), grad_step, zeros, zeros, unused, True, True,
        )  # fmt: skip


def forward(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    """Outputs like v: scale times the sum of both directions."""
    dtype = compute_dtype(q, k, v, gf, gb)
    b, h, tokens, keys = q.shape
    out = torch.empty_like(v, dtype=dtype)
    given = (q.to(dtype), k.to(dtype), v.to(dtype))
    ahead, behind = with_decays(given, gf, out), with_decays(given, gb, out)
    zeros = torch.zeros(keys, v.shape[3], dtype=dtype).numpy()
    factor = zeros.dtype.type(scale)

    def run(first: int, last: int) -> None:
        _forward(
            *(first, last, tokens, ahead.flats, ahead.places, ahead.step),
            *(behind.flats, behind.places, zeros, factor),
        )

    over_heads(run, b * h, 2 * v.numel() * keys)
    return out.to(v.dtype)


def backward(
    q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float, grad_out: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of q, k, v and the gates of both directions."""
    dtype = compute_dtype(q, k, v, gf, gb)
    b, h, tokens, keys = q.shape
    given, seen = (q.to(dtype), k.to(dtype), v.to(dtype)), grad_out.to(dtype) * scale
    ahead, behind = with_decays(given, gf, seen), with_decays(given, gb, seen)
    dq, dk, dv = (torch.empty_like(x, dtype=dtype) for x in (q, k, v))
    dgf, dgb = (torch.empty(gf.shape, dtype=dtype) for _ in range(2))
    ahead_grads, behind_grads = (GatedCall((dq, dk, dv, dg), h) for dg in (dgf, dgb))
    zeros = torch.zeros(keys, v.shape[3], dtype=dtype).numpy()

    def run(first: int, last: int) -> None:
        _backward(
            *(first, last, tokens, ahead.flats, ahead.places, ahead.step),
            *(behind.flats, behind.places, zeros, ahead_grads.flats, ahead_grads.places),
            *(ahead_grads.step, behind_grads.flats, behind_grads.places),
        )

    over_heads(run, b * h, 6 * v.numel() * keys)
    grads = zip((dq, dk, dv, dgf, dgb), (q, k, v, gf, gb), strict=True)
    return tuple(grad.to(x.dtype) for grad, x in grads)


def _fake(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    return torch.empty_like(v)


gla_bidirectional_numba = operator(
    "gla_bidirectional_numba",
    "q k v gf gb",
    "float scale",
    1,
    forward=forward,
    backward=backward,
    fake=_fake,
)
