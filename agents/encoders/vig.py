"""ViG: a plain vision encoder whose time and memory grow linearly with the tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.features import Features
from drivelab.agents.encoders.feedforward import SwiGLU, hidden_width
from drivelab.agents.encoders.flops import Flops, cells_after, convolution, linear
from drivelab.agents.encoders.gated_mixing import Compat, GatedMixer, mixer_flops
from drivelab.agents.encoders.grids import to_map, to_tokens
from drivelab.agents.encoders.heads import make_head
from drivelab.agents.encoders.norms import ChannelNorm, RMSNorm
from drivelab.agents.encoders.options import (
    SCANS,
    check_choice,
    check_counts,
    check_share,
    refuse,
)
from drivelab.agents.encoders.positions import resize_positions
from drivelab.agents.encoders.rows import by_rows
from drivelab.agents.encoders.stochastic_depth import DropPath, rates

HIDDEN_MULTIPLE = 256


@dataclass(frozen=True, slots=True)
class ViGConfig:
    """A released ViG is one of these."""

    width: int  # channels of a token
    heads: int
    depth: int = 12
    image_size: int = 224  # on which the positions were learned [pixel]
    patch: int = 16
    classes: int = 1000  # 0: no head
    conv_act: bool = False  # silu after the convolution of each mixer
    out_act: bool = False  # silu before the last projection of each mixer
    drop_path: float = 0.0  # of the last block, in training
    compat: Compat = "paper"
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_counts(self, "width", "heads", "depth", "image_size", "patch")
        check_counts(self, "classes", least=0)
        check_share(self, "drop_path")
        check_choice(self, "compat", get_args(Compat))
        check_choice(self, "backend", SCANS)
        if self.width % (2 * self.heads):
            raise refuse(self, ["width", "heads"], "heads to divide half the width, that of keys")
        if self.patch % 2 or self.image_size % self.patch:
            raise refuse(self, ["image_size", "patch"], "an even patch that divides image_size")


class ViGBlock(nn.Module):
    """Mixer and SwiGLU, each behind a norm and added to the stream."""

    def __init__(self, config: ViGConfig, drop_path: float = 0.0) -> None:
        super().__init__()
        width = config.width
        self.attn_norm, self.mlp_norm = RMSNorm(width), RMSNorm(width)
        self.attn = GatedMixer(
            width,
            config.heads,
            conv_act=config.conv_act,
            out_act=config.out_act,
            compat=config.compat,
            backend=config.backend,
        )
        self.mlp = SwiGLU(width, hidden_width(width, HIDDEN_MULTIPLE))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "b n c"], grid: tuple[int, int]) -> Float[Tensor, "b n c"]:
        """Tokens of a grid, row by row."""
        x = x + self.drop_path(self.attn(by_rows(self.attn_norm, x), grid))
        return x + self.drop_path(by_rows(self._alone, x))

    def _alone(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return self.mlp(self.mlp_norm(x))


class PatchStem(nn.Module):
    """Image -> tokens of `patch` x `patch` pixels by two overlapping convolutions."""

    def __init__(self, config: ViGConfig) -> None:
        super().__init__()
        half, first = config.width // 2, config.patch // 2
        self.proj = nn.Sequential(
            nn.Conv2d(3, half, first + 1, stride=first, padding=1),
            ChannelNorm(half),
            nn.SiLU(),
            nn.Conv2d(half, config.width, 3, stride=2, padding=1),
            ChannelNorm(config.width),
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c i j"]:
        """Map of tokens."""
        return self.proj(image)


class ViG(nn.Module):
    """ViG (arXiv 2405.18425) with the parameter names of its released weights."""

    def __init__(self, config: ViGConfig) -> None:
        super().__init__()
        self.config = config
        self.strides, self.channels = (config.patch,), (config.width,)
        edge = config.image_size // config.patch
        self.learned = (edge, edge)
        self.patch_embed = PatchStem(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, edge * edge, config.width))
        self.blocks = nn.ModuleList(
            ViGBlock(config, rate) for rate in rates(config.drop_path, config.depth)
        )
        self.norm = RMSNorm(config.width)
        self.head = make_head(config.width, config.classes)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        """One level of features, at the stride of a patch."""
        cells = self.patch_embed(image)
        grid = (cells.shape[2], cells.shape[3])
        x = to_tokens(cells) + resize_positions(self.pos_embed, self.learned, grid)
        for block in self.blocks:
            x = block(x, grid)
        x = self.norm(x)
        return Features((to_map(x, grid),), x, self.strides)

    def classify(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        """Logits from the mean of the tokens."""
        return self.head(self(image).tokens.mean(1))


def flops(config: ViGConfig, height: int, width: int) -> Flops:
    """Operations of the features of an image."""
    first, channels = config.patch // 2, config.width
    h, w = (cells_after(size, first + 1, first, 1) for size in (height, width))
    stem = convolution(h * w, first + 1, 3, channels // 2)
    h, w = (cells_after(size, 3, 2, 1) for size in (h, w))
    stem += convolution(h * w, 3, channels // 2, channels)
    hidden = hidden_width(channels, HIDDEN_MULTIPLE)
    block = mixer_flops(h * w, channels, config.heads) + linear(h * w, channels, 3 * hidden)
    return stem + block * config.depth
