"""Photographs become views: lenses straightened, all brought to one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from drivelab.data.photographs import Lens, Photograph, Photographs
from drivelab.errors import DataError
from drivelab.kernels.splat import Cameras
from drivelab.sim.sensors.lens import bend
from drivelab.training.reconstruction.capture import Capture
from drivelab.training.reconstruction.points import thinned
from drivelab.training.reconstruction.views import Views

ALIKE = 0.01  # how far the shapes (width by height) of pictures may be apart
SAMPLES = 4  # along each axis of a pixel, at most, where a picture is made smaller


def photographed(found: Photographs, name: str, *, width: int, most: int, seed: int) -> Capture:
    """A capture of photographs and their points.

    Args:
        found: of one place.
        name: for files and messages.
        width: of the views [px]; a smaller photograph is not made larger.
        most: points to begin with at most.
        seed: of which are kept.

    Raises:
        DataError: pictures without poses, of different shapes, or that cannot be read.
    """
    if not found.pictures:
        raise DataError("no picture with a pose; expected two or more", file=name)
    first = found.pictures[0].lens
    width = min(width, first.width)
    size = (width, max(1, round(width * first.height / first.width)))
    images, lenses = [], []
    for picture in found.pictures:
        straight = _straight(picture.lens, size, picture.file, first)
        images.append(sampled(picture, straight, size))
        lenses.append(straight)
    cameras = Cameras(
        np.stack([picture.cam_from_scene for picture in found.pictures]), np.stack(lenses), *size
    )
    groups = np.array([picture.group for picture in found.pictures])
    views = Views(np.stack(images), cameras, groups=groups)
    kept = np.arange(0)
    if len(found.points):
        kept = thinned(found.points, views.eyes, most, seed=seed)
    info = {"source": name, "photographs": len(images)}
    return Capture(name, views, found.points[kept], found.colours[kept], info=info)


def sampled(
    picture: Photograph, straight: Float[np.ndarray, "3 3"], size: tuple[int, int]
) -> Float[np.ndarray, "h w 3"]:
    """What a pinhole with these intrinsics would have seen in a photograph's place; float32.

    Raises:
        DataError: it is no picture, or of another shape than its lens was calibrated for.
    """
    image, lens = _read(picture.file), picture.lens
    high, wide = image.shape[:2]
    if abs(wide * lens.height / (high * lens.width) - 1.0) > ALIKE:
        raise DataError(
            f"is of {wide} x {high} px, its lens was calibrated with {lens.width} x {lens.height}; "
            "expected the same shape: are intrinsics and picture of the same camera?",
            file=picture.file,
        )
    steps = int(np.clip(wide // size[0], 1, SAMPLES))
    total = np.zeros((size[1], size[0], 3))
    offsets = (np.arange(steps) + 0.5) / steps
    for right in offsets:
        for down in offsets:
            x, y = np.meshgrid(np.arange(size[0]) + right, np.arange(size[1]) + down)
            slopes = np.stack([(x - straight[0, 2]) / straight[0, 0],
                               (y - straight[1, 2]) / straight[1, 1]], -1)  # fmt: skip
            at = _bent(slopes, lens) @ lens.intrinsic[:2, :2].T + lens.intrinsic[:2, 2]
            total += _bilinear(image, at * (wide / lens.width, high / lens.height) - 0.5)
    found: np.ndarray = (total / (255.0 * steps**2)).astype(np.float32)
    return found


def _straight(
    lens: Lens, size: tuple[int, int], file: Path, first: Lens
) -> Float[np.ndarray, "3 3"]:
    """Intrinsics of a pinhole of this size with the lens's focal length and middle."""
    if abs(lens.width * first.height / (lens.height * first.width) - 1.0) > ALIKE:
        raise DataError(
            f"was taken with {lens.width} x {lens.height} px, the first picture with "
            f"{first.width} x {first.height}; expected one shape: keep pictures of one kind of "
            "camera",
            file=file,
        )
    scale = np.diag([size[0] / lens.width, size[1] / lens.height, 1.0])
    return np.asarray(scale @ lens.intrinsic)


def _bent(slopes: Float[np.ndarray, "h w 2"], lens: Lens) -> Float[np.ndarray, "h w 2"]:
    """Where straight directions (x / z, y / z) land, in focal lengths."""
    if lens.model == "pinhole":
        return bend(slopes, lens.distortion) if lens.distortion.any() else slopes
    radius = np.linalg.norm(slopes, axis=-1, keepdims=True)
    angle = np.arctan(radius)
    k1, k2, k3, k4 = lens.distortion
    square = angle * angle
    bent = angle * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))
    return np.asarray(slopes * np.where(radius > 1e-9, bent / np.maximum(radius, 1e-9), 1.0))


def _bilinear(
    image: Float[np.ndarray, "h w 3"], at: Float[np.ndarray, "m n 2"]
) -> Float[np.ndarray, "m n 3"]:
    """Colours at places in pixels, x and y, from the middle of the first one; held to the edge."""
    high, wide = image.shape[:2]
    x, y = at[..., 0].clip(0, wide - 1), at[..., 1].clip(0, high - 1)
    left, top = np.minimum(x.astype(int), wide - 2), np.minimum(y.astype(int), high - 2)
    u, v = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - u) + image[top, left + 1] * u
    lower = image[top + 1, left] * (1 - u) + image[top + 1, left + 1] * u
    return np.asarray(upper * (1 - v) + lower * v)


def _read(file: Path) -> Float[np.ndarray, "h w 3"]:
    try:
        with Image.open(file) as opened:
            found = np.asarray(opened.convert("RGB"), np.float32)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"is no picture that can be read ({error}); expected JPEG or PNG",
                        file=file) from error  # fmt: skip
    if min(found.shape[:2]) < 2:
        raise DataError(f"is of {found.shape[1]} x {found.shape[0]} px; expected 2 x 2 and more",
                        file=file)  # fmt: skip
    return found
