"""Values of the map's projection at the cells that trajectories touch, and at no others.

A trajectory head with 20 modes of 8 points reads at most 640 of the 4096 cells. The 3 x 3
convolution is evaluated there alone, as one matrix product over gathered neighbourhoods. The second
pass reads few cells that the first has not read: on the CPU, where counting them costs little, what
a layer has projected of a frame is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention


class BevCells(nn.Module):
    """A map of (rows, columns) cells with a border of zeros, and where points lie in it."""

    around: Tensor
    size: Tensor

    def __init__(self, cells: tuple[int, int], reach: float) -> None:
        super().__init__()
        self.rows, self.columns = cells
        self.reach = reach
        self.register_buffer("size", torch.tensor(cells), persistent=False)
        steps = torch.arange(-1, 2)
        around = (steps[:, None] * (self.columns + 2) + steps).flatten()
        self.register_buffer("around", around, persistent=False)

    def bordered(self, bev: Float[Tensor, "b v u c"]) -> Float[Tensor, "cells c"]:
        """All cells of the batch in one table."""
        return F.pad(bev, (0, 0, 1, 1, 1, 1)).flatten(0, 2)

    def corners(
        self, points: Float[Tensor, "b m t 2"]
    ) -> tuple[Int[Tensor, "bm s"], Float[Tensor, "bm t 4"]]:
        """Row of the table, and share, of the four cells around each point x, y [m]."""
        at = torch.stack(
            [
                ((points[..., 0] / self.reach + 1) * self.rows - 1) / 2,
                ((points[..., 1] / self.reach + 1) * self.columns - 1) / 2,
            ],
            -1,
        )
        low = at.floor()
        part, cell = at - low, low.long()
        share = torch.stack([1 - part, part], -1)  # of the lower and the upper neighbour
        cell = torch.stack([cell, cell + 1], -1)
        size = self.size[:, None]
        share = share * ((cell >= 0) & (cell < size))
        cell = torch.minimum(cell.clamp_min(0), size - 1) + 1
        batch = torch.arange(len(points), device=points.device)[:, None, None, None, None]
        row = cell[..., 0, :, None] + batch * (self.rows + 2)
        table = (row * (self.columns + 2) + cell[..., 1, None, :]).flatten(-2)
        shares = (share[..., 0, :, None] * share[..., 1, None, :]).flatten(-2)
        return table.flatten(2).flatten(0, 1), shares.flatten(0, 1)


@dataclass(frozen=True, slots=True)
class Projected:
    """What one layer has projected of one frame; `values` hold anything where not `known`."""

    table: Float[Tensor, "cells c"]  # `BevCells.bordered`
    values: Float[Tensor, "cells c"]
    known: Bool[Tensor, " cells"]


class SampledAttention(nn.Module):
    """`GridSampleCrossBEVAttention` of a trained head, at the sampled cells."""

    def __init__(self, plain: GridSampleCrossBEVAttention, cells: BevCells) -> None:
        super().__init__()
        self.cells = cells
        self.attention_weights, self.output_proj = plain.attention_weights, plain.output_proj
        self.project = as_linear(plain.value_proj[0])

    def look(self, table: Float[Tensor, "cells c"]) -> Projected:
        """A frame of which nothing is projected yet; `table` is `BevCells.bordered`."""
        values = table.new_empty(table.shape)
        return Projected(table, values, table.new_zeros(len(table), dtype=torch.bool))

    def forward(
        self,
        queries: Float[Tensor, "b m c"],
        points: Float[Tensor, "b m t 2"],
        frame: Projected,
    ) -> Float[Tensor, "b m c"]:
        """Queries with what lies under their points; `frame` learns the cells under them."""
        rows, shares = self.cells.corners(points)
        weights = self.attention_weights(queries).softmax(-1).flatten(0, 1)
        shares = (shares * weights[..., None]).flatten(1)
        if rows.device.type == "cpu":
            places, values = rows, self._known(frame, rows)
        else:  # elsewhere counting would wait for the device
            places = torch.arange(rows.numel(), device=rows.device).view_as(rows)
            values = self.values(frame.table, rows.flatten())
        values = values.to(shares.dtype)  # autocast gives them another
        taken = F.embedding_bag(places, values, per_sample_weights=shares, mode="sum")
        return self.output_proj(taken).view_as(queries) + queries

    def _known(self, frame: Projected, rows: Int[Tensor, "bm s"]) -> Float[Tensor, "cells c"]:
        wanted = torch.zeros_like(frame.known)
        wanted[rows.flatten()] = True
        fresh = (wanted & ~frame.known).nonzero()[:, 0]
        frame.values[fresh] = self.values(frame.table, fresh).to(frame.values.dtype)
        frame.known[fresh] = True
        return frame.values

    def values(
        self, table: Float[Tensor, "cells c"], rows: Shaped[Tensor, " n"]
    ) -> Float[Tensor, "n c"]:
        """The projection at some rows of the table."""
        near = table[rows[:, None] + self.cells.around].flatten(1)
        return F.relu(self.project(near))


def as_linear(convolution: nn.Conv2d) -> nn.Linear:
    """The convolution for rows of gathered neighbourhoods, channels last."""
    weight = convolution.weight.detach().permute(0, 2, 3, 1).flatten(1)
    found = nn.utils.skip_init(nn.Linear, *weight.shape[::-1], device=weight.device)
    found.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    found.bias = nn.Parameter(convolution.bias.detach().clone(), requires_grad=False)
    return found
