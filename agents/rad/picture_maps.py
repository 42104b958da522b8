"""Pictures of a camera -> the last of some maps, each of half the resolution of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.rad.config import RadConfig
from drivelab.agents.rad.sight import CHANNELS
from drivelab.agents.transfuser.trunk import make_trunk

READ = 3  # maps of a ResNet or ViG-H, the last one at a sixteenth of the resolution


def make_maps(config: RadConfig) -> SlimMaps | TrunkMaps:
    """The maps of a configuration, with fresh weights."""
    if config.image_encoder == "slim":
        return SlimMaps(config.image_widths)
    return TrunkMaps(config.image_encoder, config.image_widths, config.image_depths)


class SlimMaps(nn.Module):
    """A slim ResNet without norms, so that nothing of it is frozen in reinforcement.

    A convolution of 5 x 5 at half the resolution, and for each further map one of 3 x 3 that halves
    it, and a residual block.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.width = widths[-1]
        self.stem = nn.Conv2d(CHANNELS, widths[0], 5, stride=2, padding=2)
        self.halvings = nn.ModuleList(
            nn.Conv2d(given, made, 3, stride=2, padding=1) for given, made in pairwise(widths)
        )
        self.blocks = nn.ModuleList(_Block(made) for made in widths[1:])

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The last map."""
        x = self.stem(pictures).relu()
        for halving, block in zip(self.halvings, self.blocks, strict=True):
            x = block(halving(x).relu())
        return x


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which it begins as: so it needs no norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return (x + self.conv2(self.conv1(x).relu())).relu()


class TrunkMaps(nn.Module):
    """The encoders of the other driving networks.

    A ResNet, whose norms stay in reinforcement as pre-training left them, or ViG-H.
    """

    def __init__(self, encoder: str, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.width = widths[READ - 1]
        self.trunk = make_trunk(encoder, CHANNELS, widths=widths, depths=depths)
        if encoder == "vig_h":  # its last map would have a handful of cells of a small picture
            del self.trunk.layers[READ:]
            self.trunk.layers[READ - 1].downsample = nn.Identity()

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The map at a sixteenth of the resolution."""
        x = self.trunk.stem(pictures)
        for index in range(READ):
            x = self.trunk.stage(index, x)
        return x
