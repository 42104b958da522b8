"""Pictures and point clouds of a NAVSIM scene, read from disk when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32
from PIL import Image, UnidentifiedImageError

from drivelab.data.navsim.frame import Fields, Frame
from drivelab.data.pcd import read_pcd
from drivelab.errors import DataError
from drivelab.types import CameraFrame


def inside_root(root: Path, relative: str, *, file: str, where: str) -> Path:
    """A path that a log names, if it stays under `root`.

    The check is on the text: folders of the root may themselves be links to other disks.
    """
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or "\\" in relative or not path.parts:
        raise DataError(f"path {relative!r} leaves the sensor folder", file=file, where=where)
    return root.joinpath(*path.parts)


@dataclass(frozen=True, slots=True, eq=False)
class NavsimSensors:
    """Sensors of the frames of one scene; satisfies `drivelab.types.SensorData`."""

    root: Path  # the folder that the paths of the log are relative to
    frames: tuple[Frame, ...]
    file: str  # the log, for messages

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that the log names."""
        return tuple(self.frames[0].cameras)

    @property
    def has_lidar(self) -> bool:
        """Whether the log names point clouds."""
        return self.frames[0].lidar_path is not None

    def camera(self, name: str, frame: int) -> CameraFrame:
        """Load one picture (height, width, 3) uint8 RGB with its calibration."""
        where = f"token {self.frames[frame].token}"
        cameras = Fields(dict(self.frames[frame].cameras), self.file, f"{where}, key cams")
        fields = cameras.sub(name)
        path = inside_root(self.root, fields.text("data_path"), file=self.file, where=fields.where)
        return CameraFrame(
            _read_image(path),
            fields.numbers("sensor2lidar_rotation", (3, 3)),
            fields.numbers("sensor2lidar_translation", (3,)),
            fields.numbers("cam_intrinsic", (3, 3)),
            fields.numbers("distortion", (5,)),
        )

    def lidar(self, frame: int) -> Float32[np.ndarray, "n 6"]:
        """Load one merged sweep in the ego frame."""
        record = self.frames[frame]
        where = f"token {record.token}, key lidar_path"
        if record.lidar_path is None:
            raise DataError("no point cloud is named", file=self.file, where=where)
        cloud = read_pcd(inside_root(self.root, record.lidar_path, file=self.file, where=where))
        if record.ego_from_lidar is not None:
            matrix = record.ego_from_lidar
            cloud[:, :3] = cloud[:, :3] @ matrix[:3, :3].T + matrix[:3, 3]
        return cloud


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise DataError("the picture is missing", file=path) from None
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise DataError(f"is not a complete picture: {error}", file=path) from error
