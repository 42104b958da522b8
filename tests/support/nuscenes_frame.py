"""The one real nuScenes frame: its calibration, its cloud, and the rule of its README's counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from real_data import real_data

from drivelab.data.unpickle import load_restricted

SIZE = (1600, 900)


@dataclass(frozen=True)
class FrameCamera:
    """One camera as the frame's file has it."""

    intrinsic: np.ndarray
    ego_from_cam: np.ndarray
    cam_from_lidar: np.ndarray  # with the way the car drove between sweep and picture
    after: float  # seconds from the sweep to the picture


@dataclass(frozen=True)
class RealFrame:
    """The calibrated frame."""

    folder: Path
    cameras: dict[str, FrameCamera]
    ego_from_lidar: np.ndarray
    cloud: np.ndarray  # (n, 5) x y z intensity ring in the lidar's frame

    def ego_moved(self, name: str) -> np.ndarray:
        """Pose of the ego at the sweep, seen from the ego at the picture."""
        camera = self.cameras[name]
        return camera.ego_from_cam @ camera.cam_from_lidar @ np.linalg.inv(self.ego_from_lidar)


def real_frame() -> RealFrame:
    """Read it; skips the test where `DRIVELAB_DATA` is not set."""
    folder = real_data("images") / "nuscenes_one_frame"
    (file,) = folder.glob("*.pkl")
    (cloud,) = folder.glob("*LIDAR_TOP*.bin")
    data = load_restricted(file)["data_list"][0]
    cameras = {
        name: FrameCamera(
            np.array(said["cam2img"], float),
            np.array(said["cam2ego"], float),
            np.array(said["lidar2cam"], float),
            float(said["timestamp"]) - float(data["timestamp"]),
        )
        for name, said in data["images"].items()
    }
    points = np.fromfile(cloud, np.float32).reshape(-1, 5).astype(float)
    return RealFrame(folder, cameras, np.array(data["lidar_points"]["lidar2ego"], float), points)


def landed(points: np.ndarray, cam_from_points: np.ndarray, intrinsic: np.ndarray) -> np.ndarray:
    """Pixels (m, 2) of the points in front of the camera that fall into the picture."""
    seen = points @ cam_from_points[:3, :3].T + cam_from_points[:3, 3]
    seen = seen[seen[:, 2] > 0]
    pixels = (seen @ intrinsic.T)[:, :2] / seen[:, 2:]
    return pixels[((pixels >= 0) & (pixels < SIZE)).all(-1)]
