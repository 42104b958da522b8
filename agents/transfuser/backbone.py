"""Two encoders, camera and lidar, that look at each other after every stage."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.learned.config import SceneConfig
from drivelab.agents.transfuser.fusion import FusionTransformer
from drivelab.agents.transfuser.trunk import make_trunk

LATENT_STD = 0.02


def resize(cells: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c i j"]:
    """Bilinear interpolation, pixels as areas."""
    return F.interpolate(cells, size=size, mode="bilinear", align_corners=False)


def pool(cells: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c i j"]:
    """Means over equal areas."""
    return cells if tuple(cells.shape[2:]) == size else F.adaptive_avg_pool2d(cells, size)


class Backbone(nn.Module):
    """TransFuser's backbone (arXiv 2205.15997): a coarse and a fine map from a bird's eye."""

    def __init__(self, config: SceneConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = make_trunk(
            config.image_encoder, 3, widths=config.image_widths, depths=config.image_depths
        )
        if config.latent:
            self.lidar_latent = nn.Parameter(LATENT_STD * torch.randn(1, 1, *config.lidar))
        self.lidar_encoder = make_trunk(
            "resnet", 1, widths=config.lidar_widths, depths=config.lidar_depths
        )
        self.transformers = nn.ModuleList(
            FusionTransformer(
                width,
                config.image_cells,
                config.lidar_cells,
                layers=config.fusion_layers,
                heads=config.fusion_heads,
                expansion=config.fusion_expansion,
                dropout=config.fusion_dropout,
            )
            for width in config.image_widths
        )
        pairs = list(zip(config.image_widths, config.lidar_widths, strict=True))
        self.lidar_channel_to_img = nn.ModuleList(nn.Conv2d(of, to, 1) for to, of in pairs)
        self.img_channel_to_lidar = nn.ModuleList(nn.Conv2d(of, to, 1) for of, to in pairs)
        fine = config.bev_channels
        self.up_conv5 = nn.Conv2d(fine, fine, 3, padding=1)
        self.up_conv4 = nn.Conv2d(fine, fine, 3, padding=1)
        self.c5_conv = nn.Conv2d(config.lidar_widths[-1], fine, 1)

    def forward(
        self, camera: Float[Tensor, "b 3 h w"], lidar: Float[Tensor, "b 1 i j"] | None
    ) -> tuple[Float[Tensor, "b c y x"], Float[Tensor, "b d v u"]]:
        """The coarse map (stride 32 of the histogram) and the fine one (stride 4)."""
        if self.config.latent:
            lidar = self.lidar_latent.expand(len(camera), -1, -1, -1)
        image_map = self.image_encoder.stem(camera)
        lidar_map = self.lidar_encoder.stem(lidar)
        for index in range(len(self.transformers)):
            image_map = self.image_encoder.stage(index, image_map)
            lidar_map = self.lidar_encoder.stage(index, lidar_map)
            image_map, lidar_map = self.fuse(index, image_map, lidar_map)
        return lidar_map, self.fine(lidar_map)

    def fuse(
        self, index: int, image_map: Float[Tensor, "b c h w"], lidar_map: Float[Tensor, "b d i j"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b d i j"]]:
        """Add to both maps what their cells take from each other at this scale."""
        to_image, to_lidar = self.transformers[index](*self.pooled(index, image_map, lidar_map))
        to_lidar = self.img_channel_to_lidar[index](to_lidar)
        return self._added(image_map, to_image), self._added(lidar_map, to_lidar)

    def pooled(
        self, index: int, image_map: Float[Tensor, "b c h w"], lidar_map: Float[Tensor, "b d i j"]
    ) -> tuple[Float[Tensor, "b c y x"], Float[Tensor, "b c v u"]]:
        """Both maps with the cells of the coarsest and the channels of the image."""
        lidar_cells = pool(lidar_map, self.config.lidar_cells)
        return (
            pool(image_map, self.config.image_cells),
            self.lidar_channel_to_img[index](lidar_cells),
        )

    def fine(self, coarse: Float[Tensor, "b c y x"]) -> Float[Tensor, "b d v u"]:
        """From the coarsest map back to stride 4, as in a feature pyramid."""
        rows, columns = self.config.lidar_cells
        cells = F.relu(self.c5_conv(coarse))
        cells = F.relu(self.up_conv5(resize(cells, (2 * rows, 2 * columns))))
        return F.relu(self.up_conv4(resize(cells, self.config.fine_cells)))

    def _added(
        self, cells: Float[Tensor, "b c h w"], coarse: Float[Tensor, "b c y x"]
    ) -> Float[Tensor, "b c h w"]:
        return cells + resize(coarse, (cells.shape[2], cells.shape[3]))
