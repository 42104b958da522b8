"""A stereo pair as a capture: the left picture and its depths are learned, the right is held out.

Beside it stands what the left picture gives without any scene: each pixel moved by its disparity.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PIL import Image

from drivelab.data.stereo_pair import StereoPair
from drivelab.kernels.splat import Cameras
from drivelab.training.reconstruction.capture import Capture
from drivelab.training.reconstruction.views import Views

SKY = 350.0  # what is farther moves by less than a pixel, and is not drawn beyond 400 m [m]
WARPED = "left picture warped"
# Scene: x forward, y left, z up, origin at the left camera.
CAM_FROM_SCENE = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


def stereo_capture(pair: StereoPair, *, width: int, most: int, seed: int) -> Capture:
    """View 0 is the right picture, view 1 the left one, so that the first is held out.

    Args:
        pair: the pictures.
        width: of the views [px].
        most: points to begin with at most: pixels of the left picture at their depth.
        seed: of which are kept.
    """
    high, wide = pair.left.shape[:2]
    width = min(width, wide)
    size = (width, max(1, round(width * high / wide)))
    images = [_resized(picture, size) for picture in (pair.right, pair.left)]
    scale = np.diag([size[0] / wide, size[1] / high, 1.0])
    lens = scale @ pair.intrinsic
    known = _smaller(pair.disparities, size) * (size[0] / wide)
    filled = filled_rows(known)
    right = CAM_FROM_SCENE.copy()
    right[0, 3] = -pair.baseline
    cameras = Cameras(np.stack([right, CAM_FROM_SCENE]), np.stack([lens, lens]), *size)
    reach = lens[0, 0] * pair.baseline  # depth times disparity
    depths, guessed = (_depths(part, reach) for part in (known, filled))
    points = _points(guessed, lens)
    kept = np.flatnonzero(guessed)
    if len(kept) > most:
        kept = np.sort(np.random.default_rng(seed).choice(kept, most, replace=False))
    measured = np.stack([np.zeros_like(depths), depths]).astype(np.float32)
    return Capture(
        pair.name,
        Views(np.stack(images), cameras, measured),
        points[kept],
        images[1].reshape(-1, 3)[kept].astype(float),
        info={"source": pair.name, "baseline": pair.baseline},
        rivals={WARPED: {0: warped(images[1], filled)}},
    )


def warped(
    left: Float[np.ndarray, "h w 3"], disparities: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 3"]:
    """The right picture as the left one's pixels moved by their disparities; float32.

    The nearest pixel wins. What nothing falls on takes the colour of the neighbour in its row that
    lies farther away.
    """
    high, wide = disparities.shape
    shown = np.full((high, wide), -1.0)
    found = np.zeros((high, wide, 3), np.float32)
    rows, columns = np.nonzero(np.ones((high, wide), bool))
    order = np.argsort(disparities.ravel(), kind="stable")  # near ones last
    rows, columns = rows[order], columns[order]
    moved = np.rint(columns - disparities[rows, columns]).astype(int)
    inside = (moved >= 0) & (moved < wide)
    rows, columns, moved = rows[inside], columns[inside], moved[inside]
    found[rows, moved], shown[rows, moved] = left[rows, columns], disparities[rows, columns]
    before, after = _neighbours(shown >= 0)
    line = np.arange(high)[:, None]
    farther = (before >= 0) & (
        (after >= wide) | (shown[line, before.clip(0)] <= shown[line, after.clip(max=wide - 1)])
    )
    source = np.where(farther, before, after).clip(0, wide - 1)
    return np.asarray(found[line, source])


def filled_rows(disparities: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Disparities with the smaller (farther) one of both known neighbours in gaps of a row."""
    wide = disparities.shape[1]
    before, after = _neighbours(disparities > 0)
    line = np.arange(len(disparities))[:, None]
    left = np.where(before >= 0, disparities[line, before.clip(0)], np.inf)
    right = np.where(after < wide, disparities[line, after.clip(max=wide - 1)], np.inf)
    found = np.minimum(left, right)
    return np.where(np.isfinite(found), found, 0.0)


def _neighbours(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the known pixels at or before each (or -1) and at or after (or the width)."""
    wide = known.shape[1]
    columns = np.arange(wide)
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, wide)[:, ::-1], axis=1)[:, ::-1]
    return before, after


def _depths(disparities: Float[np.ndarray, "h w"], reach: float) -> Float[np.ndarray, "h w"]:
    """Depths [m], 0 where nothing is known or what lies there is left to the sky."""
    found = reach / np.maximum(disparities, 1e-6)
    return np.where((disparities > 0) & (found < SKY), found, 0.0)


def _points(
    depths: Float[np.ndarray, "h w"], lens: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "k 3"]:
    """Pixels of the left picture at their depths, in the scene's frame [m]."""
    high, wide = depths.shape
    x, y = np.meshgrid(np.arange(wide) + 0.5, np.arange(high) + 0.5)
    rays = np.stack([(x - lens[0, 2]) / lens[0, 0], (y - lens[1, 2]) / lens[1, 1], np.ones_like(x)])
    found: np.ndarray = (rays * depths).reshape(3, -1).T @ CAM_FROM_SCENE[:3, :3]
    return found


def _smaller(
    disparities: Float[np.ndarray, "h w"], size: tuple[int, int]
) -> Float[np.ndarray, "h2 w2"]:
    """The median of the known disparities that fall into each pixel, 0 where there are none."""
    rows, columns = np.nonzero(disparities)
    high, wide = disparities.shape
    pixel = (rows * size[1] // high) * size[0] + columns * size[0] // wide
    values = disparities[rows, columns]
    order = np.lexsort([values, pixel])
    pixel, values = pixel[order], values[order]
    first = np.flatnonzero(np.diff(pixel, prepend=-1))
    count = np.diff(np.append(first, len(pixel)))
    found = np.zeros(size[0] * size[1])
    found[pixel[first]] = values[first + count // 2]
    return found.reshape(size[1], size[0])


def _resized(picture: np.ndarray, size: tuple[int, int]) -> Float[np.ndarray, "h w 3"]:
    small = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255.0
