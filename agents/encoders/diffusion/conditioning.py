"""Time and class as one vector, and how the blocks take it: adaLN-Zero (DiT, arXiv 2212.09748)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

WAVES = 256  # channels of a time's sines and cosines
PERIOD = 10000.0  # the longest, in steps


class TimeEmbedder(nn.Module):
    """A time -> [cos, sin] of 128 frequencies -> MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(WAVES, width), nn.SiLU(), nn.Linear(width, width))
        for layer in (self.mlp[0], self.mlp[2]):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, time: Shaped[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """Embed diffusion steps."""
        kind = self.mlp[0].weight.dtype
        exact = torch.promote_types(kind, torch.float32)
        half = WAVES // 2
        steps = torch.arange(half, dtype=exact, device=time.device)
        angles = time.to(exact)[:, None] * torch.exp(-math.log(PERIOD) / half * steps)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], 1).to(kind))


class LabelEmbedder(nn.Module):
    """A class -> its row of a table, of which the last one stands for no class."""

    def __init__(self, classes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.classes, self.dropout = classes, dropout
        self.embedding_table = nn.Embedding(classes + 1, width)
        nn.init.normal_(self.embedding_table.weight, std=0.02)

    def forward(self, label: Int[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """Embed classes; in training some are forgotten, so that guidance can ask for none."""
        if self.training and self.dropout > 0:
            forgotten = torch.rand(label.shape, device=label.device) < self.dropout
            label = label.masked_fill(forgotten, self.classes)
        return self.embedding_table(label)


class Modulation(nn.Sequential):
    """silu and a linear layer that starts at zero: `count` vectors for a block."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__(nn.SiLU(), nn.Linear(width, count * width))
        nn.init.zeros_(self[1].weight)
        nn.init.zeros_(self[1].bias)
        self.count = count

    def forward(self, condition: Float[Tensor, "b c"]) -> tuple[Float[Tensor, "b 1 c"], ...]:
        """Shifts, scales and gates, each for all tokens of a sample."""
        return super().forward(condition)[:, None].chunk(self.count, -1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale (about 1) and shift what a norm left."""
    return torch.addcmul(shift, x, 1 + scale)


class FinalLayer(nn.Module):
    """Tokens -> patches of twice the channels: noise, and what its variance is learned from."""

    def __init__(self, width: int, patch: int, channels: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.linear = nn.Linear(width, patch * patch * 2 * channels)
        self.adaLN_modulation = Modulation(width, 2)
        self.patch = patch
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"], edge: int
    ) -> Float[Tensor, "b c h w"]:
        """Latent-sized maps of `edge` x `edge` tokens."""
        shift, scale = self.adaLN_modulation(condition)
        patches = self.linear(modulate(self.norm_final(x), shift, scale))
        cells = patches.unflatten(2, (self.patch, self.patch, -1)).unflatten(1, (edge, edge))
        return cells.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
