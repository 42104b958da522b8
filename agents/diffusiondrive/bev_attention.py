"""Attention of trajectories to the bird's-eye map under their points (arXiv 2411.15139, 3.3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.diffusiondrive.bev_map import BevMap


class GridSampleCrossBEVAttention(nn.Module):
    """The map's values at the eight points of a trajectory, weighed by its query.

    One weight a point serves all channels; there are no heads. Beyond the map values are zero.
    """

    def __init__(self, width: int, points: int, reach: float, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.reach = reach  # of the map to each side [m]
        self.attention_weights = nn.Linear(width, points)
        self.output_proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.value_proj = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)
        )
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        nn.init.xavier_uniform_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def forward(
        self,
        queries: Float[Tensor, "b m c"],
        points: Float[Tensor, "b m t 2"],
        bev: Float[Tensor, "b c v u"] | BevMap,
    ) -> Float[Tensor, "b m c"]:
        """Queries with what lies under their points (x, y [m]); rows of the map grow with x."""
        weights = self.attention_weights(queries).softmax(-1)
        found = self._values(points.flip(-1) / self.reach, bev)
        taken = (weights[:, None] * found).sum(-1)
        return self.dropout(self.output_proj(taken.transpose(1, 2))) + queries

    def _values(
        self, grid: Float[Tensor, "b m t 2"], bev: Float[Tensor, "b c v u"] | BevMap
    ) -> Float[Tensor, "b c m t"]:
        """The projected map at points of -1 to 1 (column, row)."""
        if isinstance(bev, Tensor):
            return _sampled(self.value_proj(bev), grid)
        # Plans lie in front of the car: a training step would spend most of its time on cells
        # that none of them reads, so it makes and projects the part of the map that they do.
        rows, columns = bev.fine.shape[-2:]
        size = grid.new_tensor([columns, rows])
        cells = ((grid.detach() + 1) * size - 1) / 2
        first = torch.minimum(cells.amin((0, 1, 2)).floor().clamp_min(0), size - 1)
        last = torch.minimum(cells.amax((0, 1, 2)).floor() + 1, size - 1).maximum(first)
        (left, top), (right, bottom) = (place.long().tolist() for place in (first, last))
        part = _bordered(bev, (top, bottom), (left, right))
        convolution, activation = self.value_proj
        values = activation(F.conv2d(part, convolution.weight, convolution.bias))
        taken = last - first + 1
        return _sampled(values, (grid + 1) * (size / taken) - 2 * first / taken - 1)


def _bordered(
    bev: BevMap, rows: tuple[int, int], columns: tuple[int, int]
) -> Float[Tensor, "b c i j"]:
    """First to last rows and columns with the cells around them, which are zero off the map."""
    places, missing = [], []
    for (first, last), size in ((columns, bev.fine.shape[-1]), (rows, bev.fine.shape[-2])):
        begin, end = max(first - 1, 0), min(last + 2, size)
        places.append(slice(begin, end))
        missing += [begin - (first - 1), last + 2 - end]
    return F.pad(bev.part((places[1], places[0])), missing)


def _sampled(
    values: Float[Tensor, "b c v u"], grid: Float[Tensor, "b m t 2"]
) -> Float[Tensor, "b c m t"]:
    return F.grid_sample(values, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
