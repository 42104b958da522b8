"""DiffusionDrive (arXiv 2411.15139), the network published for NAVSIM.

Features and targets: those of `drivelab.agents.transfuser.policy`, whose sight it shares.
Outputs: `trajectory` (b, 8, 3): x, y [m], heading [rad] at 0.5 s ... 4 s in the ego frame; all
`modes` (b, 20, 8, 3) and their `mode_scores` (b, 20), logits; and TransFuser's `agent_states`,
`agent_labels`, `bev_semantic_map`.
Departs from the paper where the released code does: noise of level 8 is announced as level 10,
and the decoder layers share their first features.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drivelab.agents.diffusiondrive.bev_map import BevMap
from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.head import Scene, TrajectoryHead
from drivelab.agents.transfuser.perception import Perception
from drivelab.agents.transfuser.policy import perception_losses
from drivelab.errors import DataError


class DiffusionDriveNetwork(Perception):
    """The published network: 763 tensors with their published names, 60,715,727 parameters."""

    config: DiffusionDriveConfig

    def __init__(self, config: DiffusionDriveConfig | None = None) -> None:
        config = config or DiffusionDriveConfig()
        super().__init__(config)
        width = config.width
        self._trajectory_head = TrajectoryHead(config)
        self.bev_proj = nn.Sequential(
            nn.Linear(width + config.bev_channels, width),
            nn.ReLU(inplace=True),
            nn.LayerNorm(width),
        )

    def forward(
        self, features: Mapping[str, Tensor], *, noise: Float[Tensor, "b m t 2"] | None = None
    ) -> dict[str, Tensor]:
        """Plan, road users and BEV semantics of a batch; `noise` only to choose it oneself."""
        scene, fine = self._scene(features)
        if noise is None:
            noise = self._trajectory_head.noise(len(fine))
        plan = self._trajectory_head(scene, noise)
        return {**plan, **self.describe(fine, scene[2])}

    def loss(
        self,
        features: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        *,
        noise: Float[Tensor, "b m t 2"] | None = None,
        timesteps: Int[Tensor, " b"] | None = None,
    ) -> dict[str, Tensor]:
        """The sum under `loss`, and its weighted parts; `trajectory_loss_0`, ... unweighted.

        Noise and noise levels are drawn unless given. `trajectory` (b, t, 3) is the plan of this
        one pass.
        """
        self._check_horizon(targets["trajectory"])
        scene, fine = self._scene(features)
        drawn = self._trajectory_head.draw(len(fine))
        noise = drawn[0] if noise is None else noise
        timesteps = drawn[1] if timesteps is None else timesteps
        plan = self._trajectory_head.loss(
            scene, targets["trajectory"], noise=noise, timesteps=timesteps
        )
        parts = {
            "trajectory_loss": self.config.trajectory_weight * plan.pop("trajectory_loss"),
            **perception_losses(self.config, self.describe(fine, scene[2]), targets),
        }
        return {"loss": torch.stack(list(parts.values())).sum(), **parts, **plan}

    def plan(
        self, features: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], Float[Tensor, "b c"]]:
        """What the head plans, `trajectory`, `modes` and `mode_scores`, and the ego's query."""
        scene, fine = self._scene(features)
        return self._trajectory_head(scene, self._trajectory_head.noise(len(fine))), scene[1][:, 0]

    def _scene(self, features: Mapping[str, Tensor]) -> tuple[Scene, Tensor]:
        keys, fine = self.see(features)
        ego, agents = self.ask(keys)
        bev = BevMap(self.bev_proj, self.coarse_cells(keys), fine)
        # plans read a quarter of the map: a training step makes no more of it than they do
        partly = self.training and fine.device.type == "cpu"
        return (bev if partly else bev.whole(), ego, agents), fine

    def _check_horizon(self, target: Tensor) -> None:
        if tuple(target.shape[1:]) != (self.config.poses, 3):
            raise DataError(
                f"shape {tuple(target.shape)}, expected (batch, {self.config.poses}, 3): the "
                f"network plans {self.config.poses} poses",
                where="targets['trajectory']",
            )
