"""Sines and cosines of positions and of noise levels."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

POINT = 64  # numbers for a point: half for y, half for x
BASE = 10000.0


def embed_points(points: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b 64"]:
    """Sine and cosine in turn at falling frequencies, those of y before those of x."""
    half = POINT // 2
    index = torch.arange(half, device=points.device, dtype=points.dtype)
    period = BASE ** (2 * torch.div(index, 2, rounding_mode="floor") / half)
    turned = points.flip(-1)[..., None] * (2 * math.pi) / period
    waves = torch.stack([turned[..., 0::2].sin(), turned[..., 1::2].cos()], -1)
    return waves.flatten(-3)


class LevelEmbedding(nn.Module):
    """The sines, then the cosines of a noise level; even `width`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, levels: Int[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """One row for each level."""
        half = self.width // 2
        rate = math.log(BASE) / (half - 1)
        frequency = torch.exp(-rate * torch.arange(half, device=levels.device))
        turned = levels[:, None].to(frequency.dtype) * frequency
        return torch.cat([turned.sin(), turned.cos()], -1)
