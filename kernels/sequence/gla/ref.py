"""Gated linear attention as it is defined: one token after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from drivelab.kernels.sequence.streams import compute_dtype


def forward(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    """S <- diag(exp g_t) S + k_t v_t^T, o_t = scale S^T q_t; outputs and the final state."""
    wide = compute_dtype(q, k, v, g, state)
    now, outs = state.to(wide), []
    tokens = list(zip(*(x.to(wide).unbind(2) for x in (q, k, v, g)), strict=True))
    for one_q, one_k, one_v, one_g in reversed(tokens) if reverse else tokens:
        now = one_g.exp()[..., None] * now + one_k[..., None] * one_v[..., None, :]
        outs.append(scale * (one_q[..., None] * now).sum(-2))
    if not outs:
        return v.clone(), now
    return torch.stack(outs[::-1] if reverse else outs, 2).to(v.dtype), now
