"""Ray casting on the CPU: what a bundle of rays from one point meets first.

`cast` is the door; `Boxes`, `Plane` or `HeightGrid` and `Voxels` are what it takes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.raycast.boxes import BoxArrays, sliced
from drivelab.kernels.raycast.ground import GroundArrays
from drivelab.kernels.raycast.rays import cast_rays
from drivelab.kernels.raycast.voxelise import voxelise
from drivelab.kernels.raycast.voxels import VoxelArrays
from drivelab.kernels.raycast.world import (
    BOX,
    BRICK,
    GROUND,
    MESH,
    NONE,
    SPLAT,
    Boxes,
    HeightGrid,
    Hits,
    Plane,
    Voxels,
)

__all__ = [
    "BOX",
    "GROUND",
    "MESH",
    "NONE",
    "SPLAT",
    "Boxes",
    "HeightGrid",
    "Hits",
    "Plane",
    "Voxels",
    "cast",
    "voxelise",
]


def cast(
    origin: Float[np.ndarray, "3"],
    directions: Float[np.ndarray, "n 3"],
    *,
    max_range: float,
    boxes: Boxes | None = None,
    ground: Plane | HeightGrid | None = None,
    voxels: Voxels | None = None,
) -> Hits:
    """The first thing that each ray meets; float64, one thread, other threads may run.

    Args:
        origin: of all rays, in the frame of the world.
        directions: of unit length.
        max_range: nothing is met from there on [m].
        boxes: of actors; a ray that starts inside one meets its far side.
        ground: a plane, or heights over a rectangle, met from above and from below.
        voxels: what stands there.

    Raises:
        ValueError: shapes, or rays that are not finite and of unit length.
    """
    start = np.ascontiguousarray(origin, float)
    rays = np.ascontiguousarray(directions, float)
    if start.shape != (3,) or rays.ndim != 2 or rays.shape[1] != 3:
        raise ValueError(f"origin {start.shape}, directions {rays.shape}; expected (3,), (n, 3)")
    # Written so that NaN fails too.
    if not np.isfinite(start).all() or not (np.abs((rays**2).sum(-1) - 1) < 1e-6).all():
        raise ValueError("origin is not finite, or directions are not of unit length")
    n = len(rays)
    hits = Hits(np.empty(n), np.empty(n, np.uint8), np.empty(n, np.int32), np.empty(n, np.float32))
    cast_rays(
        start, rays, float(max_range), _boxes(boxes, start), _ground(ground), _voxels(voxels),
        hits.distances, hits.kinds, hits.indices, hits.cosines,
    )  # fmt: skip
    return hits


def _boxes(boxes: Boxes | None, origin: np.ndarray) -> BoxArrays:
    if boxes is None:
        boxes = Boxes(np.zeros((0, 4, 4)), np.zeros((0, 3)))
    centres = np.ascontiguousarray(boxes.poses[:, :3, 3] - origin, float)
    axes = np.ascontiguousarray(np.swapaxes(boxes.poses[:, :3, :3], 1, 2), float)
    halves = np.ascontiguousarray(boxes.halves, float)
    radii = np.sqrt((halves**2).sum(-1))
    return BoxArrays(centres, axes, halves, radii, *sliced(centres, radii))


def _ground(ground: Plane | HeightGrid | None) -> GroundArrays:
    heights, none = np.zeros((2, 2)), np.zeros(3)
    if ground is None:
        return GroundArrays(0.0, 0.0, 1.0, heights, 0.0, none, 0)
    if isinstance(ground, Plane):
        plane = np.array([ground.height, ground.slope_x, ground.slope_y])
        return GroundArrays(0.0, 0.0, 1.0, heights, 0.0, plane, 1)
    heights = np.ascontiguousarray(ground.heights, float)
    known = heights[np.isfinite(heights)]
    top = float(known.max()) + 1e-6 if len(known) else -np.inf
    return GroundArrays(float(ground.x), float(ground.y), float(ground.cell), heights, top, none, 2)


def _voxels(voxels: Voxels | None) -> VoxelArrays:
    if voxels is None:
        return VoxelArrays(
            np.zeros(3), 1.0, np.full((0, 0, 0), -1, np.int32), np.zeros((0, BRICK**3), np.int32),
            np.zeros((0, 3), np.float32), np.zeros(0, np.float32),
        )  # fmt: skip
    return VoxelArrays(
        np.ascontiguousarray(voxels.corner, float), float(voxels.size), voxels.table,
        voxels.bricks, voxels.normals, voxels.offsets,
    )  # fmt: skip
