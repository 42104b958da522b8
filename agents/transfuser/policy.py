"""TransFuser (arXiv 2205.15997) as the NAVSIM baseline (arXiv 2406.15349).

Features, all float32:
    camera_feature (b, 3, 256, 1024): left, front and right image side by side, RGB in [0, 1].
    lidar_feature (b, 1, 256, 256): points above ground in cells of 0.25 m, at most 5, divided by
        5; rows grow forward, columns to the left. Not looked at with `latent`.
    status_feature (b, 8): command one-hot (left, straight, right, unknown), then vx, vy [m/s] and
        ax, ay [m/s^2] in the ego frame.
Targets:
    trajectory (b, 8, 3): x, y [m], heading [rad] at 0.5 s ... 4 s in the ego frame.
    agent_states (b, 30, 5): x, y, heading, length, width of the nearest vehicles, 0 behind them.
    agent_labels (b, 30) bool: which of them are there.
    bev_semantic_map (b, 128, 256): classes 0 ... 6; rows grow forward, columns to the left.
Outputs: `trajectory`, `agent_states`, `agent_labels` (logits), `bev_semantic_map` (b, 7, 128, 256)
(logits). Sizes are those of the preset `full`; the configuration says them for others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.learned.config import SceneConfig
from drivelab.agents.transfuser.config import TransfuserConfig
from drivelab.agents.transfuser.exact import exactly
from drivelab.agents.transfuser.losses import agent_loss, semantic_loss, visible
from drivelab.agents.transfuser.perception import Perception


class RegressionHead(nn.Module):
    """Poses from the ego query."""

    def __init__(self, width: int, hidden: int, poses: int) -> None:
        super().__init__()
        self.poses = poses
        self._mlp = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 3 * poses))

    def forward(self, ego: Float[Tensor, "b 1 c"]) -> Float[Tensor, "b t 3"]:
        """x, y [m] and heading [rad]."""
        poses = exactly(self._mlp, ego[:, 0]).unflatten(-1, (self.poses, 3))
        return torch.cat([poses[..., :2], math.pi * poses[..., 2:].tanh()], -1)


def perception_losses(
    config: SceneConfig, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weighted losses of road users and BEV semantics."""
    labels = targets["agent_labels"]
    if config.latent:
        labels = visible(targets["agent_states"], labels)
    entropy, distance = agent_loss(
        outputs["agent_states"],
        outputs["agent_labels"],
        targets["agent_states"],
        labels,
        class_weight=config.agent_class_weight,
        box_weight=config.agent_box_weight,
    )
    semantics = semantic_loss(outputs["bev_semantic_map"], targets["bev_semantic_map"])
    return {
        "agent_class_loss": config.agent_class_weight * entropy,
        "agent_box_loss": config.agent_box_weight * distance,
        "bev_semantic_loss": config.bev_semantic_weight * semantics,
    }


class TransfuserNetwork(Perception):
    """The published network: 668 tensors with their published names, 55,970,149 parameters."""

    def __init__(self, config: TransfuserConfig | None = None) -> None:
        config = config or TransfuserConfig()
        super().__init__(config)
        self._trajectory_head = RegressionHead(config.width, config.hidden, config.poses)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Plan, road users and BEV semantics of a batch."""
        keys, fine = self.see(features)
        ego, agents = self.ask(keys)
        return {"trajectory": self._trajectory_head(ego), **self.describe(fine, agents)}

    def loss(
        self, features: Mapping[str, Tensor], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The sum under `loss`, and its weighted parts."""
        outputs = self(features)
        plan = F.l1_loss(outputs["trajectory"], targets["trajectory"])
        parts = {
            "trajectory_loss": self.config.trajectory_weight * plan,
            **perception_losses(self.config, outputs, targets),
        }
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}
