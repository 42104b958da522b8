"""Scans in one direction on a GPU as operators of torch; the contract is that of the CPU's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drivelab.kernels.sequence.custom import alike, operator
from drivelab.kernels.sequence.gpu import gated
from drivelab.kernels.sequence.gpu.device import check, on_device, settled, side_by_side
from drivelab.kernels.sequence.streams import room_like


class OneWay:
    """q, k (B, G, L, K), v (B, H, L, V), g (B, H, L, K or 1), state (B, H, K, V); G divides H."""

    def __init__(self, op: str) -> None:
        self._op = op

    def operator(self) -> Any:
        """`drivelab::OP_triton`(q, k, v, g, state, scale, reverse) -> (outputs, final state)."""
        return operator(
            f"{self._op}_triton",
            "q k v g state",
            "float scale, bool reverse",
            2,
            forward=self.forward,
            backward=self.backward,
            fake=_fake,
            fake_gradients=alike,
        )

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Outputs like v, and the final state in float32."""
        check(self._op, {"q": q.shape[3], "v": v.shape[3]}, q, k, v, g, state)
        inputs, gate = gated.Inputs.of(q, k, v, scale), side_by_side(g)
        first, out = _flat(state), room_like(inputs.v)
        if not v.numel() or not state.numel():
            final = first.clone()
        else:
            with on_device(v):
                if v.shape[2] == 1:
                    final = gated.one_token(inputs, gate, first, out)
                else:
                    walk = inputs.walk((gate,), reverse)
                    states = gated.outputs(inputs, walk, first, out)
                    assert states.leave is not None
                    final = states.leave[0, :, -1].contiguous()
        return settled(out, v), final.view(state.shape)

    def backward(
        self, q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float,
        reverse: bool, grad_out: Tensor, grad_final: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """Gradients of q, k, v, g and the first state."""
        given = (q, k, v, g, state)
        if not v.numel() or not state.numel():
            return (
                *(torch.zeros_like(one) for one in given[:4]),
                grad_final.to(state.dtype).clone(),
            )
        inputs, gate = gated.Inputs.of(q, k, v, scale), side_by_side(g)
        first, last, seen = _flat(state), _flat(grad_final), side_by_side(grad_out)
        walk = inputs.walk((gate,), reverse)
        run = gated.channel_gradients if g.shape[3] > 1 else gated.token_gradients
        with on_device(v):
            dq, dk, dv, dg, around = run(inputs, walk, seen, first, last)
        assert around.leave is not None
        start = around.leave[0, :, 0]
        found = (_over_groups(dq, q), _over_groups(dk, k), dv, dg[0].view(g.shape), start)
        return tuple(
            settled(one.reshape(like.shape), like) for one, like in zip(found, given, strict=True)
        )


def _fake(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(v), state.new_empty(state.shape, dtype=torch.float32)


def _flat(state: Tensor) -> Tensor:
    """One (K, V) state after the other."""
    return state.float().contiguous().view(-1, *state.shape[2:])


def _over_groups(grad: Tensor, like: Tensor) -> Tensor:
    """Sum over the heads that share a tensor."""
    if grad.shape[1] == like.shape[1]:
        return grad
    b, groups = like.shape[:2]
    return grad.view(b, groups, -1, *like.shape[2:]).sum(2)
