"""What a diffusion backbone can vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivelab.agents.encoders.vit import AttentionKind
from drivelab.errors import ConfigError

Skip = Literal["none", "linear", "zero"]
CYCLE = 4  # blocks after which DiG's order of tokens is the first one again


@dataclass(frozen=True, slots=True)
class DiffusionConfig:
    """Sizes that DiG and DiT share."""

    width: int  # channels of a token
    heads: int
    depth: int
    latent: int = 32  # edge of the latent [cell]
    channels: int = 4  # of the latent
    patch: int = 2
    classes: int = 1000
    class_dropout: float = 0.1  # in training

    @property
    def edge(self) -> int:
        """Tokens along one edge."""
        return self.latent // self.patch


@dataclass(frozen=True, slots=True)
class DiTConfig(DiffusionConfig):
    """A published DiT is one of these."""

    attention: AttentionKind = "sdpa"


@dataclass(frozen=True, slots=True)
class DiGConfig(DiffusionConfig):
    """A published DiG is one of these."""

    skip: Skip = "none"  # from early to late blocks; "zero" starts as if there were none
    backend: str = "auto"  # of the scan

    def __post_init__(self) -> None:
        if self.depth % CYCLE:
            raise ConfigError(
                f"DiG with depth={self.depth}: expected a multiple of {CYCLE}, after which its "
                "tokens are in their first order again"
            )
