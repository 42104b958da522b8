"""DiffusionDrive at inference, without what inference does not need.

Beyond `drivelab.agents.transfuser.fast`: values only at the cells that trajectories touch, each
once a frame on the CPU; scale and shift of every noise level kept, keys of the road users made once
a frame, the attention to the one ego key replaced by what it must give, scores only of the last
layer in the last pass, no step after that, neither boxes nor semantics. The plans are those of the
plain network up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.diffusiondrive.decoder import DecoderLayer
from drivelab.agents.diffusiondrive.embeddings import embed_points
from drivelab.agents.diffusiondrive.head import TrajectoryHead, chosen
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.diffusiondrive.sampled_cells import BevCells, Projected, SampledAttention
from drivelab.agents.diffusiondrive.schedule import denormalise, normalise
from drivelab.agents.transfuser.backbone import resize
from drivelab.agents.transfuser.fast import FastPerception
from drivelab.agents.transfuser.folded import can_pack
from drivelab.agents.transfuser.inputs import check_features
from drivelab.agents.transfuser.packed_linear import pack_linears


@dataclass(frozen=True, slots=True)
class Seen:
    """What a layer needs of a frame, the same in every pass."""

    bev: Projected  # the map
    keys: Float[Tensor, "b h a e"]  # of the road users
    values: Float[Tensor, "b h a e"]
    ego: Float[Tensor, "b 1 c"]  # all that attention to one key can give


class FastLayer(nn.Module):
    """`DecoderLayer` with its constants at hand."""

    scales: Tensor
    shifts: Tensor

    def __init__(
        self, plain: DecoderLayer, cells: BevCells, times: Float[Tensor, "levels c"]
    ) -> None:
        super().__init__()
        self.bev = SampledAttention(plain.cross_bev_attention, cells)
        self.agents, self.ego = plain.cross_agent_attention, plain.cross_ego_attention
        self.norms = nn.ModuleList([plain.norm1, plain.norm2, plain.norm3])
        self.ffn, self.task_decoder = plain.ffn, plain.task_decoder
        scales, shifts = plain.time_modulation.scale_shift_mlp(times).detach().chunk(2, -1)
        self.register_buffer("scales", 1 + scales)
        self.register_buffer("shifts", shifts.clone())

    def see(
        self,
        table: Float[Tensor, "cells c"],
        ego: Float[Tensor, "b 1 c"],
        agents: Float[Tensor, "b a c"],
    ) -> Seen:
        """What the layer needs of a frame."""
        keys, values = self._projected(self.agents, agents, 1).chunk(2, -1)
        width = ego.shape[-1]
        own = self.ego.out_proj(self._projected(self.ego, ego, 2)[..., -width:])
        return Seen(self.bev.look(table), self._heads(keys), self._heads(values), own)

    def forward(
        self,
        x: Float[Tensor, "b m c"],
        points: Float[Tensor, "b m t 2"],
        seen: Seen,
        turn: int,
    ) -> tuple[Float[Tensor, "b m c"], Float[Tensor, "b m t 3"]]:
        """Features and poses; `turn` counts the passes."""
        x = self.bev(x, points, seen.bev)
        width = x.shape[-1]
        queries = F.linear(x, self.agents.in_proj_weight[:width], self.agents.in_proj_bias[:width])
        found = F.scaled_dot_product_attention(self._heads(queries), seen.keys, seen.values)
        x = self.norms[0](x + self.agents.out_proj(found.transpose(1, 2).flatten(2)))
        x = self.norms[1](x + seen.ego)
        x = self.norms[2](self.ffn(x))
        x = x * self.scales[turn] + self.shifts[turn]
        return x, self.task_decoder(x, points)

    def _projected(
        self, attention: nn.Module, tokens: Float[Tensor, "b n c"], first: int
    ) -> Float[Tensor, "b n d"]:
        start = first * tokens.shape[-1]
        return F.linear(tokens, attention.in_proj_weight[start:], attention.in_proj_bias[start:])

    def _heads(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b h n e"]:
        return tokens.unflatten(-1, (self.agents.num_heads, -1)).transpose(1, 2)


class FastHead(nn.Module):
    """`TrajectoryHead` with its constants at hand; `packed` as for `FastPerception`."""

    def __init__(self, plain: TrajectoryHead, *, packed: bool | None = None) -> None:
        super().__init__()
        plain = copy.deepcopy(plain).eval()
        self.config, self.plain = plain.config, plain
        self.levels = plain.levels()
        with torch.no_grad():
            told = torch.tensor(self.levels, device=plain.plan_anchor.device)
            waves = plain.time_mlp[0](told).to(plain.plan_anchor.dtype)
            times = plain.time_mlp[1:](waves)
        cells = BevCells(plain.config.fine_cells, plain.config.lidar_range)
        cells = cells.to(plain.plan_anchor.device)
        self.layers = nn.ModuleList(
            FastLayer(layer, cells, times) for layer in plain.diff_decoder.layers
        )
        if can_pack(self.layers[0].bev.project.weight) if packed is None else packed:
            pack_linears(self.layers)

    def forward(
        self,
        bev: Float[Tensor, "b v u c"],
        ego: Float[Tensor, "b 1 c"],
        agents: Float[Tensor, "b a c"],
        noise: Float[Tensor, "b m t 2"],
    ) -> dict[str, Tensor]:
        """As `TrajectoryHead`, from a map with channels last."""
        table = self.layers[0].bev.cells.bordered(bev)
        seen = [layer.see(table, ego, agents) for layer in self.layers]
        vanilla = self.config.diffusion == "vanilla"
        sample = noise if vanilla else self.plain.start(noise)
        for turn, level in enumerate(self.levels):
            x, poses = self._pass(sample.clamp(-1, 1), seen, turn)
            if turn + 1 < len(self.levels):
                to = self.levels[turn + 1] if vanilla else level - 1
                clean = normalise(poses[..., :2])
                sample = self.plain.schedule.step(sample, clean, level, to=to)
        if vanilla:
            return chosen(poses, poses.new_zeros(poses.shape[:2]))
        return chosen(poses, self.layers[-1].task_decoder.score(x))

    def _pass(
        self, sample: Float[Tensor, "b m t 2"], seen: list[Seen], turn: int
    ) -> tuple[Float[Tensor, "b m c"], Float[Tensor, "b m t 3"]]:
        points = denormalise(sample)
        begun = self.plain.plan_anchor_encoder(embed_points(points).flatten(-2))
        for layer, known in zip(self.layers, seen, strict=True):
            x, poses = layer(begun, points, known, turn)
            points = poses[..., :2]
        return x, poses


class FastDiffusionDrive(nn.Module):
    """Plans of a `DiffusionDriveNetwork` with its weights as they are when this is made.

    `packed=False` leaves out the CPU's own layout of weights, as an export must.
    """

    coarse_part: Tensor
    fine_part: Tensor

    def __init__(self, network: DiffusionDriveNetwork, *, packed: bool | None = None) -> None:
        super().__init__()
        self.config = network.config
        self.perception = FastPerception(network, packed=packed)
        self.head = FastHead(network._trajectory_head, packed=packed)
        projection, _, norm = network.bev_proj
        coarse, fine = projection.weight.detach().split(
            [network.config.width, network.config.bev_channels], 1
        )
        self.register_buffer("coarse_part", coarse.clone())
        self.register_buffer("fine_part", fine.clone())
        self.register_buffer("bias", projection.bias.detach().clone())
        self.norm = copy.deepcopy(norm)
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def forward(
        self, features: Mapping[str, Tensor], *, noise: Float[Tensor, "b m t 2"] | None = None
    ) -> dict[str, Tensor]:
        """`trajectory` (b, t, 3), all `modes` (b, m, t, 3), their logits `mode_scores` (b, m)."""
        check_features(features, self.perception.needs)
        drawn = self.drawn(len(features["status_feature"])) if noise is None else {"noise": noise}
        return self.plan(features, **drawn)

    def drawn(self, rows: int) -> dict[str, Tensor]:
        """What `plan` takes beside the features."""
        return {"noise": self.head.plain.noise(rows)}

    def plan(
        self, features: Mapping[str, Tensor], *, noise: Float[Tensor, "b m t 2"]
    ) -> dict[str, Tensor]:
        """`forward` without checks: on a GPU nothing in it waits for the device."""
        keys, fine, answers = self.perception(features)
        return self.head(self.bev(keys, fine), answers[:, :1], answers[:, 1:], noise)

    def bev(
        self, keys: Float[Tensor, "b n c"], fine: Float[Tensor, "b d v u"]
    ) -> Float[Tensor, "b v u c"]:
        """The map of both resolutions: the coarse half is projected before it is enlarged."""
        coarse = F.linear(keys[:, :-1], self.coarse_part).transpose(1, 2)
        coarse = coarse.unflatten(-1, self.config.lidar_cells)
        coarse = coarse.contiguous(memory_format=torch.channels_last)
        enlarged = resize(coarse, self.config.fine_cells).permute(0, 2, 3, 1)
        cells = F.linear(fine.permute(0, 2, 3, 1), self.fine_part, self.bias)
        return self.norm(F.relu(cells + enlarged))
