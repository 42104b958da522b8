"""What every diffusion backbone takes and gives, and how its classes guide it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

GUIDED = 3  # channels that guidance applies to; the published models leave the others alone


@runtime_checkable
class DiffusionBackbone(Protocol):
    """Noisy latent, time and class -> noise and its variance; all in `BACKBONES` are one."""

    classes: int  # the number of classes; as a label it means no class

    def __call__(
        self,
        latent: Float[Tensor, "b c h w"],
        time: Shaped[Tensor, " b"],
        label: Int[Tensor, " b"],
    ) -> Float[Tensor, "b two_c h w"]:
        """Predict noise (the first c channels) and what its variance is learned from."""
        ...


def guided(
    backbone: DiffusionBackbone,
    latent: Float[Tensor, "b c h w"],
    time: Shaped[Tensor, " b"],
    label: Int[Tensor, " b"],
    strength: float,
) -> Float[Tensor, "b two_c h w"]:
    """Classifier-free guidance (arXiv 2207.12598): noise moved away from that of no class.

    As in DiT's code only the first three channels are moved, in order to match its results.
    """
    nothing = torch.full_like(label, backbone.classes)
    labels = torch.cat([label, nothing])
    own, free = backbone(torch.cat([latent, latent]), torch.cat([time, time]), labels).chunk(2)
    moved = free[:, :GUIDED] + strength * (own[:, :GUIDED] - free[:, :GUIDED])
    return torch.cat([moved, own[:, GUIDED:]], 1)
