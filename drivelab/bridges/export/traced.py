"""The fast networks as plain functions of tensors: no checks, nothing whose size depends on values.

They share the modules of `FastTransfuser` and `FastDiffusionDrive`. Where those count the distinct
cells that trajectories touch, which no fixed graph can, every touched cell is evaluated here.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.diffusiondrive.sampled_cells import Projected, SampledAttention
from drivelab.agents.ego_mlp.policy import EgoMlpNetwork
from drivelab.agents.transfuser.fast import FastTransfuser
from drivelab.agents.transfuser.policy import TransfuserNetwork


class TracedEgoMlp(nn.Module):
    """`ego_status` (b, 8) -> `trajectory` (b, t, 3)."""

    def __init__(self, network: EgoMlpNetwork) -> None:
        super().__init__()
        self.mlp, self.poses = network._mlp, network.config.poses

    def forward(self, ego_status: Float[Tensor, "b 8"]) -> tuple[Float[Tensor, "b t 3"]]:
        """The plan."""
        return (self.mlp(ego_status).unflatten(-1, (self.poses, 3)),)


class TracedTransfuser(nn.Module):
    """Camera, lidar (not with `latent`), status -> `trajectory`."""

    def __init__(self, network: TransfuserNetwork) -> None:
        super().__init__()
        fast = FastTransfuser(network, packed=False)
        self.perception, self.head = fast.perception, fast.head

    def forward(self, *features: Tensor) -> tuple[Float[Tensor, "b t 3"]]:
        """The plan."""
        answers = self.perception(_named(features))[2]
        return (self.head(answers[:, :1]),)


class TracedDiffusionDrive(nn.Module):
    """Camera, lidar (not with `latent`), status, noise -> `trajectory`, `modes`, `mode_scores`."""

    def __init__(self, network: DiffusionDriveNetwork) -> None:
        super().__init__()
        self.fast = FastDiffusionDrive(network, packed=False)
        for layer in self.fast.head.layers:
            layer.bev = TracedAttention(layer.bev)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The plan, all modes, their logits."""
        *features, noise = tensors
        found = self.fast.plan(_named(features), noise=noise)
        return found["trajectory"], found["modes"], found["mode_scores"]


class TracedAttention(nn.Module):
    """`SampledAttention` that evaluates a cell once for each point that touches it."""

    def __init__(self, sampled: SampledAttention) -> None:
        super().__init__()
        self.sampled, self.cells, self.look = sampled, sampled.cells, sampled.look

    def forward(
        self,
        queries: Float[Tensor, "b m c"],
        points: Float[Tensor, "b m t 2"],
        frame: Projected,
    ) -> Float[Tensor, "b m c"]:
        """Queries with what lies under their points."""
        rows, shares = self.cells.corners(points)
        weights = self.sampled.attention_weights(queries).softmax(-1).flatten(0, 1)
        shares = (shares * weights[..., None]).flatten(1)
        values = self.sampled.values(frame.table, rows.flatten()).unflatten(0, rows.shape)
        taken = (shares[..., None] * values).sum(1)
        return self.sampled.output_proj(taken).view_as(queries) + queries


def _named(features: Sequence[Tensor]) -> dict[str, Tensor]:
    """Camera, lidar, status; or camera and status."""
    camera, *lidar, status = features
    found = {"camera_feature": camera, "status_feature": status}
    return {**found, "lidar_feature": lidar[0]} if lidar else found


TRACED = {
    "diffusiondrive": TracedDiffusionDrive,
    "transfuser": TracedTransfuser,
    "ego_mlp": TracedEgoMlp,
}
