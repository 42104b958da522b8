"""The selective scan as it is defined: one token after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from drivelab.kernels.sequence.streams import compute_dtype


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """Outputs and the final state of h <- exp(delta_t A) h + delta_t u_t B_t, y_t = C_t h.

    u, delta (B, D, L), delta after bias and softplus; A (D, N); B, C (B, G, N, L), each group for
    D / G neighbouring channels; state (B, D, N).
    """
    wide = compute_dtype(u, delta, A, B, C, state)
    now, outs = state.to(wide), []
    share = u.shape[1] // B.shape[1]
    u, delta, A, B, C = (x.to(wide) for x in (u, delta, A, B, C))
    tokens = list(zip(*(x.unbind(-1) for x in (u, delta, B, C)), strict=True))
    for one_u, one_delta, one_b, one_c in reversed(tokens) if reverse else tokens:
        one_b, one_c = (x.repeat_interleave(share, 1) for x in (one_b, one_c))
        now = (one_delta[..., None] * A).exp() * now + (one_delta * one_u)[..., None] * one_b
        outs.append((one_c * now).sum(-1))
    if not outs:
        return u.clone(), now
    return torch.stack(outs[::-1] if reverse else outs, -1), now
