"""The selective scan in plain torch: chunk after chunk, the tokens of a chunk side by side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from drivelab.kernels.sequence.chunks import chunk_length, full_precision
from drivelab.kernels.sequence.streams import compute_dtype


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """What `ref.forward` gives; only the states between chunks are kept for the way back."""
    wide, tokens = compute_dtype(u, delta, A, B, C, state), u.shape[-1]
    now, outs = state.to(wide), []
    if not tokens:
        return u.to(wide, copy=True), now
    length = chunk_length(tokens)
    with full_precision(u.device):
        rates = A.to(wide)
        streams = [_time_first(x.to(wide), length, reverse) for x in (u, delta, B, C)]
        for parts in zip(*(x.split(length) for x in streams), strict=True):
            out, now = checkpoint(
                _chunk, *parts, rates, now, use_reentrant=False, preserve_rng_state=False
            )
            outs.append(out)
    y = torch.cat(outs)[:tokens].permute(1, 2, 0)
    return (y.flip(-1) if reverse else y), now


def _time_first(x: Tensor, length: int, reverse: bool) -> Tensor:
    """(..., L) as (L, ...), filled up to whole chunks with tokens that change nothing."""
    x = x.movedim(-1, 0)
    x = x.flip(0) if reverse else x
    missing = -x.shape[0] % length
    return torch.cat([x, x.new_zeros(missing, *x.shape[1:])]) if missing else x


def _chunk(
    u: Tensor, delta: Tensor, B: Tensor, C: Tensor, A: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs (C, B, D) of a chunk, and the state behind it.

    Spans of h tokens hold the states that they would have from 0; two neighbours become one of 2 h
    when the first one's last state, decayed, is added to the second. Decays only multiply, so
    nothing overflows.
    """
    share = u.shape[2] // B.shape[2]
    decay = (delta.unsqueeze(-1) * A).exp()  # (C, B, D, N)
    states = (delta * u).unsqueeze(-1) * B.repeat_interleave(share, 2)
    begun = torch.addcmul(states[:1], decay[:1], state)
    states = torch.cat([begun, states[1:]]).unsqueeze(1)  # (spans, h, B, D, N)
    decay = decay.unsqueeze(1)
    while states.shape[0] > 1:
        first, second = states.unflatten(0, (-1, 2)).unbind(1)
        past, ahead = decay.unflatten(0, (-1, 2)).unbind(1)
        states = torch.cat([first, torch.addcmul(second, ahead, first[:, -1:])], 1)
        decay = torch.cat([past, ahead * past[:, -1:]], 1)
    states = states.squeeze(0)
    return (states * C.repeat_interleave(share, 2)).sum(-1), states[-1]
