"""What DiG and DiT share: the way into tokens and a condition, and out of them."""

from __future__ import annotations

from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from drivelab.agents.encoders.diffusion.conditioning import (
    WAVES,
    FinalLayer,
    LabelEmbedder,
    TimeEmbedder,
)
from drivelab.agents.encoders.diffusion.config import DiffusionConfig
from drivelab.agents.encoders.flops import Flops, linear
from drivelab.agents.encoders.grids import to_tokens
from drivelab.agents.encoders.positions import sine_table
from drivelab.agents.encoders.vit import PatchProjection


class DiffusionEnds(nn.Module):
    """A diffusion backbone around its blocks."""

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        width = config.width
        self.edge, self.classes = config.edge, config.classes
        self.x_embedder = PatchProjection(config.channels, width, config.patch)
        self.pos_embed = nn.Parameter(sine_table(width, config.edge).float(), requires_grad=False)
        self.t_embedder = TimeEmbedder(width)
        self.y_embedder = LabelEmbedder(config.classes, width, config.class_dropout)
        self.final_layer = FinalLayer(width, config.patch, config.channels)

    def forward(
        self,
        latent: Float[Tensor, "b c h w"],
        time: Shaped[Tensor, " b"],
        label: Int[Tensor, " b"],
    ) -> Float[Tensor, "b two_c h w"]:
        """Predict noise and what its variance is learned from.

        Args:
            latent: noisy latents of the size that the network was built for.
            time: diffusion steps, whole or not.
            label: classes; the number of classes stands for none.
        """
        x = to_tokens(self.x_embedder(latent)) + self.pos_embed
        condition = self.t_embedder(time) + self.y_embedder(label)
        return self.final_layer(self.mixed(x, condition), condition, self.edge)

    def mixed(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n d"]:
        """What the blocks make of the tokens."""
        raise NotImplementedError


def end_flops(config: DiffusionConfig) -> Flops:
    """Operations before and behind the blocks of either backbone."""
    tokens, width, cells = config.edge**2, config.width, config.patch**2 * config.channels
    return (
        linear(tokens, cells, width)
        + linear(tokens, width, 2 * cells)
        + linear(1, WAVES, width)
        + linear(1, width, width)
        + linear(1, width, 2 * width)
    )
