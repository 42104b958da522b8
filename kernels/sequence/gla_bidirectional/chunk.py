"""Bidirectional gated linear attention in plain torch: two causal scans, chunk by chunk."""

from __future__ import annotations

from torch import Tensor

from drivelab.kernels.sequence.gla import chunk, first_state


def forward(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    """Scale times the sum of both directions; a token's own term counts in each."""
    start = first_state(q, q.shape[3], v.shape[3])
    ahead, _ = chunk.forward(q, k, v, gf, start, scale, False)
    behind, _ = chunk.forward(q, k, v, gb, start, scale, True)
    return ahead + behind
