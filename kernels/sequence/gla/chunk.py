"""Gated linear attention in plain torch, chunk by chunk."""

from __future__ import annotations

from torch import Tensor

from drivelab.kernels.sequence.chunks import (
    chunk_length,
    full_precision,
    in_chunks,
    inside,
    states_before,
    weighted,
)
from drivelab.kernels.sequence.streams import compute_dtype


def forward(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    """What `ref.forward` gives, in time and memory O(L)."""
    tokens, wide = v.shape[2], compute_dtype(q, k, v, g, state)
    if not tokens:
        return v.clone(), state.to(wide)
    length = chunk_length(tokens)
    with full_precision(q.device):
        parts = [x.to(wide).flip(2) if reverse else x.to(wide) for x in (q, k, v, g)]
        q, k, values = (in_chunks(x, length) for x in parts[:3])
        own = inside(q * scale, k, in_chunks(parts[3], length).exp())
        written = own.keys.transpose(-1, -2) @ values
        before, final = states_before(state.to(wide), written, own.decay)
        out = weighted(own.scores, values) + own.queries @ before
        out = out.flatten(2, 3)[:, :, :tokens]
        return (out.flip(2) if reverse else out).to(v.dtype), final
