"""The nouns that modules hand to each other: frozen data, no behaviour."""

from drivelab.types.agent import Agent, Observation, Plan, Privilege, SensorRig
from drivelab.types.ego import (
    PACIFICA,
    STATE_SIZE,
    EgoTrajectory,
    StateColumn,
    VehicleParameters,
)
from drivelab.types.lane_map import (
    Area,
    AreaKind,
    Block,
    Lane,
    LaneMap,
    TrafficControl,
    Window,
)
from drivelab.types.rollout import Rollout
from drivelab.types.scene import CameraFrame, Command, Scene, SensorData
from drivelab.types.stage import StageEntry
from drivelab.types.tracks import AGENT_KINDS, KINDS, STATIC_KINDS, Tracks

__all__ = [
    "AGENT_KINDS",
    "KINDS",
    "PACIFICA",
    "STATE_SIZE",
    "STATIC_KINDS",
    "Agent",
    "Area",
    "AreaKind",
    "Block",
    "CameraFrame",
    "Command",
    "EgoTrajectory",
    "Lane",
    "LaneMap",
    "Observation",
    "Plan",
    "Privilege",
    "Rollout",
    "Scene",
    "SensorData",
    "SensorRig",
    "StageEntry",
    "StateColumn",
    "Tracks",
    "TrafficControl",
    "VehicleParameters",
    "Window",
]
