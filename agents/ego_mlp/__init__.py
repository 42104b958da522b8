"""Ego-status MLP: plans from speed, acceleration and command alone, blind to the scene."""

from drivelab.agents.ego_mlp.config import EgoMlpConfig

__all__ = ["EgoMlpConfig"]
