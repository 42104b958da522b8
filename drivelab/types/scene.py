"""A scene: map, tracks, the recorded ego and its route about one moment in time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from drivelab.types.ego import PACIFICA, EgoTrajectory, VehicleParameters
from drivelab.types.lane_map import LaneMap
from drivelab.types.tracks import Tracks


class Command(IntEnum):
    """Driving command, numbered as OpenScene's one-hot vector."""

    LEFT = 0
    STRAIGHT = 1
    RIGHT = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class CameraFrame:
    """One picture with its calibration; camera axes are OpenCV's (x right, y down, z forward)."""

    image: np.ndarray  # (h, w, 3) uint8 RGB
    ego_from_cam_rotation: Float[np.ndarray, "3 3"]
    ego_from_cam_translation: Float[np.ndarray, "3"]
    intrinsic: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, "5"]


@runtime_checkable
class SensorData(Protocol):
    """Lazy access to the recorded sensors of a scene; frames are indexed like the scene's."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that are there."""

    @property
    def has_lidar(self) -> bool:
        """Whether lidar sweeps are there."""

    def camera(self, name: str, frame: int) -> CameraFrame:
        """Load one picture."""

    def lidar(self, frame: int) -> np.ndarray:
        """Load one sweep: (n, 6) float32 x, y, z, intensity, ring, lidar id in the ego frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What happened about one moment.

    `ego`, `tracks` and `red_lights` share their frames; frame `now` is the moment at which an agent
    is asked, earlier frames are history, later ones are the recorded future.
    """

    id: str
    source: str  # which reader made it: navsim, av2, nuscenes, labmini, ...
    log: str
    map: LaneMap
    ego: EgoTrajectory
    now: int
    tracks: Tracks
    route: tuple[str, ...]  # block ids
    red_lights: tuple[tuple[str, ...], ...] = ()  # red connector ids by frame
    command: Command = Command.UNKNOWN
    vehicle: VehicleParameters = PACIFICA
    sensors: SensorData | None = None
    licence: str = ""
    family: str = ""  # group of scenes for reports (labmini: straight, merge, ...)
    synthetic: bool = False  # a rendered second-stage scene (NAVSIM v2)
    # x, y, heading about the ego, lane changes drawn in, where a route is given as a line (CARLA's
    # leaderboards, routes of scenarios); drivers follow it, not a way of their own through blocks
    route_line: Float[np.ndarray, "m 3"] | None = None

    @property
    def time(self) -> int:
        """Time of the current frame [us]."""
        return int(self.ego.times[self.now])

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.ego)

    def without_future(self) -> Scene:
        """The scene cut after the current frame: what a map-and-boxes agent may see.

        Tracks that only appear later are left out altogether: even their number is the future.
        """
        stop = self.now + 1
        tracks = self.tracks.cut(0, stop)
        return replace(
            self,
            ego=self.ego.cut(0, stop),
            tracks=tracks.take(np.asarray(tracks.valid.any(axis=0), bool)),
            red_lights=self.red_lights[:stop],
        )
