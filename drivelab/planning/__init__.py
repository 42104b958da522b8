"""Planning rules as pure functions on arrays: IDM, lane changes, paths through the lane graph."""

from drivelab.kernels.idm import idm_acceleration_scalar
from drivelab.planning.centreline import LanePath, concatenate, lane_path
from drivelab.planning.idm import IDMParameters, idm_acceleration
from drivelab.planning.lane_change import (
    LaneChangeParameters,
    NeighbourGap,
    blend_paths,
    should_change_lane,
)
from drivelab.planning.speed import allowed_speed, path_curvature

__all__ = [
    "IDMParameters",
    "LaneChangeParameters",
    "LanePath",
    "NeighbourGap",
    "allowed_speed",
    "blend_paths",
    "concatenate",
    "idm_acceleration",
    "idm_acceleration_scalar",
    "lane_path",
    "path_curvature",
    "should_change_lane",
]
