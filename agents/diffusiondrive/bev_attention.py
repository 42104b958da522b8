"""Attention of trajectories to the bird's-eye map under their points (arXiv 2411.15139, 3.3)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


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
        bev: Float[Tensor, "b c v u"],
    ) -> Float[Tensor, "b m c"]:
        """Queries with what lies under their points (x, y [m]); rows of the map grow with x."""
        weights = self.attention_weights(queries).softmax(-1)
        grid = points.flip(-1) / self.reach
        found = F.grid_sample(
            self.value_proj(bev), grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        taken = (weights[:, None] * found).sum(-1)
        return self.dropout(self.output_proj(taken.transpose(1, 2))) + queries
