"""What a diffusion backbone can vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from drivelab.agents.encoders.options import (
    SCANS,
    check_choice,
    check_counts,
    check_share,
    refuse,
)
from drivelab.agents.encoders.vit import AttentionKind

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

    def __post_init__(self) -> None:
        check_counts(self, "width", "heads", "depth", "latent", "channels", "patch", "classes")
        check_share(self, "class_dropout", whole=True)
        if self.width % self.heads or self.width % 4:
            raise refuse(
                self,
                ["width", "heads"],
                "heads to divide width, and 4, the parts of its table of positions, too",
            )
        if self.latent % self.patch:
            raise refuse(self, ["latent", "patch"], "patch to divide latent")

    @property
    def edge(self) -> int:
        """Tokens along one edge."""
        return self.latent // self.patch


@dataclass(frozen=True, slots=True)
class DiTConfig(DiffusionConfig):
    """A published DiT is one of these."""

    attention: AttentionKind = "sdpa"

    def __post_init__(self) -> None:
        DiffusionConfig.__post_init__(self)  # with slots, super() finds another class
        check_choice(self, "attention", get_args(AttentionKind))


@dataclass(frozen=True, slots=True)
class DiGConfig(DiffusionConfig):
    """A published DiG is one of these."""

    skip: Skip = "none"  # from early to late blocks; "zero" starts as if there were none
    backend: str = "auto"  # of the scan

    def __post_init__(self) -> None:
        DiffusionConfig.__post_init__(self)
        check_choice(self, "skip", get_args(Skip))
        check_choice(self, "backend", SCANS)
        if self.width % (2 * self.heads):
            raise refuse(self, ["width", "heads"], "heads to divide half the width, that of keys")
        if self.depth % CYCLE:
            expected = f"a multiple of {CYCLE}, after which its tokens are in their first order"
            raise refuse(self, ["depth"], f"{expected} again")
