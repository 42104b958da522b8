"""Tokens of a grid as maps and back, without copies: maps hold their channels side by side.

Convolutions take such maps four times as fast, but know one image's only by the strides that
`permute` leaves.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def to_map(tokens: Float[Tensor, "b n c"], grid: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """View tokens, row by row, as a map."""
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)


def to_tokens(grid_map: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n c"]:
    """View a map as tokens, row by row."""
    return grid_map.permute(0, 2, 3, 1).flatten(1, 2)
