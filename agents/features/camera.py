"""The stitched picture: left, front and right camera side by side, made smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from drivelab.agents.features.options import CameraOptions
from drivelab.errors import DataError
from drivelab.types import CameraFrame


def camera_feature(
    images: Mapping[str, Sequence[CameraFrame]], options: CameraOptions, *, scene: str = ""
) -> UInt8[np.ndarray, "3 h w"]:
    """RGB bytes of the latest pictures, cut, stitched and resized (TransFuser's camera feature).

    OpenCV's bilinear resize of bytes by exactly 4 or 2 looks at four pixels only, the middle ones
    of every block, and gives (a + b + c + d + 2) >> 2 of them.

    Args:
        images: by camera; the last of each list is the present.
        options: sizes.
        scene: for messages.

    Raises:
        DataError: a camera is missing, or its picture is of another size or type.
    """
    left, front, right = (_picture(images, name, options, scene) for name in options.names)
    rows = slice(options.rows, options.height - options.rows)
    side = slice(options.columns, options.width - options.columns)
    stitched = np.concatenate([left[rows, side], front[rows], right[rows, side]], axis=1)
    return np.ascontiguousarray(shrunk(stitched, options.ratio).transpose(2, 0, 1))


def shrunk(image: UInt8[np.ndarray, "h w c"], ratio: int) -> UInt8[np.ndarray, "h2 w2 c"]:
    """The mean, rounded half up, of the four middle pixels of every block of ratio x ratio."""
    if ratio == 1:
        return image
    first = ratio // 2 - 1
    upper, lower = image[first::ratio], image[first + 1 :: ratio]
    total = sum(
        part[:, start::ratio].astype(np.uint16)
        for part in (upper, lower)
        for start in (first, first + 1)
    )
    return ((np.asarray(total) + 2) >> 2).astype(np.uint8)


def _picture(
    images: Mapping[str, Sequence[CameraFrame]], name: str, options: CameraOptions, scene: str
) -> UInt8[np.ndarray, "h w 3"]:
    where = f"scene {scene}" if scene else ""
    if not images.get(name):
        raise DataError(
            f"no picture of camera {name}; there are: {', '.join(images) or 'none'}. The agent "
            f"needs {', '.join(options.names)}: choose a bench or a rig that has them "
            "(bench.rig=navsim_nominal, or labmini_mini for the small networks)",
            where=where,
        )
    image = np.asarray(images[name][-1].image)
    wanted = (options.height, options.width, 3)
    if image.shape != wanted or image.dtype != np.uint8:
        shown = " x ".join(str(size) for size in image.shape[1::-1]) or "no"
        raise DataError(
            f"camera {name} delivers {shown} px of {image.dtype}; the agent's weights expect "
            f"{options.width} x {options.height} px of uint8 RGB. Choose the rig they were trained "
            "with (bench.rig=, bench.scale=1), or other weights (agent.preset=)",
            where=where,
        )
    return image
