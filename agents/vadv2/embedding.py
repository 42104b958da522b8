"""Sine embedding of trajectories: what an entry of the vocabulary is to the network.

Paper: E(a) = Cat[Γ(x1), Γ(y1), ...] with Γ made of sines and cosines (arXiv 2402.13243).
The waves are those of the released head: y before x, argument 2π·coordinate / 10000^(2⌊i/2⌋/waves).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

BASE = 10000.0


def embed_trajectories(points: Float[Tensor, "*b t 2"], waves: int) -> Float[Tensor, "*b d"]:
    """`t * 2 * waves` numbers for each trajectory of x, y [m]; even `waves`.

    Of each point first the waves of y, then those of x; sine and cosine of a frequency in turn.
    """
    index = torch.arange(waves // 2, device=points.device, dtype=points.dtype)
    period = BASE ** (2 * index / waves)
    turned = points.flip(-1)[..., None] * (2 * math.pi) / period
    return torch.stack([turned.sin(), turned.cos()], -1).flatten(-4)
