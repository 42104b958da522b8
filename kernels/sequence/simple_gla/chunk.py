"""The recurrence with one gate a head in plain torch, chunk by chunk."""

from __future__ import annotations

import torch
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
    """What `ref.forward` gives, in time and memory O(L); shared queries and keys stay shared."""
    tokens, wide = v.shape[2], compute_dtype(q, k, v, g, state)
    if not tokens:
        return v.clone(), state.to(wide)
    length, groups = chunk_length(tokens), q.shape[1]
    with full_precision(q.device):
        parts = [x.to(wide).flip(2) if reverse else x.to(wide) for x in (q, k, v, g)]
        q, k, v_chunks, decay = (in_chunks(x, length) for x in parts)
        decay = decay.exp()
        fade = inside(torch.ones_like(decay), torch.ones_like(decay), decay)
        q = q * scale
        scores = _per_head((q @ k.transpose(-1, -2)).tril(), fade.scores, groups)
        written = k.transpose(-1, -2).unsqueeze(2) @ _by_group(fade.keys * v_chunks, groups)
        before, final = states_before(state.to(wide), written.flatten(1, 2), fade.decay)
        past = (q.unsqueeze(2) @ _by_group(before, groups)).flatten(1, 2)
        out = weighted(scores, v_chunks) + fade.queries * past
        out = out.flatten(2, 3)[:, :, :tokens]
        return (out.flip(2) if reverse else out).to(v.dtype), final


def _by_group(x: Tensor, groups: int) -> Tensor:
    """(B, H, ...) as (B, G, H / G, ...)."""
    return x.unflatten(1, (groups, x.shape[1] // groups))


def _per_head(shared: Tensor, own: Tensor, groups: int) -> Tensor:
    """Product of what a group of heads shares with what each has."""
    return (shared.unsqueeze(2) * _by_group(own, groups)).flatten(1, 2)
