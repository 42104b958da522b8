"""Which frames of a drive are taken: those at equal distances along the way."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import ConfigError


def spaced(poses: Float[np.ndarray, "t 3"], count: int) -> Int[np.ndarray, " k"]:
    """Numbers of the frames that lie nearest to `count` places at equal distances along the way.

    Raises:
        ConfigError: there are not so many different ones.
    """
    frames = nearest_frames(poses, count)
    if len(frames) < count:
        raise ConfigError(
            f"poses={count}: the drive of {_way(poses)[-1]:.1f} m and {len(poses)} frames has only "
            f"{len(frames)} different ones at equal distances; expected at most so many"
        )
    return frames


def nearest_frames(places: Float[np.ndarray, "t c"], count: int) -> Int[np.ndarray, " k"]:
    """Numbers of the frames nearest to `count` places at equal distances, each once.

    Args:
        places: x and y [m] in the first columns.
        count: at most so many are found.
    """
    way = _way(places)
    return np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], count) - 1e-9))


def _way(places: Float[np.ndarray, "t c"]) -> Float[np.ndarray, " t"]:
    """Distance that was driven up to each frame [m]."""
    steps = np.hypot(*np.diff(places[:, :2], axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])
