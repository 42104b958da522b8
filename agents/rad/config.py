"""What RAD can vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from drivelab.errors import ConfigError, nearest_name

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "full": {},
    "mini": {"width": 64, "hidden": 128, "layers": 2, "heads": 4, "value_width": 64},
}
# Channels and blocks of the maps of pictures, by their encoder and the preset
IMAGE_SIZES: Mapping[str, Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "slim": {"full": ((64, 128, 256), ()), "mini": ((16, 24, 48), ())},
    "resnet": {"full": ((64, 128, 256), (2, 2, 2)), "mini": ((16, 32, 64), (1, 1, 1))},
    "vig_h": {
        "full": ((96, 192, 384, 768), (2, 2, 5, 2)), "mini": ((32, 64, 128, 256), (1, 1, 1, 1)),
    },
}  # fmt: skip
ENCODERS = ("vector", "image")
_COUNTS = ("width", "hidden", "layers", "heads", "bins", "value_width")


@dataclass(frozen=True, slots=True)
class RadConfig:
    """Sizes; the defaults are the paper's where it gives them (widths), DETR's where it does not.

    There is no dropout: the ratios of PPO compare one network with an older copy of itself. What
    `encoder="vector"` has no use for stays empty.
    """

    width: int = 256  # of tokens, queries and the state of the plan
    hidden: int = 1024  # of the layers between them
    layers: int = 3  # of the cascaded decoder
    heads: int = 8
    bins: int = 61  # actions of each axis
    value_width: int = 256  # of the hidden layer of the two value heads
    encoder: str = "vector"  # one of ENCODERS: what the scene is seen as
    cameras: tuple[str, ...] = ()  # of the encoder "image", in the order of its pictures
    pixels: tuple[int, ...] = ()  # width and height of each picture
    rig: str = ""  # whose cameras they are
    image_widths: tuple[int, ...] = ()  # channels of its maps, each of half the resolution
    image_encoder: str = "slim"  # what makes the maps, one of IMAGE_SIZES
    image_depths: tuple[int, ...] = ()  # blocks of each map of "resnet" and "vig_h"

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"rad with {name}={value!r}: expected a whole number from 1 on")
        if self.width % self.heads:
            raise ConfigError(f"rad with width={self.width}: expected a multiple of {self.heads}")
        if self.encoder not in ENCODERS:
            raise ConfigError(
                f"rad with encoder={self.encoder!r}: expected one of {', '.join(ENCODERS)}"
                f"{nearest_name(str(self.encoder), ENCODERS)}"
            )
        if self.encoder == "image":
            self._check_pictures()

    def _check_pictures(self) -> None:
        """Refuse pictures that no map can be made of."""
        if self.image_encoder not in IMAGE_SIZES:
            raise ConfigError(
                f"rad with image_encoder={self.image_encoder!r}: expected one of "
                f"{', '.join(IMAGE_SIZES)}{nearest_name(str(self.image_encoder), IMAGE_SIZES)}"
            )
        whole = all(type(size) is int and size >= 1 for size in (*self.pixels, *self.image_widths))
        if not (whole and self.cameras and self.image_widths and len(self.pixels) == 2):
            raise ConfigError(
                f"rad with encoder=image, cameras={self.cameras}, pixels={self.pixels}, "
                f"image_widths={self.image_widths}: expected names of cameras, the width and "
                "height of their pictures, and channels, all from 1 on"
            )
        maps = {"slim": None, "resnet": 3, "vig_h": 4}[self.image_encoder]
        counts = all(type(depth) is int and depth >= 1 for depth in self.image_depths)
        sizes = (len(self.image_widths), len(self.image_depths))
        if not counts or sizes != ((sizes[0], 0) if maps is None else (maps, maps)):
            raise ConfigError(
                f"rad with image_encoder={self.image_encoder}, image_widths={self.image_widths}, "
                f"image_depths={self.image_depths}: expected "
                f"{'no depths' if maps is None else f'{maps} of each'}, whole numbers from 1 on"
            )
        if min(self.pixels) < 2**self.halvings:
            raise ConfigError(
                f"rad with pixels={self.pixels}: the last map, {self.halvings} times of half the "
                f"resolution, takes {2**self.halvings} pixels and more a side"
            )

    @property
    def halvings(self) -> int:
        """How often the resolution of pictures is halved until the last map that is read."""
        # the others than the slim one begin at a quarter, and a ViG-H's fourth map is not made
        return {"slim": 0, "resnet": 1, "vig_h": 0}[self.image_encoder] + len(self.image_widths)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> RadConfig:
        """One of `presets()`, with some fields changed; `encoder="image"` has widths of its own.

        Raises:
            ConfigError: no such preset or field.
        """
        if name not in PRESETS:
            raise ConfigError(
                f"no preset {name!r}{nearest_name(name, PRESETS)}; there are: {', '.join(PRESETS)}"
            )
        known = [field.name for field in fields(cls)]
        for key in changes:
            if key not in known:
                raise ConfigError(
                    f"rad has no option {key!r}{nearest_name(key, known)}; "
                    f"it knows: {', '.join(known)}"
                )
        sizes = IMAGE_SIZES.get(changes.get("image_encoder", "slim"))
        if changes.get("encoder") == "image" and sizes is not None:
            widths, depths = sizes[name]
            changes = {"image_widths": widths, "image_depths": depths, **changes}
        return replace(cls(**PRESETS[name]), **changes)

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Changes to the full sizes by name."""
        return PRESETS
