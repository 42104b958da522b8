"""The causal depthwise convolution as it is defined."""

from __future__ import annotations

import torch
from torch import Tensor

from drivelab.kernels.sequence.streams import compute_dtype


def forward(x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool) -> tuple[Tensor, Tensor]:
    """y_t = b + sum_i w_i x_{t-W+1+i}, silu of it; outputs like x, and the last W-1 inputs.

    x (B, D, L), w (D, W), b (D), state (B, D, W-1): the inputs before x.
    """
    wide = compute_dtype(x, w, b, state)
    given = torch.cat([state.to(wide), x.to(wide)], -1)
    y = b.to(wide)[:, None].expand(x.shape)
    for i, one in enumerate(w.to(wide).unbind(1)):
        y = y + one[:, None] * given[..., i : i + x.shape[-1]]
    y = y / (1 + torch.exp(-y)) if silu else y
    return y.to(x.dtype), given[..., x.shape[-1] :].to(state.dtype)
