"""Image encoders and diffusion backbones, with the parameter names of their published weights."""

from drivelab.agents.encoders.build import ENCODERS, build_encoder, encoder_flops
from drivelab.agents.encoders.checkpoints import load_checkpoint
from drivelab.agents.encoders.features import Features, VisionEncoder
from drivelab.agents.encoders.flops import Flops

__all__ = [
    "ENCODERS",
    "Features",
    "Flops",
    "VisionEncoder",
    "build_encoder",
    "encoder_flops",
    "load_checkpoint",
]
