"""Points to begin with: thinned ones, and their depths in the views."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from drivelab.kernels.splat import Cameras

SPACING = 0.012  # wanted distance of points by that to the nearest camera: about two pixels


def thinned(
    points: Float[np.ndarray, "n 3"], eyes: Float[np.ndarray, "v 3"], most: int, *, seed: int
) -> Int[np.ndarray, " k"]:
    """Numbers of the points to keep: one a cell, in cells that grow with the distance to the eyes.

    Args:
        points: in the scene's frame, in any unit.
        eyes: where cameras stood.
        most: points that are kept at most, drawn at random.
        seed: of that.
    """
    away = cKDTree(eyes).query(points)[0]
    level = np.ceil(np.log2(np.maximum(SPACING * away, 1e-6))).astype(np.int64)
    cells = np.floor(points / np.exp2(level)[:, None]).astype(np.int64)
    _, kept = np.unique(np.column_stack([level, cells]), axis=0, return_index=True)
    if len(kept) > most:
        kept = np.random.default_rng(seed).choice(kept, most, replace=False)
    return np.sort(kept)


def on_image(
    points: Float[np.ndarray, "n 3"], cameras: Cameras, number: int, *, near: float = 0.1
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, "k 2"], Float[np.ndarray, " k"]]:
    """Which points a pinhole sees: their numbers, pixels (row, column) and depths [m]."""
    view, lens = cameras.views[number], cameras.intrinsics[number]
    ahead = points @ view[:3, :3].T + view[:3, 3]
    before = np.flatnonzero(ahead[:, 2] > near)
    flat = ahead[before] @ lens.T
    at = np.floor(flat[:, 1::-1] / flat[:, 2:])
    inside = ((at >= 0) & (at < (cameras.height, cameras.width))).all(1)
    return before[inside], at[inside].astype(np.int64), ahead[before[inside], 2]


def depth_picture(
    points: Float[np.ndarray, "n 3"], cameras: Cameras, number: int
) -> Float[np.ndarray, "h w"]:
    """Depth of the nearest point in each pixel of a view [m], 0 where there is none; float32."""
    _, at, depths = on_image(points, cameras, number)
    found = np.full((cameras.height, cameras.width), np.inf, np.float32)
    np.minimum.at(found, (at[:, 0], at[:, 1]), depths.astype(np.float32))
    found[~np.isfinite(found)] = 0.0
    return found
