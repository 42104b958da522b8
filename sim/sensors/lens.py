"""Lens distortion by OpenCV's five numbers: what to draw, and how to bend it.

A rasteriser draws straight lines. So a wider, straight picture is drawn first (as
`undistorted_camera` says) and every pixel of the bent one looks up where its light came from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.sim.sensors.specs import CameraSpec

_STEPS = 30  # of Newton's method; five do at the corner of a common lens
_CLOSE = 1e-9  # in focal lengths
_MARGIN = 1  # pixels around the field, so that every look-up has four neighbours
_LARGEST = 16384  # [px], the rasteriser's


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The straight picture, and for each bent pixel its upper left neighbour and weights."""

    width: int
    height: int
    intrinsic: Float[np.ndarray, "3 3"]
    corner: np.ndarray  # (h, w) flat index in the straight picture
    right: np.ndarray  # (h, w) float32 weights 0..1 of the right and the lower neighbour
    down: np.ndarray


def bend(
    points: Float[np.ndarray, "*n 2"], distortion: Float[np.ndarray, "5"]
) -> Float[np.ndarray, "*n 2"]:
    """Where straight directions (x / z, y / z) land, in focal lengths."""
    x, y = points[..., 0], points[..., 1]
    k1, k2, p1, p2, k3 = distortion
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        -1,
    )


def straighten(
    points: Float[np.ndarray, "*n 2"], distortion: Float[np.ndarray, "5"]
) -> Float[np.ndarray, "*n 2"]:
    """The directions that land at bent points, in focal lengths; the inverse of `bend`.

    Newton's method with the exact derivative, from the bent points on.

    Raises:
        ValueError: a point that no direction lands at: the polynomial folds inside the picture.
    """
    found = np.array(points, float)
    k1, k2, p1, p2, k3 = distortion
    for _ in range(_STEPS):
        wrong = bend(found, distortion) - points
        if np.abs(wrong).max(initial=0.0) < _CLOSE:
            return found
        x, y = found[..., 0], found[..., 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        slope = 2 * (k1 + r2 * (2 * k2 + 3 * r2 * k3))  # d radial / d r2, doubled
        xx = radial + slope * x * x + 2 * p1 * y + 6 * p2 * x
        xy = slope * x * y + 2 * p1 * x + 2 * p2 * y
        yy = radial + slope * y * y + 6 * p1 * y + 2 * p2 * x
        volume = xx * yy - xy * xy
        if not (volume > 0).all():
            break
        found[..., 0] -= (yy * wrong[..., 0] - xy * wrong[..., 1]) / volume
        found[..., 1] -= (xx * wrong[..., 1] - xy * wrong[..., 0]) / volume
    raise ValueError("no direction lands at some of the points: the distortion folds the picture")


def undistorted_camera(spec: CameraSpec) -> CameraSpec:
    """The straight camera that sees all that a bent one sees, as sharp in the middle.

    A camera without distortion is returned as it is.

    Raises:
        ConfigError: its distortion folds within the picture, or takes more than 16384 pixels.
    """
    if not spec.distorted:
        return spec
    table = _table_of(spec)
    return replace(
        spec, width=table.width, height=table.height, intrinsic=table.intrinsic.copy(),
        distortion=np.zeros(5),
    )  # fmt: skip


def distort(image: np.ndarray, spec: CameraSpec, *, nearest: bool = False) -> np.ndarray:
    """The picture of a bent camera from that of its `undistorted_camera`.

    Args:
        image: (h', w') or (h', w', channels) of the straight camera.
        spec: the bent camera; one without distortion returns the picture as it is.
        nearest: take the nearest pixel, as labels and depths need it; else bilinear, float32.

    Returns:
        (h, w) or (h, w, channels).

    Raises:
        ValueError: the picture has another size than the straight camera.
    """
    if not spec.distorted:
        return image
    table = _table_of(spec)
    if image.shape[:2] != (table.height, table.width):
        raise ValueError(
            f"camera {spec.name}: the picture is {image.shape[1]} x {image.shape[0]} px; expected "
            f"{table.width} x {table.height} of undistorted_camera"
        )
    flat = image.reshape(table.height * table.width, *image.shape[2:])
    if nearest:
        across, below = table.right > 0.5, table.down > 0.5
        return flat[table.corner + across + below * table.width]
    weights = [w.reshape(*w.shape, *[1] * (image.ndim - 2)) for w in (table.right, table.down)]
    upper = _between(flat, table.corner, weights[0])
    lower = _between(flat, table.corner + table.width, weights[0])
    return upper + (lower - upper) * weights[1]


def _between(flat: np.ndarray, left: np.ndarray, share: np.ndarray) -> np.ndarray:
    first = flat[left].astype(np.float32)
    return first + (flat[left + 1].astype(np.float32) - first) * share


def _table_of(spec: CameraSpec) -> _Table:
    intrinsic, distortion = (
        tuple(np.asarray(values, float).ravel().tolist())
        for values in (spec.intrinsic, spec.distortion)
    )
    try:
        return _table(spec.width, spec.height, intrinsic, distortion)
    except ValueError as error:
        raise ConfigError(f"camera {spec.name}: {error}") from error


@lru_cache(maxsize=32)
def _table(
    width: int, height: int, intrinsic: tuple[float, ...], distortion: tuple[float, ...]
) -> _Table:
    matrix = np.array(intrinsic).reshape(3, 3)
    focal, centre = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    bent = (np.stack([columns, rows], -1) - centre) / focal
    source = straighten(bent, np.array(distortion)) * focal  # [px] from the optical axis
    first = np.floor(source.min((0, 1))) - _MARGIN
    size = np.ceil(source.max((0, 1))).astype(int) + _MARGIN - first.astype(int)
    if size.max() > _LARGEST:
        raise ValueError(f"its straight picture would be {size[0]} x {size[1]} px")
    place = source - first - 0.5  # of the look-up among pixel centres
    whole = np.floor(place)
    rest = (place - whole).astype(np.float32)
    wide = np.array([[focal[0], 0, -first[0]], [0, focal[1], -first[1]], [0, 0, 1.0]])
    corner = (whole[..., 1] * size[0] + whole[..., 0]).astype(np.int32)
    return _Table(int(size[0]), int(size[1]), wide, corner, rest[..., 0], rest[..., 1])
