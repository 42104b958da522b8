"""What DiffusionDrive can vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivelab.agents.learned.config import MINI, SceneConfig

DIFFUSIONS = ("truncated", "vanilla")
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class DiffusionDriveConfig(SceneConfig):
    """The published network by default (arXiv 2411.15139, NAVSIM), 60.7 M parameters."""

    modes: int = 20  # anchors, and trajectories planned at once
    head_layers: int = 2  # of the diffusion decoder
    head_dropout: float = 0.1
    diffusion: str = "truncated"  # or "vanilla": from pure noise, for comparison
    denoise_steps: int = 2  # of truncated diffusion
    vanilla_steps: int = 20
    noise_seed: int | None = 0  # of the noise at inference; null: another plan each time
    noise_share: float = 1.0  # of the published noise on the anchors, taught and at inference
    draws: int = 1  # of truncated noise per scene and update; one mode of each teaches distance
    bev_semantic_weight: float = 14.0
    trajectory_weight: float = 12.0
    mode_class_weight: float = 10.0  # inside the trajectory loss
    mode_box_weight: float = 8.0

    def __post_init__(self) -> None:
        # the zero-argument form of super() does not survive slots=True
        super(DiffusionDriveConfig, self).__post_init__()
        for name in ("modes", "head_layers", "denoise_steps", "vanilla_steps", "draws"):
            self._whole(name)
        self._choice("diffusion", DIFFUSIONS)
        seed = self.noise_seed
        drawn = seed is None or (type(seed) is int and 0 <= seed <= LARGEST_SEED)
        self._require("noise_seed", drawn, f"0 to {LARGEST_SEED}, or null")
        self._require("denoise_steps", self.denoise_steps <= 20, "at most 20")
        self._require("noise_share", 0 <= self.noise_share <= 1, "0 to 1")
        self._require("vanilla_steps", self.vanilla_steps <= 1000, "at most 1000")

    @property
    def noise_deviation(self) -> float:
        """Standard deviation of the noise that the head is given, in units of the published one.

        Pure noise, from which vanilla diffusion starts, has no less of it.
        """
        return 1.0 if self.diffusion == "vanilla" else self.noise_share

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """The small one sees few scenes an update: it learns more from each.

        Its head is too narrow to take noise of 0.8 m off each of 16 numbers in so few updates (it
        leaves most of it in the plan), but copes with a third of that.
        """
        return {"full": {}, "mini": {**MINI, "draws": 8, "noise_share": 0.3}}
