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
_COUNTS = ("width", "hidden", "layers", "heads", "bins", "value_width")


@dataclass(frozen=True, slots=True)
class RadConfig:
    """Sizes; the defaults are the paper's where it gives them (widths), DETR's where it does not.

    There is no dropout: the ratios of PPO compare one network with an older copy of itself.
    """

    width: int = 256  # of tokens, queries and the state of the plan
    hidden: int = 1024  # of the layers between them
    layers: int = 3  # of the cascaded decoder
    heads: int = 8
    bins: int = 61  # actions of each axis
    value_width: int = 256  # of the hidden layer of the two value heads

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"rad with {name}={value!r}: expected a whole number from 1 on")
        if self.width % self.heads:
            raise ConfigError(f"rad with width={self.width}: expected a multiple of {self.heads}")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> RadConfig:
        """One of `presets()`, with some fields changed.

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
        return replace(cls(**PRESETS[name]), **changes)

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Changes to the full sizes by name."""
        return PRESETS
