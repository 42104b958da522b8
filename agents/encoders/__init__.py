"""Image encoders and diffusion backbones, with the parameter names of their published weights."""

from drivelab.errors import MissingExtra

try:
    from drivelab.agents.encoders.build import ENCODERS, build_encoder, encoder_flops
    from drivelab.agents.encoders.checkpoints import load_checkpoint
    from drivelab.agents.encoders.features import Features, VisionEncoder
    from drivelab.agents.encoders.flops import Flops
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), extra="nn") from error

__all__ = [
    "ENCODERS",
    "Features",
    "Flops",
    "VisionEncoder",
    "build_encoder",
    "encoder_flops",
    "load_checkpoint",
]
