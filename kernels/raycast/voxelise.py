"""Splats -> the voxels that they stand in."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8
from numba import njit

from drivelab.kernels.raycast.world import BRICK, Voxels

_THIN = 0.3  # of a voxel: a splat whose smallest half axis is below is a disc
_MOST_BRICKS = 200_000_000  # of the table, 4 bytes each


def voxelise(
    means: Float[np.ndarray, "n 3"],
    rotations: Float[np.ndarray, "n 3 3"],
    scales: Float[np.ndarray, "n 3"],
    weights: Float[np.ndarray, " n"],
    labels: UInt8[np.ndarray, " n"],
    *,
    size: float = 0.2,
    reach: float = 1.5,
) -> Voxels:
    """Fill the voxels that splats reach into; the one that weighs most there gives the surface.

    Args:
        means: centres [m].
        rotations: columns are the splats' own axes.
        scales: standard deviations along them [m].
        weights: opacities.
        labels: carried along.
        size: edge of a voxel [m].
        reach: how many standard deviations of a splat count as there.

    Raises:
        ValueError: a table of more than 200 million bricks would be needed.
    """
    means, rotations, halves = (
        np.ascontiguousarray(values, float) for values in (means, rotations, scales * reach)
    )
    low, shape = _table_place(means, rotations, halves, size)
    table = np.full(shape, -1, np.int32)
    none = np.zeros((0, BRICK**3), np.int32)
    shared = (means, rotations, halves, np.ascontiguousarray(weights, np.float32), low, size)
    _fill(*shared, table, none, np.zeros((0, BRICK**3), np.float32))
    used = table >= 0
    table[used] = np.arange(int(used.sum()), dtype=np.int32)
    bricks = np.full((int(used.sum()), BRICK**3), -1, np.int32)
    _fill(*shared, table, bricks, np.zeros(bricks.shape, np.float32))
    normals, offsets = _discs(means, rotations, halves, size)
    return Voxels(low, size, table, bricks, normals, offsets, np.ascontiguousarray(labels))


def _table_place(
    means: np.ndarray, rotations: np.ndarray, halves: np.ndarray, size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower corner and number of bricks along x, y, z of what holds all splats."""
    if not len(means):
        return np.zeros(3), np.ones(3, int)
    around = np.sqrt((rotations**2 * halves[:, None, :] ** 2).sum(-1))  # half extents along x y z
    low, high = (means - around).min(0) - size, (means + around).max(0) + size
    shape = np.ceil((high - low) / (size * BRICK))
    if (count := float(np.prod(shape))) > _MOST_BRICKS:
        raise ValueError(
            f"voxels of {size} m over {(high - low).round().tolist()} m need a table of "
            f"{count:.3g} bricks; at most {_MOST_BRICKS:.3g} are made: take larger voxels or "
            "fewer splats"
        )
    return low, shape.astype(int)


def _discs(
    means: np.ndarray, rotations: np.ndarray, halves: np.ndarray, size: float
) -> tuple[np.ndarray, np.ndarray]:
    thin = halves.argmin(-1) if len(halves) else np.zeros(0, int)
    each = np.arange(len(means))
    normals = rotations[each, :, thin]
    normals = np.where((halves[each, thin] < _THIN * size)[:, None], normals, 0.0)
    return normals.astype(np.float32), (normals * means).sum(-1).astype(np.float32)


@njit(nogil=True, cache=True)
def _fill(means, rotations, halves, weights, low, size, table, bricks, best):  # type: ignore[no-untyped-def]
    """Without bricks: mark the ones that are needed; with them: fill in who weighs most."""
    count, share, unit = np.empty(3, np.int64), np.empty(3), np.empty(3)
    for s in range(len(means)):
        for axis in range(3):
            # Samples half a voxel apart; a splat thinner than that is one layer.
            count[axis] = math.ceil(4 * halves[s, axis] / size - 1e-9)
        for a in range(max(count[0], 1)):
            for b in range(max(count[1], 1)):
                for c in range(max(count[2], 1)):
                    unit[0], unit[1], unit[2] = a, b, c
                    inside = 0.0
                    for axis in range(3):
                        n = max(count[axis], 1)
                        share[axis] = (2 * unit[axis] + 1) / n - 1
                        inside += share[axis] * share[axis]
                    if inside > 1:
                        continue
                    _put(means, rotations, halves, weights, low, size, table, bricks, best,
                         s, share, inside)  # fmt: skip


@njit(nogil=True, cache=True)
def _put(means, rotations, halves, weights, low, size, table, bricks, best, s, share, inside):  # type: ignore[no-untyped-def]
    at = np.empty(3, np.int64)
    for axis in range(3):
        value = means[s, axis]
        for own in range(3):
            value += rotations[s, axis, own] * share[own] * halves[s, own]
        at[axis] = math.floor((value - low[axis]) / size)
    x, y, z = at[0] // BRICK, at[1] // BRICK, at[2] // BRICK
    if len(bricks) == 0:
        table[x, y, z] = 0
        return
    brick = table[x, y, z]
    inner = ((at[0] % BRICK) * BRICK + at[1] % BRICK) * BRICK + at[2] % BRICK
    weight = weights[s] * np.float32(math.exp(-inside)) + np.float32(1e-12)
    if weight > best[brick, inner]:
        best[brick, inner] = weight
        bricks[brick, inner] = s
