"""Stochastic depth (arXiv 1603.09382): in training a branch is left out of some samples."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DropPath(nn.Module):
    """Leave a branch out with probability `rate`, and scale it up where it stays."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Float[Tensor, "b *rest"]) -> Float[Tensor, "b *rest"]:
        """Choose for each sample."""
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        chosen = torch.rand(len(branch), *[1] * (branch.ndim - 1), device=branch.device) < keep
        return branch * chosen.to(branch.dtype) / keep


def rates(highest: float, depth: int) -> list[float]:
    """Rate of each block, from 0 in the first to the highest in the last."""
    return [highest * block / max(1, depth - 1) for block in range(depth)]
