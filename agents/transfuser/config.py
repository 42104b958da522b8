"""What TransFuser can vary."""

from __future__ import annotations

from dataclasses import dataclass

from drivelab.agents.learned.config import SceneConfig


@dataclass(frozen=True, slots=True)
class TransfuserConfig(SceneConfig):
    """TransFuser as NAVSIM trains it (arXiv 2205.15997, 2406.15349)."""
