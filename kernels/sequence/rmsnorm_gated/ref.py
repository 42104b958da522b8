"""Root-mean-square norms as they are defined, in operations of torch for any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

from drivelab.kernels.sequence.streams import compute_dtype


def forward(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool
) -> Tensor:
    """norm(x silu(z)) or norm(x) silu(z), norm(y) = y / sqrt(mean y^2 + eps) w by groups; like x.

    x, z (..., D), w (D); a z without elements gates nothing.
    """
    wide = compute_dtype(x, w, z)
    y, gate = x.to(wide), silu(z.to(wide)) if z.numel() else None
    if gate is not None and not norm_before_gate:
        y = y * gate
    parts = y.unflatten(-1, (-1, group))
    parts = parts * torch.rsqrt(parts.square().mean(-1, keepdim=True) + eps)
    y = parts.flatten(-2) * w.to(wide)
    if gate is not None and norm_before_gate:
        y = y * gate
    return y.to(x.dtype)
