"""Constant velocity: straight ahead at the present speed."""

from drivelab.agents.constant_velocity.agent import ConstantVelocity

__all__ = ["ConstantVelocity"]
