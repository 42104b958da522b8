"""The recorded driver, replayed: the upper bound that a log itself gives."""

from drivelab.agents.human.agent import Human

__all__ = ["Human"]
