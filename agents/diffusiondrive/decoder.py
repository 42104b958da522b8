"""The diffusion decoder: two layers that look at map, road users and ego, then move the points."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention
from drivelab.agents.diffusiondrive.bev_map import BevMap
from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig
from drivelab.agents.transfuser.exact import exactly

Poses = Float[Tensor, "b m t 3"]
Scores = Float[Tensor, "b m"]
RARE = 0.01  # share of chosen modes that fresh class branches expect


class TimeModulation(nn.Module):
    """Scale and shift of the features by the noise level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_shift_mlp = nn.Sequential(nn.Mish(), nn.Linear(width, 2 * width))

    def forward(
        self, x: Float[Tensor, "b m c"], time: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b m c"]:
        """The features of a batch, each at its own level."""
        scale, shift = self.scale_shift_mlp(time)[:, None].chunk(2, -1)
        return x * (1 + scale) + shift


class TaskDecoder(nn.Module):
    """Poses and a score for each mode."""

    def __init__(self, width: int, poses: int) -> None:
        super().__init__()
        self.poses = poses
        self.plan_cls_branch = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.LayerNorm(width),
            nn.Linear(width, 1),
        )
        self.plan_reg_branch = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 3 * poses),
        )
        nn.init.constant_(self.plan_cls_branch[-1].bias, -math.log(1 / RARE - 1))

    def forward(self, x: Float[Tensor, "b m c"], points: Float[Tensor, "b m t 2"]) -> Poses:
        """Points moved by what the features say, and headings [rad]."""
        moved = exactly(self.plan_reg_branch, x).unflatten(-1, (self.poses, 3))
        heading = math.pi * moved[..., 2:].tanh()
        return torch.cat([moved[..., :2] + points, heading], -1)

    def score(self, x: Float[Tensor, "b m c"]) -> Scores:
        """Logits of the modes."""
        return self.plan_cls_branch(x)[..., 0]


class DecoderLayer(nn.Module):
    """Map, road users, ego, MLP (without a shortcut around it), noise level, poses."""

    def __init__(self, config: DiffusionDriveConfig) -> None:
        super().__init__()
        width, rate = config.width, config.head_dropout
        self.dropout, self.dropout1 = nn.Dropout(rate), nn.Dropout(rate)
        self.cross_bev_attention = GridSampleCrossBEVAttention(
            width, config.poses, config.lidar_range, dropout=rate
        )
        self.cross_agent_attention = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.cross_ego_attention = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.ffn = nn.Sequential(
            nn.Linear(width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, width)
        )
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.time_modulation = TimeModulation(width)
        self.task_decoder = TaskDecoder(width, config.poses)

    def forward(
        self,
        x: Float[Tensor, "b m c"],
        points: Float[Tensor, "b m t 2"],
        scene: tuple[Tensor | BevMap, Tensor, Tensor],
        time: Float[Tensor, "b c"],
    ) -> tuple[Poses, Scores]:
        """Better poses than the points [m], and scores; `scene` is map, ego and agents."""
        bev, ego, agents = scene
        x = self.cross_bev_attention(x, points, bev)
        seen = self.cross_agent_attention(x, agents, agents)[0]
        x = self.norm1(x + self.dropout(seen))
        seen = self.cross_ego_attention(x, ego, ego)[0]
        x = self.norm2(x + self.dropout1(seen))
        x = self.norm3(self.ffn(x))
        x = self.time_modulation(x, time)
        return self.task_decoder(x, points), self.task_decoder.score(x)


class DiffusionDecoder(nn.Module):
    """Layers that all begin with the same features; only the points go from one to the next."""

    def __init__(self, config: DiffusionDriveConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.head_layers))

    def forward(
        self,
        x: Float[Tensor, "b m c"],
        points: Float[Tensor, "b m t 2"],
        scene: tuple[Tensor | BevMap, Tensor, Tensor],
        time: Float[Tensor, "b c"],
    ) -> list[tuple[Poses, Scores]]:
        """Poses and scores of every layer; gradients do not go back through the points."""
        found = []
        for layer in self.layers:
            poses, scores = layer(x, points, scene, time)
            found.append((poses, scores))
            points = poses[..., :2].detach()
        return found
