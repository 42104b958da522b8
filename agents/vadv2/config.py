"""What VADv2 can vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivelab.agents.learned.config import MINI, SceneConfig

PLANNINGS = ("probabilistic", "deterministic")
SPREAD = 1 / 3  # of the taught distribution, in ways between neighbours; see `taught_spread`
CHOICES = ("argmax", "sample", "mean")


@dataclass(frozen=True, slots=True)
class VadV2Config(SceneConfig):
    """VADv2's planning (arXiv 2402.13243) on TransFuser's sight; the vocabulary is the paper's."""

    planning: str = "probabilistic"  # or "deterministic": the twin, one plan by regression
    entries: int = 4096  # trajectories of the vocabulary
    sampled: int = 256  # of them that teach a scene in one update, the nearest always
    waves: int = 128  # sines and cosines of each coordinate of an entry
    frames: int = 1  # looked at together, this one and earlier ones; 4 in the paper
    modes: int = 20  # most probable entries that a plan tells of
    choice: str = "argmax"  # of the distribution: the entry, "sample", or "mean" of neighbours
    sample_seed: int | None = 0  # of "sample"; null: another entry each time
    label_spread: float = SPREAD  # in ways between neighbours, never below 0.25 m; 0: the nearest
    distribution_weight: float = 10.0
    conflict_weight: float = 10.0

    def __post_init__(self) -> None:
        # the zero-argument form of super() does not survive slots=True
        super(VadV2Config, self).__post_init__()
        for name in ("entries", "sampled", "waves", "frames", "modes"):
            self._whole(name)
        self._require("planning", self.planning in PLANNINGS, f"one of {PLANNINGS}")
        self._require("choice", self.choice in CHOICES, f"one of {CHOICES}")
        self._require("waves", self.waves % 2 == 0, "an even number")
        self._require("entries", self.entries >= 2, "2 or more")
        self._require("label_spread", self.label_spread >= 0, "0 or more")
        for name in ("distribution_weight", "conflict_weight"):
            self._require(name, getattr(self, name) >= 0, "0 or more")

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """The small one has seen too few drives for more entries; it drives between them."""
        small = {"entries": 256, "waves": 16, "choice": "mean"}
        return {"full": {}, "mini": {**MINI, **small}}
