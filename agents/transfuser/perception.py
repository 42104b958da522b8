"""What TransFuser and DiffusionDrive share: what they see, and the queries they ask of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.grids import to_tokens
from drivelab.agents.learned.config import SceneConfig
from drivelab.agents.transfuser.backbone import Backbone
from drivelab.agents.transfuser.exact import exactly
from drivelab.agents.transfuser.inputs import STATUS, check_features

BOX = 5  # x, y [m], heading [rad], length, width [m]


class AgentHead(nn.Module):
    """Boxes of road users and whether each is one."""

    def __init__(self, width: int, hidden: int, reach: float) -> None:
        super().__init__()
        self.reach = reach
        self._mlp_states = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, BOX)
        )
        self._mlp_label = nn.Sequential(nn.Linear(width, 1))

    def forward(self, queries: Float[Tensor, "b n c"]) -> dict[str, Tensor]:
        """`agent_states` (b, n, 5) and `agent_labels` (b, n), which are logits."""
        states = exactly(self._mlp_states, queries)
        centre = self.reach * states[..., :2].tanh()
        heading = math.pi * states[..., 2:3].tanh()
        return {
            "agent_states": torch.cat([centre, heading, states[..., 3:]], -1),
            "agent_labels": self._mlp_label(queries)[..., 0],
        }


class Perception(nn.Module):
    """Encoders, BEV tokens with the ego status, and the decoder of ego and agent queries."""

    def __init__(self, config: SceneConfig) -> None:
        super().__init__()
        self.config = config
        width, rows, columns = config.width, *config.lidar_cells
        self._backbone = Backbone(config)
        self._keyval_embedding = nn.Embedding(rows * columns + 1, width)
        self._query_embedding = nn.Embedding(1 + config.agents, width)
        self._bev_downscale = nn.Conv2d(config.lidar_widths[-1], width, 1)
        self._status_encoding = nn.Linear(STATUS, width)
        fine = config.bev_channels
        self._bev_semantic_head = nn.Sequential(
            nn.Conv2d(fine, fine, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fine, config.semantic_classes, 1),
            nn.Upsample(size=config.semantic_cells, mode="bilinear", align_corners=False),
        )
        layer = nn.TransformerDecoderLayer(
            width, config.heads, config.hidden, dropout=0.0, batch_first=True
        )
        self._tf_decoder = nn.TransformerDecoder(layer, config.decoder_layers)
        self._agent_head = AgentHead(width, config.hidden, config.lidar_range)

    def needs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each feature after the batch."""
        shapes = {"camera_feature": (3, *self.config.camera), "status_feature": (STATUS,)}
        if not self.config.latent:
            shapes["lidar_feature"] = (1, *self.config.lidar)
        return shapes

    def see(
        self, features: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b d v u"]]:
        """Keys of the coarse BEV with the status behind them, and the fine BEV map."""
        check_features(features, self.needs())
        coarse, fine = self._backbone(features["camera_feature"], features.get("lidar_feature"))
        return self.keys(coarse, features["status_feature"]), fine

    def keys(
        self, coarse: Float[Tensor, "b d y x"], status: Float[Tensor, "b s"]
    ) -> Float[Tensor, "b n c"]:
        """One token for each coarse cell, row by row, and one for the ego status."""
        cells = to_tokens(self._bev_downscale(coarse))
        told = self._status_encoding(status)[:, None]
        return torch.cat([cells, told], 1) + self._keyval_embedding.weight

    def ask(
        self, keys: Float[Tensor, "b n c"]
    ) -> tuple[Float[Tensor, "b 1 c"], Float[Tensor, "b a c"]]:
        """The ego query and the agent queries behind the decoder."""
        queries = self._query_embedding.weight.expand(len(keys), -1, -1)
        answers = self._tf_decoder(queries, keys)
        return answers[:, :1], answers[:, 1:]

    def describe(
        self, fine: Float[Tensor, "b d v u"], agents: Float[Tensor, "b a c"]
    ) -> dict[str, Tensor]:
        """The outputs beside the plan: BEV semantics (logits) and road users."""
        return {"bev_semantic_map": self._bev_semantic_head(fine), **self._agent_head(agents)}

    def coarse_cells(self, keys: Float[Tensor, "b n c"]) -> Float[Tensor, "b c y x"]:
        """The BEV tokens as a map."""
        return keys[:, :-1].transpose(1, 2).unflatten(-1, self.config.lidar_cells)
