"""VADv2: a distribution over a vocabulary of recorded trajectories."""

from drivelab.agents.vadv2.config import VadV2Config

__all__ = ["VadV2Config"]
