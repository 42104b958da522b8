"""What every diffusion backbone takes and gives, and how its classes guide it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

GUIDED = (
    3  # channels of noise that guidance applies to; the published models leave the others alone
)


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

    As in DiT's code only the first three channels are moved, in order to match its results; of a
    latent with fewer channels all, but never what the variance is learned from.

    Args:
        backbone: called once, on twice the batch.
        latent: noisy latents.
        time: diffusion steps.
        label: classes.
        strength: 0 gives the noise of no class, 1 that of the class, more goes beyond it.

    Returns:
        Guided noise, and the variance's channels as the class gives them.
    """
    count = min(GUIDED, latent.shape[1])
    nothing = torch.full_like(label, backbone.classes)
    labels = torch.cat([label, nothing])
    own, free = backbone(torch.cat([latent, latent]), torch.cat([time, time]), labels).chunk(2)
    moved = free[:, :count] + strength * (own[:, :count] - free[:, :count])
    return torch.cat([moved, own[:, count:]], 1)
