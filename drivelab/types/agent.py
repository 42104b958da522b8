"""What an agent asks for, sees and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from drivelab.types.scene import CameraFrame, Command, Scene


class Privilege(StrEnum):
    """How much of the truth an agent sees besides its sensors; printed beside every score."""

    NONE = "none"  # ego status, command and sensors
    STATE = "state"  # also the map and the boxes up to now
    FUTURE = "future"  # also the recorded future (upper bounds only)


@dataclass(frozen=True, slots=True)
class SensorRig:
    """What an agent asks to observe."""

    cameras: tuple[str, ...] = ()
    lidar: bool = False
    history: int = 4  # frames of ego status up to now, and of the sensors below
    sensor_frames: int = 1  # latest frames for which cameras and lidar are loaded
    pixels: tuple[int, int] | None = None  # width and height that pictures must have; None: any
    vector: bool = False  # the surroundings as numbers; closed loops of the native world only
    privilege: Privilege = Privilege.NONE


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What one agent sees of one scene.

    Ego poses are relative to the current rear axle (last row is 0), velocities and accelerations
    in the ego frame. `images` and `lidar` are lists over the latest `sensor_frames` frames.
    `vector` is the present moment in the layout `drivelab.kernels.world.observe_ego.EGO_LAYOUT`,
    where the rig asks for it.
    """

    scene_id: str
    time: int  # [us]
    command: Command
    ego_times: Float[np.ndarray, " h"]  # [s], 0 = now
    ego_poses: Float[np.ndarray, "h 3"]
    ego_velocities: Float[np.ndarray, "h 2"]
    ego_accelerations: Float[np.ndarray, "h 2"]
    images: Mapping[str, Sequence[CameraFrame]] = field(default_factory=dict)
    lidar: Sequence[np.ndarray] = ()
    vector: Float32[np.ndarray, " f"] | None = None
    scene: Scene | None = None  # only as far as the rig's privilege allows


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Future rear-axle poses in the current ego frame, at dt, 2 dt, ... (the present is left out).

    `modes` and `probabilities` are optional alternatives; `notes` holds what the agent wants to
    show in a report (numbers, strings, small arrays).
    """

    poses: Float[np.ndarray, "t 3"]
    dt: float = 0.5  # [s]
    modes: Float[np.ndarray, "k t 3"] | None = None
    probabilities: Float[np.ndarray, " k"] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Agent(Protocol):
    """Acts: observations of a batch of scenes -> one plan each.

    An agent that remembers may also have `reset(scene_ids, *, seed)`. A closed loop calls it before
    the first step of a batch of episodes; afterwards `Observation.scene_id` tells them apart, and
    episodes that have ended are no longer asked about.

    One whose plans are no way for a tracker, such as single steps of motion, may say `controller`:
    the one that closed loops drive it by unless they are told another (`bench.controller=auto`).
    """

    rig: SensorRig

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Plan for every observation of the batch, in order."""
