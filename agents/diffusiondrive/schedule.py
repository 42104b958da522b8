"""How much noise at which step, and the way back: DDIM (arXiv 2010.02502) on predicted poses.

1000 steps, betas linear in their roots from 1e-4 to 0.02, no fresh noise on the way back (eta 0),
the network predicts the clean sample. Truncated diffusion (arXiv 2411.15139, section 3.2) starts
at step 8 of 1000 instead of the last.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

STEPS = 1000  # of training
BETAS = (1e-4, 0.02)  # the first and the last
START = 8  # noise level from which inference of truncated diffusion begins
TRAINED = 50  # training of truncated diffusion draws its levels from 0 ... 49
SPAN = 20  # the levels told to the network at inference lie below this one
INDEX = {"x": 0, "y": 1}
OFFSETS, SCALES = (1.2, 20.0), (56.9, 46.0)  # of x and y [m]


def normalise(points: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b 2"]:
    """Metres in the ego frame to the range of the diffusion, about -1 to 1."""
    x, y = (2 * (points[..., i] + OFFSETS[i]) / SCALES[i] - 1 for i in range(2))
    return torch.stack([x, y], -1)


def denormalise(points: Float[Tensor, "*b 2"]) -> Float[Tensor, "*b 2"]:
    """Back to metres."""
    x, y = ((points[..., i] + 1) / 2 * SCALES[i] - OFFSETS[i] for i in range(2))
    return torch.stack([x, y], -1)


def truncated_levels(steps: int) -> list[int]:
    """Levels told to the network, falling to 0: 10, 0 for two steps."""
    return [round(index * SPAN / steps) for index in reversed(range(steps))]


def vanilla_levels(steps: int) -> list[int]:
    """Levels from nearly pure noise to 0, evenly spaced: 950, 900, ..., 0 for twenty steps."""
    return [index * (STEPS // steps) for index in reversed(range(steps))]


class Schedule(nn.Module):
    """The share of the sample that is left at each level; no tensor of it is in a checkpoint."""

    kept: Float[Tensor, " levels"]

    def __init__(self) -> None:
        super().__init__()
        roots = torch.linspace(math.sqrt(BETAS[0]), math.sqrt(BETAS[1]), STEPS)
        kept = torch.cumprod(1 - roots**2, 0)
        self.register_buffer("kept", kept, persistent=False)

    def add_noise(
        self,
        clean: Float[Tensor, "b *points"],
        noise: Float[Tensor, "b *points"],
        levels: Int[Tensor, " b"],
    ) -> Float[Tensor, "b *points"]:
        """The sample at the noise level of each row."""
        kept = self.kept[levels].reshape(-1, *[1] * (clean.ndim - 1)).to(clean.dtype)
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise

    def step(
        self,
        noisy: Float[Tensor, "*b"],
        clean: Float[Tensor, "*b"],
        level: int,
        *,
        to: int | None = None,
    ) -> Float[Tensor, "*b"]:
        """The sample at the level `to` (default: the one before), given what it is without noise.

        The noise comes from the prediction as it is, the sample from the prediction held to -1..1,
        as the published scheduler does.
        """
        to = level - 1 if to is None else to
        kept = self.kept[level].to(noisy.dtype)
        then = self.kept[to].to(noisy.dtype) if to >= 0 else torch.ones_like(kept)
        noise = (noisy - kept.sqrt() * clean) / (1 - kept).sqrt()
        return then.sqrt() * clean.clamp(-1, 1) + (1 - then).sqrt() * noise
