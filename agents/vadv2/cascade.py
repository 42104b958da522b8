"""The cascaded decoder: planning tokens look at the image, then at road users, then at the map.

Tokens do not look at each other, so what one entry of the vocabulary gets does not depend on which
others are there: 256 entries teach what 4,096 are chosen by.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """Tokens of one kind to look at.

    Attributes:
        tokens: in any order.
        absent: those that stand for nothing; None: all are present.
    """

    tokens: Float[Tensor, "b n c"]
    absent: Bool[Tensor, "b n"] | None = None


class Glance(nn.Module):
    """Attention to one kind of token and an MLP, each with a shortcut and a norm behind it."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ffn = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "b k c"], keys: Keys) -> Float[Tensor, "b k c"]:
        """The tokens, wiser by what they saw."""
        seen = self.attention(
            x, keys.tokens, keys.tokens, key_padding_mask=keys.absent, need_weights=False
        )[0]
        x = self.norm1(x + seen)
        return self.norm2(x + self.ffn(x))


class Cascade(nn.Module):
    """One glance at each kind of scene token, each from what the one before gave."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.image = Glance(width, hidden, heads)
        self.agents = Glance(width, hidden, heads)
        self.map = Glance(width, hidden, heads)

    def forward(
        self, x: Float[Tensor, "b k c"], *, image: Keys, agents: Keys, road: Keys
    ) -> Float[Tensor, "b k c"]:
        """The planning tokens after all three."""
        return self.map(self.agents(self.image(x, image), agents), road)
