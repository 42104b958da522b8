"""The deterministic twin on vector observations: one regressed plan in place of a distribution.

Encoder and decoder are those of `VectorVadV2`; one query looks at the scene instead of a query for
each entry, and an MLP reads the poses from it. What the two drive worse or better comes from how
they plan.

Features: `vector` (b, 515), see `drivelab.agents.rad.vector_encoder`.
Outputs: `trajectory` (b, t, 3), x, y [m] and heading [rad] in the ego frame, `config.dt` apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.rad.decoder import PlanningDecoder
from drivelab.agents.rad.vector_encoder import VectorEncoder
from drivelab.agents.transfuser.policy import RegressionHead
from drivelab.agents.vadv2.vector_policy import VectorVadV2Config

PACE = 10.0  # [m/s]; by it the MLP's numbers become metres


class VectorTwin(nn.Module):
    """Scene tokens -> one plan; `config.entries` and `config.waves` are not used.

    The MLP says x and y in shares of the way to each pose at `PACE`, so that all its numbers are of
    one size.
    """

    reach: Tensor

    def __init__(self, config: VectorVadV2Config) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = VectorEncoder(width)
        self.plan_query = nn.Parameter(torch.randn(1, 1, width) / width**0.5)
        self.decoder = PlanningDecoder(width, config.hidden, config.heads, config.layers)
        self.regression = RegressionHead(width, config.hidden, config.poses)
        way = PACE * config.dt * torch.arange(1.0, config.poses + 1)
        reach = torch.stack([way, way, torch.ones_like(way)], -1)
        self.register_buffer("reach", reach, persistent=False)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Plans of a batch."""
        scene = self.encoder(features)
        query = self.plan_query.expand(len(scene.tokens), -1, -1)
        looked = self.decoder(query, scene) + (scene.navigation + scene.state)[:, None]
        return {"trajectory": self.reach * self.regression(looked)}


def plan_losses(
    outputs: Mapping[str, Tensor], trajectory: Float[Tensor, "b t 3"]
) -> dict[str, Float[Tensor, ""]]:
    """`loss`: mean distance of x, y [m] and heading [rad] from where the expert went (L1)."""
    return {"loss": F.l1_loss(outputs["trajectory"], trajectory)}
