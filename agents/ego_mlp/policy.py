"""The ego-status MLP (the blind baseline of NAVSIM, arXiv 2406.15349).

Features: `ego_status` (b, 8) float: vx, vy [m/s], ax, ay [m/s^2] in the ego frame, then the
command as one-hot 4. Mind the order: TransFuser's `status_feature` begins with the command;
`ego_status_from` turns one into the other.
Targets: `trajectory` (b, 8, 3): x, y [m], heading [rad] in the ego frame, at 0.5 s ... 4 s.
Outputs: `trajectory` (b, 8, 3).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.ego_mlp.config import EgoMlpConfig
from drivelab.agents.transfuser.exact import exactly
from drivelab.agents.transfuser.inputs import COMMANDS, STATUS, check_features

KEY = "ego_status"


def ego_status_from(status_feature: Float[Tensor, "b 8"]) -> Float[Tensor, "b 8"]:
    """TransFuser's status (command first) in the order of this network (command last)."""
    return torch.roll(status_feature, -COMMANDS, dims=-1)


class EgoMlpNetwork(nn.Module):
    """Three hidden layers from ego status to poses, with the published parameter names."""

    def __init__(self, config: EgoMlpConfig | None = None) -> None:
        super().__init__()
        self.config = config or EgoMlpConfig()
        width = self.config.width
        self._mlp = nn.Sequential(
            nn.Linear(STATUS, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, self.config.poses * 3),
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Plan for each row of `ego_status`."""
        check_features(features, {KEY: (STATUS,)})
        status = features[KEY].to(self._mlp[0].weight.dtype)
        return {"trajectory": exactly(self._mlp, status).unflatten(-1, (self.config.poses, 3))}

    def loss(
        self, features: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Mean absolute difference of the poses, headings included and not wrapped."""
        return {"loss": F.l1_loss(self(features)["trajectory"], targets["trajectory"])}
