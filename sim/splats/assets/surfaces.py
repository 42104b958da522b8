"""Surfaces laid out in flat Gaussians: every cell of a grid of vertices becomes one.

A cell's Gaussian lies in the cell's plane, its deviations follow the cell's edges, and it overlaps
its neighbours just enough to leave no hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import ArrayLike

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Splats

DC = 0.28209479177387814  # what a first coefficient of spherical harmonics adds to a colour
OVERLAP = 0.52  # deviation of a Gaussian per edge of its cell
THICKNESS = 0.002  # third deviation [m]
OPAQUE = 0.995


@dataclass(frozen=True, slots=True, eq=False)
class Facets:
    """Flat pieces of a surface before light falls on them.

    Attributes:
        centres: (n, 3) [m].
        along: (n, 3) first deviation as a vector [m].
        across: (n, 3) second deviation as a vector [m]; need not be square to `along`.
        colours: (n, 3) in 0..1, as seen in full white light.
        labels: (n,) numbers of `labels.LABELS`.
        glow: (n,) how much of its colour a piece sends out by itself where it is dark, 0..1.
    """

    centres: Float[np.ndarray, "n 3"]
    along: Float[np.ndarray, "n 3"]
    across: Float[np.ndarray, "n 3"]
    colours: Float[np.ndarray, "n 3"]
    labels: UInt8[np.ndarray, " n"]
    glow: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def normals(self) -> Float[np.ndarray, "n 3"]:
        """Unit normals, along x across; up where a piece has no area."""
        found = np.cross(self.along, self.across)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.where(length > 1e-12, found / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])


def facets(
    centres: ArrayLike, along: ArrayLike, across: ArrayLike, *, colour: ArrayLike,
    label: str, glow: ArrayLike = 0.0,
) -> Facets:  # fmt: skip
    """Pieces of one label; colours and vectors are spread over all pieces where only one is given.

    Raises:
        ValueError: no label is called so.
    """
    if label not in NUMBER:
        raise ValueError(f"label {label!r}; expected one of {', '.join(NUMBER)}")
    centres = np.asarray(centres, float).reshape(-1, 3)
    n = len(centres)
    return Facets(
        centres,
        np.broadcast_to(np.asarray(along, float), (n, 3)),
        np.broadcast_to(np.asarray(across, float), (n, 3)),
        np.broadcast_to(np.asarray(colour, float), (n, 3)),
        np.full(n, NUMBER[label], np.uint8),
        np.broadcast_to(np.asarray(glow, float), (n,)),
    )


def sheet(
    vertices: ArrayLike, *, colour: ArrayLike, label: str,
    glow: ArrayLike = 0.0, overlap: float = OVERLAP,
) -> Facets:  # fmt: skip
    """A grid of vertices (..., r, c, 3) as pieces, one for each of its (r - 1)(c - 1) cells.

    `colour` is one colour or (..., r - 1, c - 1, 3); `glow` likewise without the last axis.
    """
    v = np.asarray(vertices, float)
    a, b = v[..., :-1, :-1, :], v[..., 1:, :-1, :]
    c, d = v[..., :-1, 1:, :], v[..., 1:, 1:, :]
    cells = a.shape[:-1]
    along, across = overlap * 0.5 * (b + d - a - c), overlap * 0.5 * (c + d - a - b)
    colours = np.broadcast_to(np.asarray(colour, float), (*cells, 3)).reshape(-1, 3)
    glows = np.broadcast_to(np.asarray(glow, float), cells).reshape(-1)
    return facets(
        (0.25 * (a + b + c + d)).reshape(-1, 3), along.reshape(-1, 3), across.reshape(-1, 3),
        colour=colours, label=label, glow=glows,
    )  # fmt: skip


def rectangle(corner: ArrayLike, edge: ArrayLike, other: ArrayLike, cell: float) -> np.ndarray:
    """Vertices (r, c, 3) of a rectangle: corner + i edge + j other, cells of about `cell` [m]."""
    start, first, second = (np.asarray(part, float) for part in (corner, edge, other))
    rows = max(1, round(float(np.linalg.norm(first)) / cell))
    columns = max(1, round(float(np.linalg.norm(second)) / cell))
    i, j = np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1)
    return start + i[:, None, None] * first + j[None, :, None] * second


def tube(rings: np.ndarray, radii: np.ndarray, sides: int) -> np.ndarray:
    """Vertices (sides + 1, r, 3) of a round tube along the points `rings` (r, 3) [m].

    `radii` is (r,) or (r, 2): radii across the tube's first and second axis.
    """
    points = np.asarray(rings, float)
    sizes = np.broadcast_to(np.asarray(radii, float).reshape(len(points), -1), (len(points), 2))
    way = np.gradient(points, axis=0)
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-12)
    aside = np.where(np.abs(way[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(aside, way)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(way, first)
    turn = np.linspace(0, 2 * np.pi, sides + 1)[:, None, None]
    return (
        points + np.cos(turn) * first * sizes[:, :1] + np.sin(turn) * second * sizes[:, 1:]
    )  # fmt: skip


def joined(parts: Sequence[Facets]) -> Facets:
    """Pieces one behind the other; none where there is no part."""
    names = ("centres", "along", "across", "colours", "labels", "glow")
    if not parts:
        none = np.zeros((0, 3))
        return Facets(none, none, none, none, np.zeros(0, np.uint8), np.zeros(0))
    return Facets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def splats(pieces: Facets, colours: np.ndarray, *, opacity: float | np.ndarray = OPAQUE) -> Splats:
    """The Gaussians of pieces in the colours (n, 3) that light gives them."""
    first = np.linalg.norm(pieces.along, axis=1)
    x = pieces.along / np.maximum(first, 1e-9)[:, None]
    z = pieces.normals
    y = np.cross(z, x)
    second = np.abs(np.einsum("nk,nk->n", pieces.across, y))
    scales = np.stack([first, second, np.full(len(first), THICKNESS)], 1)
    gaussians = Gaussians(
        pieces.centres.astype(np.float32),
        _quaternions(x, y, z).astype(np.float32),
        np.maximum(scales, 1e-4).astype(np.float32),
        np.broadcast_to(np.asarray(opacity, np.float32), (len(first),)).copy(),
        ((np.asarray(colours) - 0.5) / DC).astype(np.float32)[:, None],
    )
    return Splats(gaussians, pieces.labels)


def _quaternions(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Float[np.ndarray, "n 4"]:
    """Rotations wxyz of frames given by their axes, by the largest of the four components."""
    one = np.stack([
        1 + x[:, 0] + y[:, 1] + z[:, 2], 1 + x[:, 0] - y[:, 1] - z[:, 2],
        1 - x[:, 0] + y[:, 1] - z[:, 2], 1 - x[:, 0] - y[:, 1] + z[:, 2],
    ], 1)  # fmt: skip
    a, b, c = y[:, 2] - z[:, 1], z[:, 0] - x[:, 2], x[:, 1] - y[:, 0]
    d, e, f = x[:, 1] + y[:, 0], x[:, 2] + z[:, 0], y[:, 2] + z[:, 1]
    table = np.stack([
        np.stack([one[:, 0], a, b, c], 1), np.stack([a, one[:, 1], d, e], 1),
        np.stack([b, d, one[:, 2], f], 1), np.stack([c, e, f, one[:, 3]], 1),
    ], 1)  # fmt: skip
    found = table[np.arange(len(x)), one.argmax(1)]
    unit: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit
