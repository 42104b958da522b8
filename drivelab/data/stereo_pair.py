"""A rectified stereo pair as Argoverse 1 has them: two pictures, disparities, calibration.

Disparities are 16-bit PNG of the left picture, 256 times the pixels, 0 where there is none
(argoverse-api's tutorial). Where a folder holds measured and predicted ones, measured ones go
first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from drivelab.errors import DataError

LEFT, RIGHT = "*stereo_front_left_rect*.jpg", "*stereo_front_right_rect*.jpg"
MEASURED, PREDICTED = "*stereo_front_left_rect_disparity*.png", "prediction*disparity*.png"
CALIBRATION = "*vehicle_calibration_stereo_info.json"
UNIT = 256.0  # of a stored disparity


class _Value(msgspec.Struct):
    focal_length_x_px_: float
    focal_length_y_px_: float
    focal_center_x_px_: float
    focal_center_y_px_: float
    Txf_: float | None = None


class _Camera(msgspec.Struct):
    key: str
    value: _Value


class _Calibration(msgspec.Struct):
    camera_data_: list[_Camera]


@dataclass(frozen=True, slots=True, eq=False)
class StereoPair:
    """Two pictures whose rows belong together.

    Attributes:
        name: of its folder.
        left: (h, w, 3).
        right: likewise.
        disparities: (h, w) of the left picture [px], 0 where there is none.
        intrinsic: (3, 3) of both [px].
        baseline: the right camera stands so far to the right [m].
    """

    name: str
    left: UInt8[np.ndarray, "h w 3"]
    right: UInt8[np.ndarray, "h w 3"]
    disparities: Float[np.ndarray, "h w"]
    intrinsic: Float[np.ndarray, "3 3"]
    baseline: float


def read_stereo_pair(folder: Path) -> StereoPair:
    """The pair of a folder.

    Raises:
        DataError: a file is missing, there are several, or they do not fit together.
    """
    left, right = (_picture(_one(folder, pattern), "RGB") for pattern in (LEFT, RIGHT))
    stored = [_picture(file, "I;16") for pattern in (PREDICTED, MEASURED)
              for file in sorted(folder.glob(pattern))]  # fmt: skip
    if not stored:
        raise DataError(f"holds no {MEASURED} nor {PREDICTED}; expected disparities", file=folder)
    for picture in (right, *stored):
        if picture.shape[:2] != left.shape[:2]:
            raise DataError(f"pictures of {left.shape[:2]} and {picture.shape[:2]} rows and "
                            "columns; expected one size", file=folder)  # fmt: skip
    disparities = np.zeros(left.shape[:2])
    for picture in stored:
        disparities = np.where(picture > 0, picture / UNIT, disparities)
    intrinsic, baseline = _calibrated(_one(folder, CALIBRATION))
    return StereoPair(folder.resolve().name, left, right, disparities, intrinsic, baseline)


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"holds {len(found)} files {pattern}; expected one", file=folder)
    return found[0]


def _picture(file: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert(mode) if mode == "RGB" else opened)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"is no picture that can be read ({error})", file=file) from error


def _calibrated(file: Path) -> tuple[np.ndarray, float]:
    """Intrinsics and baseline: Txf is the negative product of focal length and baseline."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_Calibration)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{error}; expected Argoverse's calibration", file=file) from error
    values = {camera.key: camera.value for camera in found.camera_data_}
    for side in ("left", "right"):
        if f"image_raw_stereo_front_{side}_rect" not in values:
            raise DataError("missing; expected both rectified cameras", file=file,
                            where=f"image_raw_stereo_front_{side}_rect")  # fmt: skip
    left, right = (values[f"image_raw_stereo_front_{side}_rect"] for side in ("left", "right"))
    baseline = -(right.Txf_ or 0.0) / right.focal_length_x_px_ if right.focal_length_x_px_ else 0.0
    if left.focal_length_x_px_ <= 0 or left.focal_length_y_px_ <= 0 or baseline <= 0:
        raise DataError(f"focal length {left.focal_length_x_px_}, baseline {baseline}; expected "
                        "both above 0", file=file)  # fmt: skip
    intrinsic = np.array([
        [left.focal_length_x_px_, 0, left.focal_center_x_px_],
        [0, left.focal_length_y_px_, left.focal_center_y_px_],
        [0, 0, 1.0],
    ])  # fmt: skip
    return intrinsic, baseline
