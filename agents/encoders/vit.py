"""ViT and DeiT: the plain transformer encoder, with softmax attention of all tokens to all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.features import Features
from drivelab.agents.encoders.feedforward import Mlp
from drivelab.agents.encoders.flops import Flops, attention, convolution, linear
from drivelab.agents.encoders.grids import to_map, to_tokens
from drivelab.agents.encoders.heads import make_head
from drivelab.agents.encoders.options import (
    check_choice,
    check_counts,
    check_share,
    refuse,
)
from drivelab.agents.encoders.positions import resize_positions
from drivelab.agents.encoders.stochastic_depth import DropPath, rates

AttentionKind = Literal["sdpa", "explicit"]
MLP_RATIO = 4


@dataclass(frozen=True, slots=True)
class ViTConfig:
    """A published ViT or DeiT is one of these."""

    width: int  # channels of a token
    heads: int
    depth: int = 12
    image_size: int = 224  # on which the positions were learned [pixel]
    patch: int = 16
    classes: int = 1000  # 0: no head
    drop_path: float = 0.0  # of the last block, in training
    attention: AttentionKind = "sdpa"  # torch's fused one, or the matrix of all pairs in full

    def __post_init__(self) -> None:
        check_counts(self, "width", "heads", "depth", "image_size", "patch")
        check_counts(self, "classes", least=0)
        check_share(self, "drop_path")
        check_choice(self, "attention", get_args(AttentionKind))
        if self.width % self.heads:
            raise refuse(self, ["width", "heads"], "heads to divide width")
        if self.image_size % self.patch:
            raise refuse(self, ["image_size", "patch"], "patch to divide image_size")


class Attention(nn.Module):
    """Softmax attention with one projection for queries, keys and values (arXiv 1706.03762)."""

    def __init__(self, width: int, heads: int, kind: AttentionKind = "sdpa") -> None:
        super().__init__()
        self.heads, self.kind = heads, kind
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """Mix all tokens."""
        parts = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        if self.kind == "sdpa":
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
            mixed = scores.softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).flatten(2))


class ViTBlock(nn.Module):
    """Attention and MLP, each behind a layer norm and added to the stream."""

    def __init__(self, config: ViTConfig, drop_path: float) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, config.heads, config.attention)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, MLP_RATIO * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """All tokens, the class token first."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchProjection(nn.Module):
    """Channels of a map -> tokens of `patch` x `patch` cells that do not overlap."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, image: Float[Tensor, "b k h w"]) -> Float[Tensor, "b c i j"]:
        """Map of tokens."""
        return self.proj(image)


class ViT(nn.Module):
    """ViT (arXiv 2010.11929) and DeiT (arXiv 2012.12877), with DeiT's parameter names."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.strides, self.channels = (config.patch,), (config.width,)
        edge, width = config.image_size // config.patch, config.width
        self.learned = (edge, edge)
        self.patch_embed = PatchProjection(3, width, config.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + edge * edge, width))
        self.blocks = nn.ModuleList(
            ViTBlock(config, rate) for rate in rates(config.drop_path, config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = make_head(width, config.classes)
        for parameter in self.parameters():
            if parameter.ndim in (2, 3):
                nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        """One level of features, at the stride of a patch; the class token is no part of it."""
        tokens, grid = self._tokens(image)
        return Features((to_map(tokens[:, 1:], grid),), tokens[:, 1:], self.strides)

    def classify(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        """Logits from the class token."""
        return self.head(self._tokens(image)[0][:, 0])

    def _tokens(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        cells = self.patch_embed(image)
        grid = (cells.shape[2], cells.shape[3])
        own, places = self.pos_embed.split((1, self.pos_embed.shape[1] - 1), 1)
        patches = to_tokens(cells) + resize_positions(places, self.learned, grid)
        x = torch.cat([(self.cls_token + own).expand(len(image), -1, -1), patches], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x), grid


def flops(config: ViTConfig, height: int, width: int) -> Flops:
    """Operations of the features of an image."""
    cells = (height // config.patch) * (width // config.patch)
    return convolution(cells, config.patch, 3, config.width) + transformer_flops(
        1 + cells, config.width, config.depth
    )


def transformer_flops(tokens: int, width: int, depth: int) -> Flops:
    """Operations of blocks of attention and MLP."""
    weights = linear(tokens, width, (4 + 2 * MLP_RATIO) * width)
    return (weights + attention(tokens, width)) * depth
