"""Inference without what inference does not need; the plans stay those of the plain networks.

Batch norms are folded into the convolutions before them, at the last scale only the lidar half of
the fusion is computed, and of the query decoder everything that no input changes is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.encoders.grids import to_map
from drivelab.agents.transfuser.backbone import Backbone
from drivelab.agents.transfuser.folded import FoldedConvolution, FoldedTrunk, can_pack
from drivelab.agents.transfuser.inputs import check_features
from drivelab.agents.transfuser.packed_linear import pack_linears
from drivelab.agents.transfuser.perception import Perception
from drivelab.agents.transfuser.policy import TransfuserNetwork
from drivelab.agents.transfuser.trunk import ResNetTrunk, ViGHTrunk


def folded(trunk: ResNetTrunk | ViGHTrunk, *, packed: bool | None = None) -> nn.Module:
    """A copy for inference; `packed` as for `FoldedConvolution`, by default where that can be."""
    if isinstance(trunk, ViGHTrunk):
        return copy.deepcopy(trunk).eval()
    choice = can_pack(trunk.conv1.weight) if packed is None else packed
    return FoldedTrunk(trunk, packed=choice)


class FastBackbone(nn.Module):
    """The maps of `Backbone` from folded encoders."""

    def __init__(self, backbone: Backbone, *, packed: bool | None = None) -> None:
        super().__init__()
        self.plain = copy.deepcopy(backbone).eval()
        self.plain.image_encoder = folded(backbone.image_encoder, packed=packed)
        self.plain.lidar_encoder = folded(backbone.lidar_encoder, packed=packed)
        if can_pack(backbone.up_conv4.weight) if packed is None else packed:
            pack_linears(self.plain.transformers)
            for name in ("up_conv5", "up_conv4"):
                layer = FoldedConvolution(getattr(self.plain, name), None, packed=True)
                setattr(self.plain, name, layer)
        self.last = len(backbone.transformers) - 1

    def forward(
        self, camera: Float[Tensor, "b 3 h w"], lidar: Float[Tensor, "b 1 i j"] | None
    ) -> tuple[Float[Tensor, "b c y x"], Float[Tensor, "b d v u"]]:
        """The coarse map and the fine one."""
        plain = self.plain
        if plain.config.latent:
            lidar = plain.lidar_latent.expand(len(camera), -1, -1, -1)
        image_map = plain.image_encoder.stem(camera)
        lidar_map = plain.lidar_encoder.stem(lidar)
        for index in range(self.last):
            image_map = plain.image_encoder.stage(index, image_map)
            lidar_map = plain.lidar_encoder.stage(index, lidar_map)
            image_map, lidar_map = self._fused(index, image_map, lidar_map)
        image_map = plain.image_encoder.stage(self.last, image_map)
        lidar_map = plain.lidar_encoder.stage(self.last, lidar_map)
        coarse = lidar_map + self._seen(image_map, lidar_map)
        return coarse, plain.fine(coarse)

    def _fused(
        self, index: int, image_map: Float[Tensor, "b c h w"], lidar_map: Float[Tensor, "b d i j"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b d i j"]]:
        """`Backbone.fuse` with channels last all the way: sums of mixed layouts are slow."""
        plain = self.plain
        transformer = plain.transformers[index]
        tokens = transformer.ln_f(
            transformer.blocks(transformer._tokens(*plain.pooled(index, image_map, lidar_map)))
        )
        sizes = plain.config.image_cells, plain.config.lidar_cells
        split = tokens.split([rows * columns for rows, columns in sizes], 1)
        to_image, to_lidar = (
            to_map(part, size).contiguous(memory_format=torch.channels_last)
            for part, size in zip(split, sizes, strict=True)
        )
        to_lidar = plain.img_channel_to_lidar[index](to_lidar)
        return plain._added(image_map, to_image), plain._added(lidar_map, to_lidar)

    def _seen(
        self, image_map: Float[Tensor, "b c h w"], lidar_map: Float[Tensor, "b d i j"]
    ) -> Float[Tensor, "b d i j"]:
        tokens = self.plain.pooled(self.last, image_map, lidar_map)
        to_lidar = self.plain.transformers[self.last].lidar_only(*tokens)
        return self.plain.img_channel_to_lidar[self.last](to_lidar)


class FastDecoder(nn.Module):
    """The query decoder; what the queries see of each other in the first layer is a constant."""

    begun: Tensor

    def __init__(self, network: Perception) -> None:
        super().__init__()
        self.layers = copy.deepcopy(network._tf_decoder.layers).eval()
        queries, first = network._query_embedding.weight[None], self.layers[0]
        with torch.no_grad():
            begun = first.norm1(queries + first.self_attn(queries, queries, queries)[0])
        self.register_buffer("begun", begun)

    def forward(self, keys: Float[Tensor, "b n c"]) -> Float[Tensor, "b q c"]:
        """Ego and agent queries behind the decoder."""
        x = self.begun.expand(len(keys), -1, -1)
        for index, layer in enumerate(self.layers):
            if index:
                x = layer.norm1(x + layer.self_attn(x, x, x, need_weights=False)[0])
            x = layer.norm2(x + layer.multihead_attn(x, keys, keys, need_weights=False)[0])
            x = layer.norm3(x + layer.linear2(F.relu(layer.linear1(x))))
        return x


class FastPerception(nn.Module):
    """Keys, fine map and queries of `Perception`, of the weights as they are when it is made."""

    def __init__(self, network: Perception, *, packed: bool | None = None) -> None:
        super().__init__()
        self.needs = network.needs()
        self.backbone = FastBackbone(network._backbone, packed=packed)
        self.decoder = FastDecoder(network)
        parts = ("_bev_downscale", "_status_encoding", "_keyval_embedding")
        self.parts = nn.ModuleDict({name: copy.deepcopy(getattr(network, name)) for name in parts})

    def forward(
        self, features: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b d v u"], Float[Tensor, "b q c"]]:
        """Keys, fine map and queries; `features` are known to be what the network needs."""
        coarse, fine = self.backbone(features["camera_feature"], features.get("lidar_feature"))
        cells = self.parts["_bev_downscale"](coarse).flatten(2).transpose(1, 2)
        told = self.parts["_status_encoding"](features["status_feature"])[:, None]
        keys = torch.cat([cells, told], 1) + self.parts["_keyval_embedding"].weight
        return keys, fine, self.decoder(keys)


class FastTransfuser(nn.Module):
    """The plan of a TransFuser, and nothing beside it; `packed=False` for export."""

    def __init__(self, network: TransfuserNetwork, *, packed: bool | None = None) -> None:
        super().__init__()
        self.config = network.config
        self.perception = FastPerception(network, packed=packed)
        self.head = copy.deepcopy(network._trajectory_head)
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`trajectory` (b, t, 3)."""
        check_features(features, self.perception.needs)
        return self.plan(features)

    def drawn(self, rows: int) -> dict[str, Tensor]:
        """What `plan` takes beside the features: nothing."""
        return {}

    def plan(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`forward` without checks: nothing in it waits for the device."""
        return {"trajectory": self.head(self.perception(features)[2][:, :1])}
