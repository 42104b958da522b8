"""Tables of positions on a grid."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def resize_positions(
    table: Float[Tensor, "1 n c"], learned: tuple[int, int], grid: tuple[int, int]
) -> Float[Tensor, "1 m c"]:
    """Bring a table learned on one grid to another by bicubic interpolation, as published."""
    if learned == grid:
        return table
    square = table.transpose(1, 2).unflatten(2, learned)
    resized = nn.functional.interpolate(square, grid, mode="bicubic", align_corners=False)
    return resized.flatten(2).transpose(1, 2)


def sine_table(channels: int, edge: int) -> Float[Tensor, "1 n c"]:
    """DiT's fixed table: the first half of the channels tells the column, the second the row.

    Each half is [sin, cos] of the coordinate times 10000^(-j / (channels / 4)).
    """
    rates = 10000.0 ** (-torch.arange(channels // 4, dtype=torch.float64) / (channels / 4))
    angles = torch.arange(edge, dtype=torch.float64)[:, None] * rates
    one = torch.cat([angles.sin(), angles.cos()], 1)
    column = one[None, :, :].expand(edge, edge, -1)
    row = one[:, None, :].expand(edge, edge, -1)
    return torch.cat([column, row], 2).reshape(1, edge * edge, channels)
