"""The selective scan in plain torch: chunk after chunk, the tokens of a chunk side by side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LENGTH = 32  # tokens of a chunk


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """What `ref.forward` gives; only the states between chunks are kept for the way back."""
    wide = torch.promote_types(u.dtype, torch.float32)
    now, outs = state.to(wide), []
    with torch.autocast(u.device.type, enabled=False):
        rates = A.to(wide)
        streams = [x.to(wide).flip(-1) if reverse else x.to(wide) for x in (u, delta, B, C)]
        for parts in zip(*(x.split(LENGTH, -1) for x in streams), strict=True):
            if not parts[0].shape[-1]:
                continue
            out, now = checkpoint(
                _chunk, *parts, rates, now, use_reentrant=False, preserve_rng_state=False
            )
            outs.append(out)
    if not outs:
        return torch.empty_like(u, dtype=wide), now
    y = torch.cat(outs, -1)
    return (y.flip(-1) if reverse else y), now


def _chunk(
    u: Tensor, delta: Tensor, B: Tensor, C: Tensor, A: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs of a chunk, and the state behind it.

    States grow over spans of 1, 2, 4... tokens: one that covers the span behind t, decayed to it,
    is added. Decays only multiply, so nothing overflows.
    """
    share = u.shape[1] // B.shape[1]
    decay = (delta.unsqueeze(2) * A.unsqueeze(-1)).exp()  # (B, D, N, C)
    states = (delta * u).unsqueeze(2) * B.repeat_interleave(share, 1)
    first = torch.addcmul(states[..., :1], decay[..., :1], state.unsqueeze(-1))
    states = torch.cat([first, states[..., 1:]], -1)
    span = 1
    while span < u.shape[-1]:
        more = torch.addcmul(states[..., span:], decay[..., span:], states[..., :-span])
        states = torch.cat([states[..., :span], more], -1)
        decay = torch.cat([decay[..., :span], decay[..., span:] * decay[..., :-span]], -1)
        span *= 2
    return (states * C.repeat_interleave(share, 1)).sum(2), states[..., -1]
