"""A deterministic generator of small road worlds, their traffic and a good human driver."""

from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.generator.scenes import generate_log, generate_scene

__all__ = ["FAMILIES", "generate_log", "generate_scene"]
