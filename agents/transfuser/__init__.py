"""TransFuser: camera and lidar fused by attention, and one regressed trajectory."""

from drivelab.agents.transfuser.config import TransfuserConfig

__all__ = ["TransfuserConfig"]
