"""DiffusionDrive: truncated diffusion from anchored trajectories in two steps."""

from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig

__all__ = ["DiffusionDriveConfig"]
