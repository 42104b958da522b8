"""What networks that see by cameras and lidar, as TransFuser does, can vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from drivelab.errors import ConfigError, nearest_name

Config = TypeVar("Config", bound="SceneConfig")
ENCODERS = ("resnet", "vig_h")
DOWNSAMPLING = 32  # pixels from one cell of the coarsest map to the next
_COUNTS = (
    "fusion_layers", "fusion_heads", "fusion_expansion", "bev_channels", "width", "hidden",
    "decoder_layers", "heads", "agents", "semantic_classes", "poses",
)  # fmt: skip

MINI: Mapping[str, Any] = {
    "camera": (128, 512),
    "image_widths": (16, 32, 64, 128),
    "image_depths": (2, 2, 2, 2),
    "lidar_widths": (16, 32, 64, 128),
    "lidar_depths": (1, 1, 1, 1),
    "fusion_layers": 1,
    "fusion_expansion": 2,
    "bev_channels": 32,
    "width": 96,
    "decoder_layers": 2,
    "hidden": 192,
}


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """Sizes of inputs, encoders, fusion and queries; the defaults are the published ones."""

    camera: tuple[int, int] = (256, 1024)  # height and width of the stitched image [pixels]
    lidar: tuple[int, int] = (256, 256)  # rows (forward) and columns (left) of the histogram
    lidar_range: float = 32.0  # of the histogram to each side of the ego [m]
    latent: bool = False  # a learned tensor in the histogram's place ("LTF")
    image_encoder: str = "resnet"  # one of ENCODERS
    image_widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    image_depths: tuple[int, int, int, int] = (3, 4, 6, 3)
    lidar_widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    lidar_depths: tuple[int, int, int, int] = (3, 4, 6, 3)
    fusion_layers: int = 2  # blocks at each of the four scales
    fusion_heads: int = 4
    fusion_expansion: int = 4
    fusion_dropout: float = 0.1
    bev_channels: int = 64  # of the fine map
    width: int = 256  # of queries, keys and values
    hidden: int = 1024  # of the layers between them
    decoder_layers: int = 3
    heads: int = 8
    agents: int = 30  # road users detected at most
    semantic_classes: int = 7
    poses: int = 8  # planned
    dt: float = 0.5  # between poses [s]
    agent_class_weight: float = 10.0
    agent_box_weight: float = 1.0
    bev_semantic_weight: float = 10.0
    trajectory_weight: float = 10.0

    def __post_init__(self) -> None:
        for name in ("camera", "lidar"):
            self._require(
                name,
                all(
                    size >= DOWNSAMPLING and size % DOWNSAMPLING == 0 for size in self._whole(name)
                ),
                f"multiples of {DOWNSAMPLING}",
            )
        for name in ("image_widths", "image_depths", "lidar_widths", "lidar_depths"):
            self._require(name, len(self._whole(name)) == 4, "one number for each of 4 stages")
        for name in _COUNTS:
            self._whole(name)
        self._choice("image_encoder", ENCODERS)
        self._require("latent", isinstance(self.latent, bool), "true or false")
        self._require("dt", self.dt > 0, "seconds above 0")
        heads_fit = all(width % self.fusion_heads == 0 for width in self.image_widths)
        self._require("image_widths", heads_fit, f"multiples of fusion_heads={self.fusion_heads}")
        self._require("width", self.width % (2 * self.heads) == 0, "a multiple of twice the heads")
        doubling = all(
            self.image_widths[stage] == self.image_widths[0] << stage for stage in range(4)
        )
        fits = self.image_encoder == "resnet" or doubling
        self._require("image_widths", fits, "each twice the one before, for vig_h")

    @classmethod
    def preset(cls: type[Config], name: str, **changes: Any) -> Config:
        """One of `presets()`, with some fields changed."""
        presets = cls.presets()
        if name not in presets:
            raise ConfigError(
                f"no preset {name!r}{nearest_name(name, presets)}; there are: {', '.join(presets)}"
            )
        known = [field.name for field in fields(cls)]
        for key in changes:
            if key not in known:
                raise ConfigError(
                    f"{cls.__name__} has no option {key!r}{nearest_name(key, known)}; "
                    f"it knows: {', '.join(known)}"
                )
        return replace(cls(**presets[name]), **changes)

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Changes to the published sizes by name."""
        return {"full": {}, "mini": MINI}

    @property
    def image_cells(self) -> tuple[int, int]:
        """Rows and columns of the coarsest image map."""
        return self.camera[0] // DOWNSAMPLING, self.camera[1] // DOWNSAMPLING

    @property
    def lidar_cells(self) -> tuple[int, int]:
        """Rows and columns of the coarsest lidar map, the coarse BEV."""
        return self.lidar[0] // DOWNSAMPLING, self.lidar[1] // DOWNSAMPLING

    @property
    def fine_cells(self) -> tuple[int, int]:
        """Rows and columns of the fine BEV map."""
        return self.lidar[0] // 4, self.lidar[1] // 4

    @property
    def semantic_cells(self) -> tuple[int, int]:
        """Rows (the half in front of the ego) and columns of the BEV semantic raster."""
        return self.lidar[0] // 2, self.lidar[1]

    def _whole(self, name: str) -> tuple[int, ...]:
        value = getattr(self, name)
        counts = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        ok = all(type(count) is int and count >= 1 for count in counts)
        self._require(name, ok, "whole numbers from 1 on")
        return counts

    def _choice(self, name: str, known: Sequence[str]) -> None:
        value = getattr(self, name)
        near = nearest_name(str(value), known)
        self._require(name, value in known, f"one of {', '.join(known)}{near}")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(
                f"{type(self).__name__} with {name}={getattr(self, name)!r}: expected {expected}"
            )
