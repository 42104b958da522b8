"""DiffusionDrive as a policy whose actions are its modes, for learning in closed loop.

A softmax over the scores of the last denoising step chooses one of the plans; the noise that plans
start from is always the same, so that a mode means the same whenever its scene comes again. The
published network has no value of a state: a small head reads one from the ego's query, and stays
behind when the network's weights are saved.

Features: bytes, as `drivelab.agents.features.compact_features` builds them: `camera_feature`,
`lidar_feature`, and `status_feature` (b, 8) float32.
Outputs: those of `RadNetwork`, with the modes as the longitudinal axis: `longitudinal` (b, modes)
logits, `lateral` (b, 1) and `lateral_value` (b,) zeros, `longitudinal_value` (b,); and `plans`
(b, modes, t, 3), x, y [m], heading [rad] in the ego frame, with their `mode_scores` (b, modes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.losses import mode_loss, nearest_anchor
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.features import LidarOptions
from drivelab.errors import ConfigError

HIDDEN = 64  # of the value's head


@dataclass(frozen=True, slots=True)
class ModePolicyConfig:
    """A network and how it is drawn from.

    Attributes:
        network: of the planner.
        temperature: that scores are divided by. They are taught one by one, as shares from 0 to 1:
            at 1 their softmax draws the best mode less often than all others together, at 0.3
            mostly.
    """

    network: DiffusionDriveConfig
    temperature: float = 0.3

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature={self.temperature}: expected a number above 0")
        if self.network.diffusion != "truncated" or self.network.noise_seed is None:
            raise ConfigError(
                f"a network of diffusion={self.network.diffusion}, noise_seed="
                f"{self.network.noise_seed}: modes are actions only where they begin at anchors "
                "with the same noise each time; take weights of truncated diffusion"
            )


class ModePolicy(nn.Module):
    """A DiffusionDrive, and a value beside it.

    Dropout is off and the statistics of its norms are fixed, also while it learns: probabilities
    that are compared with those that drove must be of the same function.
    """

    def __init__(self, config: ModePolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.network = DiffusionDriveNetwork(config.network)
        self.value = nn.Sequential(
            nn.Linear(config.network.width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
        )
        nn.init.zeros_(self.value[-1].weight)  # no accidents are expected at first
        nn.init.zeros_(self.value[-1].bias)
        self.train()

    def train(self, mode: bool = True) -> ModePolicy:
        """See `torch.nn.Module`; the planner stays as it drives."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Plans, logits and values of a batch."""
        plan, ego = self.network.plan(_floats(features))
        nothing = plan["mode_scores"].new_zeros(len(ego), 1)
        return {
            "lateral": nothing,
            "longitudinal": plan["mode_scores"] / self.config.temperature,
            "lateral_value": nothing[:, 0],
            "longitudinal_value": self.value(ego)[:, 0],
            "plans": plan["modes"],
            "mode_scores": plan["mode_scores"],
        }

    @property
    def anchors(self) -> Float[Tensor, "m t 2"]:
        """Where modes begin [m]."""
        return self.network._trajectory_head.plan_anchor


def towards_modes(
    outputs: Mapping[str, Tensor],
    target: Float[Tensor, "b t 3"],
    anchors: Float[Tensor, "m t 2"],
    config: DiffusionDriveConfig,
) -> dict[str, Tensor]:
    """The loss of the paper's equation 6 on the plans that are driven, under `loss`.

    Args:
        outputs: of `ModePolicy`.
        target: where the expert went.
        anchors: of the modes; the one nearest to the target is the right one.
        config: of the network, with the weights of both parts.
    """
    right = nearest_anchor(anchors.to(target.device), target)
    return {
        "loss": mode_loss(
            outputs["plans"], outputs["mode_scores"], target, right,
            class_weight=config.mode_class_weight, box_weight=config.mode_box_weight,
        )
    }  # fmt: skip


def _floats(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bytes as the network takes them, see `drivelab.agents.features.expand`."""
    found = {name: features[name] for name in ("camera_feature", "lidar_feature", "status_feature")
             if name in features}  # fmt: skip
    found["camera_feature"] = found["camera_feature"].to(torch.float32) / 255.0
    if "lidar_feature" in found:
        found["lidar_feature"] = found["lidar_feature"].to(torch.float32) / LidarOptions().most
    return found
