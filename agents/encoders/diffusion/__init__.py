"""Diffusion backbones: DiG, linear in the tokens, and DiT, a transformer."""

from drivelab.agents.encoders.diffusion.backbone import DiffusionBackbone, guided
from drivelab.agents.encoders.diffusion.build import BACKBONES, build_backbone

__all__ = ["BACKBONES", "DiffusionBackbone", "build_backbone", "guided"]
