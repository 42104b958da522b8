"""What the ego-status MLP can vary."""

from __future__ import annotations

from dataclasses import dataclass

from drivelab.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EgoMlpConfig:
    """The published network by default; it is small enough to need no other preset."""

    width: int = 512  # of the three hidden layers
    poses: int = 8  # planned
    dt: float = 0.5  # between poses [s]

    def __post_init__(self) -> None:
        for name in ("width", "poses"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"ego_mlp with {name}={value!r}: expected a whole number from 1")
        if not self.dt > 0:
            raise ConfigError(f"ego_mlp with dt={self.dt!r}: expected seconds above 0")
