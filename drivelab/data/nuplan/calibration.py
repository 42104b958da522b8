"""Calibration of a nuPlan log's cameras and lidar: pickled lists, read without nuPlan."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.data.nuplan.log import NuplanLog
from drivelab.data.nuplan.records import Calibration
from drivelab.data.unpickle import load_restricted
from drivelab.errors import DataError


def camera_calibrations(log: NuplanLog) -> dict[str, Calibration]:
    """Calibration by channel."""
    rows = log.rows(
        "SELECT channel, translation, rotation, intrinsic, distortion, width, height FROM camera"
    )
    found = {}
    for channel, translation, rotation, intrinsic, distortion, width, height in rows:
        found[str(channel)] = Calibration(
            _numbers(log, channel, "translation", translation, (3,)),
            _numbers(log, channel, "rotation", rotation, (4,)),
            _numbers(log, channel, "intrinsic", intrinsic, (3, 3)),
            _numbers(log, channel, "distortion", distortion, (5,)),
            int(width),
            int(height),
        )
    return found


def ego_from_lidar(log: NuplanLog) -> Float[np.ndarray, "4 4"]:
    """Transform of the merged point cloud to the ego frame."""
    rows = log.rows("SELECT translation, rotation FROM lidar WHERE channel = 'MergedPointCloud'")
    if not rows:
        raise DataError("no channel MergedPointCloud", file=log.file, where="table lidar")
    matrix = np.eye(4)
    rotation = _numbers(log, "MergedPointCloud", "rotation", rows[0][1], (4,))
    matrix[:3, :3] = rotation_matrix(rotation)
    matrix[:3, 3] = _numbers(log, "MergedPointCloud", "translation", rows[0][0], (3,))
    return matrix


def rotation_matrix(quaternion: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    """Rotation matrix of a quaternion (w, x, y, z) of any length but zero."""
    w, x, y, z = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _numbers(
    log: NuplanLog, channel: str, key: str, blob: Any, shape: tuple[int, ...]
) -> Float[np.ndarray, "..."]:
    place = f"{log.file}, {channel}, {key}"
    content = load_restricted(blob if isinstance(blob, bytes) else b"", name=place)
    try:
        values = np.asarray(content, float)
    except (TypeError, ValueError) as error:
        raise DataError(f"not numbers: {error}", file=place) from error
    if values.shape != shape or not np.isfinite(values).all():
        raise DataError(f"array of shape {values.shape}, expected {shape} finite", file=place)
    return values
