"""What rays can meet, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

BRICK = 8  # voxels along the edge of a brick
NONE, BOX, GROUND, SPLAT, MESH = range(5)  # what an echo came from


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Oriented boxes.

    Attributes:
        poses: (n, 4, 4) world from box; the origin in the middle of the box.
        halves: (n, 3) half length, width, height [m], above 0.
    """

    poses: Float[np.ndarray, "n 4 4"]
    halves: Float[np.ndarray, "n 3"]

    def __len__(self) -> int:
        return len(self.poses)

    def __post_init__(self) -> None:
        n = len(self.poses)
        for name, shape in (("poses", (n, 4, 4)), ("halves", (n, 3))):
            if (found := getattr(self, name).shape) != shape:
                raise ValueError(f"boxes.{name} has the shape {found}; expected {shape}")
        if not (np.isfinite(self.poses).all() and np.isfinite(self.halves).all()):
            raise ValueError("boxes.poses or boxes.halves are not finite")
        if n and not (self.halves > 0).all():
            raise ValueError("boxes.halves: expected all above 0 [m]")


@dataclass(frozen=True, slots=True)
class Plane:
    """Ground at z = slope_x x + slope_y y + height, everywhere."""

    height: float = 0.0
    slope_x: float = 0.0
    slope_y: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class HeightGrid:
    """Ground over a rectangle: heights at the corners of square cells.

    A cell is two triangles that share the diagonal from its lower left to its upper right corner.

    Attributes:
        x: of the first corner [m].
        y: of the first corner [m].
        cell: edge of a cell [m].
        heights: (nx + 1, ny + 1) [m]; NaN = there is no ground in the cells around.
        labels: (nx, ny) what lies in a cell, numbers of the caller's.
    """

    x: float
    y: float
    cell: float
    heights: Float[np.ndarray, "nx1 ny1"]
    labels: UInt8[np.ndarray, "nx ny"]

    def __post_init__(self) -> None:
        nx, ny = (max(0, size - 1) for size in self.heights.shape)
        if self.labels.shape != (nx, ny) or min(nx, ny) < 1:
            raise ValueError(
                f"heights of shape {self.heights.shape} and labels of shape {self.labels.shape}; "
                "expected (nx + 1, ny + 1) and (nx, ny) with nx and ny of 1 or more"
            )
        if not self.cell > 0:
            raise ValueError(f"cell is {self.cell}; expected more than 0 [m]")


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Which cubes of space something stands in; only bricks of 8 x 8 x 8 that hold some are kept.

    Attributes:
        corner: (3,) lower corner of voxel (0, 0, 0) [m].
        size: edge of a voxel [m].
        table: (bx, by, bz) number of the brick, -1 = empty.
        bricks: (k, 512) number of the splat in a voxel ((i 8 + j) 8 + l), -1 = empty.
        normals: (n, 3) of the splats, unit length; 0 of those that are no thin discs.
        offsets: (n,) normal . point of its plane [m].
        labels: (n,) of the splats.
    """

    corner: Float[np.ndarray, "3"]
    size: float
    table: Int32[np.ndarray, "bx by bz"]
    bricks: Int32[np.ndarray, "k 512"]
    normals: Float32[np.ndarray, "n 3"]
    offsets: Float32[np.ndarray, " n"]
    labels: UInt8[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The first thing that each ray meets.

    Attributes:
        distances: (n,) along the ray [m], infinity where it meets nothing.
        kinds: (n,) NONE, BOX, GROUND, SPLAT or MESH.
        indices: (n,) of the box, the ground's cell (i ny + j; 0 of a plane), the splat; -1.
        cosines: (n,) of the angle between the ray and the surface's normal, 0..1; 1 of a splat
            that is no thin disc.
    """

    distances: Float[np.ndarray, " n"]
    kinds: UInt8[np.ndarray, " n"]
    indices: Int32[np.ndarray, " n"]
    cosines: Float32[np.ndarray, " n"]
