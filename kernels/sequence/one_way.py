"""Scans in one direction as operators of torch, whichever gate their compiled heads work under."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.streams import as_types, compute_dtype, flatten, prepared, room_like


class OneWay:
    """Runs compiled loops over heads.

    q (B, G, L, K), k (B, G, L, K), v (B, H, L, V), g (B, H, L, K or 1), state (B, H, K, V); G
    divides H, and neighbouring heads share a query and a key.
    """

    def __init__(self, forward: Callable[..., None], backward: Callable[..., None]) -> None:
        self._forward, self._backward = forward, backward

    def operator(self, name: str) -> Any:
        """`drivelab::NAME`(q, k, v, g, state, scale, reverse) -> (outputs, final state)."""
        return operator(
            name,
            "q k v g state",
            "float scale, bool reverse",
            2,
            forward=self.forward,
            backward=self.backward,
            fake=self.fake,
            fake_gradients=self.fake_gradients,
            direct=True,
        )

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Outputs like v, and the final state."""
        dtype = compute_dtype(q, k, v, g, state)
        start, out = _flat(state, dtype), room_like(v, dtype)
        final = torch.empty_like(start)
        given = [*prepared(dtype, q, k, v, g), out]
        call, states = flatten(*given), (start.numpy(), final.numpy())
        factor, tokens, heads = states[0].dtype.type(scale), v.shape[2], v.shape[1]

        def run(first: int, last: int) -> None:
            self._forward(first, last, heads, tokens, *call, *states, factor, reverse)

        over_heads(run, len(start), v.numel() * q.shape[3])
        return *as_types((out,), (v,)), final.view(state.shape)

    def backward(
        self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float,
        reverse: bool, grad_out: Tensor, grad_final: Tensor | None,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """Gradients of q, k, v, g and the first state."""
        dtype = compute_dtype(q, k, v, g, state)
        start = _flat(state, dtype)
        end = torch.zeros_like(start) if grad_final is None else _flat(grad_final, dtype)
        grad_start = torch.empty_like(start)
        given = prepared(dtype, q, k, v, g, grad_out)
        tokens, heads = v.shape[2], v.shape[1]
        grads = [_per_head(x, heads, dtype) for x in (q, k)]
        grads += [room_like(x, dtype) for x in (v, g)]
        call, back = flatten(*given), flatten(*grads)
        states = (start.numpy(), end.numpy(), grad_start.numpy())
        factor = states[0].dtype.type(scale)

        def run(first: int, last: int) -> None:
            self._backward(first, last, heads, tokens, *call, *back, *states, factor, reverse)

        over_heads(run, len(start), 3 * v.numel() * q.shape[3])
        shared = (_over_groups(grad, x) for grad, x in zip(grads, (q, k), strict=False))
        found = (*shared, *grads[2:], grad_start.view(state.shape))
        return as_types(found, (q, k, v, g, state))

    def fake(
        self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Tensors of the shapes and types that `forward` gives."""
        dtype = compute_dtype(q, k, v, g, state)
        return room_like(v), state.new_empty(state.shape, dtype=dtype)

    def fake_gradients(
        self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor
    ) -> tuple[Tensor, ...]:
        """Tensors of the shapes and types that `backward` gives."""
        shared = (x.new_empty(x.shape) if x.shape[1] < v.shape[1] else room_like(x) for x in (q, k))
        return (*shared, room_like(v), room_like(g), state.new_empty(state.shape))


def _flat(state: Tensor, dtype: torch.dtype) -> Tensor:
    """One (K, V) state after the other."""
    return state.to(dtype).contiguous().view(-1, *state.shape[2:])


def _per_head(shared: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """Room for the gradient of a query or key in each head that it serves."""
    if shared.shape[1] == heads:
        return room_like(shared, dtype)
    b, _, tokens, channels = shared.shape
    return torch.empty(b, heads, tokens, channels, dtype=dtype)


def _over_groups(grad: Tensor, like: Tensor) -> Tensor:
    """Sum over the heads that share a tensor."""
    if grad.shape[1] == like.shape[1]:
        return grad
    return grad.unflatten(1, (like.shape[1], grad.shape[1] // like.shape[1])).sum(2)
