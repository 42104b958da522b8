"""What dirt, defocus and glare do to a finished picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter

from drivelab.sim.sensors.camera import GAMMA, to_uint8
from drivelab.sim.sensors.draws import draws_for

_SPOTS = 24  # of dirt on a lens
_MUD = np.array([0.22, 0.19, 0.15], np.float32)


def blurred(image: UInt8[np.ndarray, "h w 3"], sigma: float) -> UInt8[np.ndarray, "h w 3"]:
    """Out of focus: a Gaussian blur of `sigma` pixels."""
    soft = gaussian_filter(image.astype(np.float32), (sigma, sigma, 0), mode="nearest", truncate=3)
    return (soft + 0.5).astype(np.uint8)


def overexposed(image: UInt8[np.ndarray, "h w 3"], gain: float) -> UInt8[np.ndarray, "h w 3"]:
    """Light multiplied by `gain`; what is beyond white is white."""
    table = to_uint8((np.arange(256) / 255) * gain ** (1 / GAMMA))
    return table[image]


def dirty(
    image: UInt8[np.ndarray, "h w 3"], share: float, *place: str | int
) -> UInt8[np.ndarray, "h w 3"]:
    """A lens with spots of mud, the same ones for the same scene and camera.

    Args:
        image: the clean picture.
        share: of its pixels that are covered at least by half.
        place: scene and camera, which seed the spots.
    """
    if share <= 0:
        return image
    cover = _cover(image.shape[0], image.shape[1], share, draws_for("dirt", *place))[..., None]
    mixed = image * (1 - cover) + 255 * _MUD * cover
    return (mixed + 0.5).astype(np.uint8)


def _cover(
    height: int, width: int, share: float, draws: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """How much dirt hides of every pixel: round spots, soft at the edge, cut where `share` asks."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    thickness = np.zeros((height, width), np.float32)
    for _ in range(_SPOTS):
        row, column, radius = draws.random(3) * (height, width, 1)
        radius = (0.03 + 0.15 * radius) * height
        thickness += np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * radius**2))
    edge = np.quantile(thickness, 1 - min(share, 1.0))
    return np.clip(0.5 + 4 * (thickness - edge), 0, 1)
