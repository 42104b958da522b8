"""Attention between image cells and lidar cells (TransFuser, arXiv 2205.15997, section 3.2)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.grids import to_map, to_tokens

STD = 0.02  # of fresh weights


class SelfAttention(nn.Module):
    """Multi-head attention with linears of its own for queries, keys, values and the result."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attn_drop = nn.Dropout(dropout)
        self.resid_drop = nn.Dropout(dropout)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n c"], *, skipped: int = 0) -> Float[Tensor, "b m c"]:
        """What each token sees of all; the first `skipped` tokens see nothing and are left out."""
        parts = (self.query(x[:, skipped:]), self.key(x), self.value(x))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        likeness = (query @ key.transpose(-2, -1)) * (1.0 / math.sqrt(key.shape[-1]))
        seen = self.attn_drop(likeness.softmax(-1)) @ value
        return self.resid_drop(self.proj(seen.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and added to the stream."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads, dropout)
        self.mlp = nn.Sequential(
            nn.Linear(width, expansion * width),
            nn.ReLU(inplace=True),
            nn.Linear(expansion * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "b n c"], *, skipped: int = 0) -> Float[Tensor, "b m c"]:
        """The stream behind the first `skipped` tokens, which are only seen."""
        x = x[:, skipped:] + self.attn(self.ln1(x), skipped=skipped)
        return x + self.mlp(self.ln2(x))


class FusionTransformer(nn.Module):
    """Image and lidar maps at one scale, as one sequence of tokens through pre-norm blocks."""

    def __init__(
        self,
        width: int,
        image_cells: tuple[int, int],
        lidar_cells: tuple[int, int],
        *,
        layers: int,
        heads: int,
        expansion: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.image_cells, self.lidar_cells = image_cells, lidar_cells
        tokens = image_cells[0] * image_cells[1] + lidar_cells[0] * lidar_cells[1]
        self.pos_emb = nn.Parameter(torch.zeros(1, tokens, width))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(width, heads, expansion, dropout) for _ in range(layers))
        )
        self.ln_f = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=STD)
                nn.init.zeros_(module.bias)

    def forward(
        self, image: Float[Tensor, "b c h w"], lidar: Float[Tensor, "b c i j"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c i j"]]:
        """What each cell of both maps takes from all cells of both."""
        x = self.ln_f(self.blocks(self._tokens(image, lidar)))
        count = self.image_cells[0] * self.image_cells[1]
        return (
            to_map(x[:, :count], self.image_cells).contiguous(),
            to_map(x[:, count:], self.lidar_cells).contiguous(),
        )

    def lidar_only(
        self, image: Float[Tensor, "b c h w"], lidar: Float[Tensor, "b c i j"]
    ) -> Float[Tensor, "b c i j"]:
        """The lidar half of `forward`, without what only the image half needs."""
        x = self._tokens(image, lidar)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, skipped=self.image_cells[0] * self.image_cells[1])
        return to_map(self.ln_f(x), self.lidar_cells)

    def _tokens(
        self, image: Float[Tensor, "b c h w"], lidar: Float[Tensor, "b c i j"]
    ) -> Float[Tensor, "b n c"]:
        return self.drop(self.pos_emb + torch.cat([to_tokens(image), to_tokens(lidar)], 1))
