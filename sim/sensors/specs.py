"""What a vehicle carries: cameras and lidars as numbers.

The ego frame has its origin on the ground below the middle of the rear axle, x forward, y left,
z up; a camera's axes are OpenCV's (x right, y down, z forward); a lidar's are x forward, y left,
z up where its own mount does not turn it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from drivelab.data.array_store import LATER
from drivelab.errors import ConfigError, nearest_name

CAMERA_MODELS = ("pinhole", "fisheye")
INTENSITY_MODELS = ("material", "attenuation")


@dataclass(frozen=True, slots=True)
class Noise:
    """What a camera's electronics add, in linear light with 1 = white.

    Attributes:
        read: standard deviation of what is there even in the dark.
        shot: variance per unit of light; 1 / shot is the number of electrons at white.
    """

    read: float = 0.0
    shot: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class CameraSpec:
    """One camera.

    Attributes:
        name: as agents ask for it.
        width: of its pictures [px].
        height: of its pictures [px].
        intrinsic: fx, fy, cx, cy [px]; (0, 0) is the upper left corner of the picture.
        distortion: k1 k2 p1 p2 k3 as OpenCV orders them; a fisheye (equidistant) has none.
        ego_from_cam_rotation: columns are the camera's axes in the ego frame.
        ego_from_cam_translation: of the optical centre in the ego frame [m].
        model: pinhole or fisheye.
        exposure: what light is multiplied by.
        noise: of its electronics.
        jpeg_quality: 1 to 95 of Pillow's scale, None = not compressed.
    """

    name: str
    width: int
    height: int
    intrinsic: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, "5"] = field(default_factory=lambda: np.zeros(5))
    ego_from_cam_rotation: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    ego_from_cam_translation: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    model: str = "pinhole"
    exposure: float = 1.0
    noise: Noise = Noise()
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        if self.model not in CAMERA_MODELS:
            raise ConfigError(
                f"camera {self.name}: model {self.model!r}; expected {', '.join(CAMERA_MODELS)}"
            )
        if self.model == "fisheye" and np.any(self.distortion):
            raise ConfigError(
                f"camera {self.name}: a fisheye (equidistant) takes no k1 k2 p1 p2 k3; "
                "leave the distortion out"
            )

    @property
    def ego_from_cam(self) -> Float[np.ndarray, "4 4"]:
        """Rotation and translation as one rigid motion."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.ego_from_cam_rotation, self.ego_from_cam_translation
        return pose

    @property
    def distorted(self) -> bool:
        """Whether straight lines bend."""
        return bool(np.any(self.distortion))

    def scaled(self, scale: float | tuple[int, int]) -> CameraSpec:
        """The same view with other pixels.

        Args:
            scale: a factor above 0, or width and height [px].
        """
        wanted = scale if isinstance(scale, tuple) else (self.width * scale, self.height * scale)
        if not all(0 < length < np.inf for length in wanted):
            raise ConfigError(
                f"camera {self.name}: scale {scale}; expected finite and more than 0, or width "
                "and height [px]"
            )
        width, height = (max(1, round(length)) for length in wanted)
        stretch = np.diag([width / self.width, height / self.height, 1.0])
        return replace(self, width=width, height=height, intrinsic=stretch @ self.intrinsic)


@dataclass(frozen=True, slots=True, eq=False)
class LidarSpec:
    """One spinning lidar; a sweep is taken at one moment.

    Attributes:
        name: for messages.
        ego_from_lidar: its mount.
        elevations: of the beams above its own horizon [rad]; the ring number is the index.
        azimuths: beams around, evenly from 0 (its x axis) to the left.
        max_range: no echo from further away [m].
        min_range: none from nearer [m].
        dropout: share of echoes lost anywhere.
        fade: how fast echoes get lost with distance on dark or grazing surfaces, see `lidar`.
        range_noise: standard deviation along the ray [m].
        intensity: material (0..255 by reflectivity and incidence) or attenuation (CARLA's, 0..1).
        attenuation: of light per metre for the second.
        id: number in the last column of a sweep.
    """

    name: str
    ego_from_lidar: Float[np.ndarray, "4 4"]
    elevations: Float[np.ndarray, " beams"]
    azimuths: int
    max_range: float
    min_range: float = 0.0
    dropout: float = 0.0
    fade: float = 0.0
    range_noise: float = 0.0
    intensity: str = "material"
    attenuation: float = 0.004
    id: int = 0

    def __post_init__(self) -> None:
        if self.intensity not in INTENSITY_MODELS:
            raise ConfigError(
                f"lidar {self.name}: intensity {self.intensity!r}; "
                f"expected {', '.join(INTENSITY_MODELS)}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """All sensors of a vehicle.

    Attributes:
        name: for files and reports.
        cameras: by name, in the order in which pictures are listed.
        lidars: by name; their sweeps are merged.
        note: where the numbers come from and which of them are nominal.
        gaussians: about how many a street has that is built to be seen by it, as far as its detail
            goes; 0: as many as large pictures want. Small ones show little of more.
    """

    name: str
    cameras: Mapping[str, CameraSpec]
    lidars: Mapping[str, LidarSpec] = field(default_factory=dict)
    note: str = ""
    gaussians: int = field(default=0, metadata=LATER)

    def camera(self, name: str) -> CameraSpec:
        """A camera by name.

        Raises:
            ConfigError: there is none; names the nearest.
        """
        if name not in self.cameras:
            raise ConfigError(
                f"the rig {self.name} has no camera {name!r}{nearest_name(name, self.cameras)}; "
                f"it has {', '.join(self.cameras) or 'none'}"
            )
        return self.cameras[name]

    def scaled(self, scale: float | tuple[int, int]) -> Rig:
        """The rig with every camera `CameraSpec.scaled`; lidars stay as they are."""
        cameras = {name: camera.scaled(scale) for name, camera in self.cameras.items()}
        return replace(self, cameras=cameras)
