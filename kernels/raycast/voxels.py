"""Rays through voxels in two levels (Amanatides and Woo): over bricks, then within one."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from drivelab.kernels.raycast.world import BRICK

_BESIDE = 0.25  # of a voxel: how far outside its voxel a disc may still be met


class VoxelArrays(NamedTuple):
    """`world.Voxels` as the kernels read them."""

    corner: np.ndarray
    size: float
    table: np.ndarray
    bricks: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray


@njit(nogil=True, cache=True)
def meet_voxels(voxels, origin, direction, limit, reals, cells):  # type: ignore[no-untyped-def]  # noqa: C901
    """Distance, splat and cosine of the first occupied voxel within `limit`; splat -1 if none.

    `reals` (5, 3) and `cells` (2, 3) are scratch: making them for every ray would cost more.
    """
    edge = voxels.size * BRICK
    place, slope, after, inner_after = reals[0], reals[1], reals[2], reals[3]  # in bricks
    pace = reals[4]  # distance along the ray per brick, infinite across it
    cell, inner = cells[0], cells[1]
    enter, leave = 0.0, limit
    for axis in range(3):
        place[axis] = (origin[axis] - voxels.corner[axis]) / edge
        slope[axis] = direction[axis] / edge
        n = voxels.table.shape[axis]
        if abs(slope[axis]) < 1e-15:
            if not 0 <= place[axis] < n:
                return math.inf, -1, 1.0
            pace[axis] = math.inf
            continue
        pace[axis] = 1 / slope[axis]
        one, other = -place[axis] * pace[axis], (n - place[axis]) * pace[axis]
        enter, leave = max(enter, min(one, other)), min(leave, max(one, other))
    if not enter <= leave:
        return math.inf, -1, 1.0
    for axis in range(3):
        n = voxels.table.shape[axis]
        at = math.floor(place[axis] + slope[axis] * enter)
        cell[axis] = min(max(at, 0), n - 1)
        after[axis] = _after(cell[axis], place[axis], pace[axis])
    while True:
        axis = _first(after)
        out = min(after[axis], leave)
        brick = voxels.table[cell[0], cell[1], cell[2]]
        if brick >= 0:
            distance, splat, cosine = _within(
                voxels, brick, (origin, direction), (place, slope, pace), cell, enter, out,
                inner, inner_after,
            )  # fmt: skip
            if splat >= 0 and distance < limit:
                return distance, splat, cosine
        if out >= leave:
            return math.inf, -1, 1.0
        enter = out
        cell[axis] += 1 if slope[axis] > 0 else -1
        if not 0 <= cell[axis] < voxels.table.shape[axis]:
            return math.inf, -1, 1.0
        after[axis] = _after(cell[axis], place[axis], pace[axis])


@njit(nogil=True, cache=True)
def _within(voxels, brick, ray, bricks, cell, enter, leave, inner, after):  # type: ignore[no-untyped-def]
    """The same inside one brick, whose voxels are counted from its corner."""
    (origin, direction), (place, slope, pace) = ray, bricks
    size = voxels.size
    for axis in range(3):
        local = (place[axis] - cell[axis]) * BRICK
        at = math.floor(local + slope[axis] * BRICK * enter)
        inner[axis] = min(max(at, 0), BRICK - 1)
        after[axis] = _after(inner[axis], local, pace[axis] / BRICK)
    while True:
        axis = _first(after)
        out = min(after[axis], leave)
        splat = voxels.bricks[brick, (inner[0] * BRICK + inner[1]) * BRICK + inner[2]]
        if splat >= 0:
            nx, ny, nz = (
                voxels.normals[splat, 0], voxels.normals[splat, 1], voxels.normals[splat, 2]
            )  # fmt: skip
            if nx == 0 and ny == 0 and nz == 0:
                return enter, splat, 1.0
            turn = nx * direction[0] + ny * direction[1] + nz * direction[2]
            if abs(turn) > 1e-9:
                height = nx * origin[0] + ny * origin[1] + nz * origin[2]
                distance = (voxels.offsets[splat] - height) / turn
                if enter - _BESIDE * size <= distance <= out + _BESIDE * size and distance >= 0:
                    return distance, splat, min(abs(turn), 1.0)
        if out >= leave:
            return math.inf, -1, 1.0
        enter = out
        inner[axis] += 1 if slope[axis] > 0 else -1
        if not 0 <= inner[axis] < BRICK:
            return math.inf, -1, 1.0
        local = (place[axis] - cell[axis]) * BRICK
        after[axis] = _after(inner[axis], local, pace[axis] / BRICK)


@njit(nogil=True, cache=True)
def _after(cell, place, pace):  # type: ignore[no-untyped-def]
    """Distance at which a ray leaves a cell along one axis."""
    if pace == math.inf:
        return math.inf
    return (cell + (1 if pace > 0 else 0) - place) * pace


@njit(nogil=True, cache=True)
def _first(after):  # type: ignore[no-untyped-def]
    if after[0] <= after[1] and after[0] <= after[2]:
        return 0
    return 1 if after[1] <= after[2] else 2
