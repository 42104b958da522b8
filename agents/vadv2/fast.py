"""VADv2 at inference: the tokens of the vocabulary are made once, boxes and semantics not at all.

Beyond `drivelab.agents.transfuser.fast`. The plans are those of the plain network up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.grids import to_tokens
from drivelab.agents.transfuser.fast import FastPerception
from drivelab.agents.transfuser.inputs import check_features
from drivelab.agents.vadv2.cascade import Keys
from drivelab.agents.vadv2.head import ProbabilisticHead, Scene
from drivelab.agents.vadv2.policy import VadV2Network


class FastVadV2(nn.Module):
    """Plans of a `VadV2Network` of single frames, with its weights as they are when this is made.

    `packed=False` leaves out the CPU's own layout of weights, as an export must.
    """

    begun: Tensor

    def __init__(self, network: VadV2Network, *, packed: bool | None = None) -> None:
        super().__init__()
        self.config = network.config
        self.perception = FastPerception(network, packed=packed)
        self.head = copy.deepcopy(network._planning_head)
        self.patches = copy.deepcopy(network._map_patches)
        self.register_buffer("places", network._map_embedding.weight.detach().clone())
        if isinstance(self.head, ProbabilisticHead):
            with torch.no_grad():
                self.register_buffer("begun", self.head.tokens(self.head.vocabulary).clone())
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def forward(
        self, features: Mapping[str, Tensor], *, noise: Float[Tensor, "b m"] | None = None
    ) -> dict[str, Tensor]:
        """As the plain network's `forward`, without road users and semantics."""
        check_features(features, self.perception.needs)
        drawn = self.drawn(len(features["status_feature"])) if noise is None else {"noise": noise}
        return self.plan(features, **drawn)

    def drawn(self, rows: int) -> dict[str, Tensor]:
        """What `plan` takes beside the features."""
        return self.head.drawn(rows)

    def plan(
        self, features: Mapping[str, Tensor], *, noise: Float[Tensor, "b m"] | None = None
    ) -> dict[str, Tensor]:
        """`forward` without checks: on a GPU nothing in it waits for the device."""
        keys, fine, answers = self.perception(features)
        road = to_tokens(self.patches(fine)) + self.places
        scene: Scene = {"image": Keys(keys), "agents": Keys(answers), "road": Keys(road)}
        status = features["status_feature"]
        if not isinstance(self.head, ProbabilisticHead):
            return self.head(scene, status)
        tokens = self.begun.expand(len(keys), -1, -1)
        return self.head.chosen(self.head.scores(tokens, scene, status), noise)
