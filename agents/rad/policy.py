"""RAD's planning head (arXiv 2502.13144v2, section 3.1) on an encoder of one's choice.

h = decoder(E_plan, E_scene) + E_navi + E_state; four MLPs read from h the logits of the lateral and
of the longitudinal action, and the two values of the state. The axes are independent given h.
Features: those of the encoder: `drivelab.agents.rad.vector_encoder`, or
`drivelab.agents.rad.image_encoder` where the configuration says `encoder="image"`.
Outputs: `lateral` (b, 61) and `longitudinal` (b, 61), logits, lateral bins from right to left and
longitudinal ones from standing to 30 m/s; `lateral_value` (b,) and `longitudinal_value` (b,), sums
of discounted rewards to come.
Source: no network of RAD was released, so names and sizes that the paper leaves open are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from drivelab.agents.rad.config import RadConfig
from drivelab.agents.rad.decoder import PlanningDecoder
from drivelab.agents.rad.image_encoder import ImageEncoder
from drivelab.agents.rad.scene_tokens import SceneEncoder
from drivelab.agents.rad.vector_encoder import VectorEncoder


class RadNetwork(nn.Module):
    """Scene tokens -> two action distributions and two values.

    Args:
        config: sizes.
        encoder: features -> tokens of `config.width`; None: the one that the configuration names.
    """

    def __init__(
        self, config: RadConfig | None = None, *, encoder: SceneEncoder | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or RadConfig()
        width = config.width
        self.encoder = _encoder(config) if encoder is None else encoder
        self.plan_query = nn.Parameter(torch.randn(1, 1, width) / width**0.5)
        self.decoder = PlanningDecoder(width, config.hidden, config.heads, config.layers)
        self.lateral = _head(width, width, config.bins)
        self.longitudinal = _head(width, width, config.bins)
        self.lateral_value = _value_head(width, config.value_width)
        self.longitudinal_value = _value_head(width, config.value_width)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits and values of a batch."""
        scene = self.encoder(features)
        query = self.plan_query.expand(len(scene.tokens), -1, -1)
        plan = self.decoder(query, scene)[:, 0] + scene.navigation + scene.state
        return {
            "lateral": self.lateral(plan),
            "longitudinal": self.longitudinal(plan),
            "lateral_value": self.lateral_value(plan)[:, 0],
            "longitudinal_value": self.longitudinal_value(plan)[:, 0],
        }


def _encoder(config: RadConfig) -> SceneEncoder:
    return ImageEncoder(config) if config.encoder == "image" else VectorEncoder(config.width)


def _head(width: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _value_head(width: int, hidden: int) -> nn.Sequential:
    """Begins with 0 for every state, the value of a policy that has no accidents."""
    head = _head(width, hidden, 1)
    nn.init.zeros_(head[-1].weight)
    nn.init.zeros_(head[-1].bias)
    return head
