"""RAD: a planner over 61 x 61 pieces of motion, made for reinforcement learning in closed loop."""

from drivelab.agents.rad.config import RadConfig

__all__ = ["RadConfig"]
