"""The causal depthwise convolution by torch's own, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from drivelab.kernels.sequence.chunks import full_precision
from drivelab.kernels.sequence.streams import compute_dtype


def forward(x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool) -> tuple[Tensor, Tensor]:
    """What `ref.forward` gives."""
    wide = compute_dtype(x, w, b, state)
    given = torch.cat([state.to(wide), x.to(wide)], -1)
    final = given[..., x.shape[-1] :].to(state.dtype)
    if not x.numel():
        return x.clone(), final
    with full_precision(x.device):
        y = functional.conv1d(given, w.to(wide).unsqueeze(1), b.to(wide), groups=w.shape[0])
        y = functional.silu(y) if silu else y
    return y.to(x.dtype), final
