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
    """Without bricks: mark the ones that are needed; with them: fill in who weighs most.

    What a sample has in common with its neighbours along the inner axes is summed up once, in the
    order in which one alone would be.
    """
    for s in range(len(means)):
        nx, ny, nz = (
            _samples(halves, s, 0, size),
            _samples(halves, s, 1, size),
            _samples(halves, s, 2, size),
        )
        for a in range(nx):
            at_a = (2 * a + 1) / nx - 1
            xa, ya, za = _moved(
                means[s, 0], means[s, 1], means[s, 2], rotations, halves, s, 0, at_a
            )
            for b in range(ny):
                at_b = (2 * b + 1) / ny - 1
                inside_b = at_a * at_a + at_b * at_b
                if inside_b > 1:
                    continue
                xb, yb, zb = _moved(xa, ya, za, rotations, halves, s, 1, at_b)
                for c in range(nz):
                    at_c = (2 * c + 1) / nz - 1
                    inside = inside_b + at_c * at_c
                    if inside > 1:
                        continue
                    x, y, z = _moved(xb, yb, zb, rotations, halves, s, 2, at_c)
                    _put(x, y, z, inside, s, weights, low, size, table, bricks, best)


@njit(nogil=True, inline="always")
def _samples(halves, s, axis, size):  # type: ignore[no-untyped-def]
    """Samples along an axis, half a voxel apart; a splat thinner than that is one layer."""
    return max(math.ceil(4 * halves[s, axis] / size - 1e-9), 1)


@njit(nogil=True, inline="always")
def _moved(x, y, z, rotations, halves, s, own, share):  # type: ignore[no-untyped-def]
    half = halves[s, own]
    return (
        x + rotations[s, 0, own] * share * half,
        y + rotations[s, 1, own] * share * half,
        z + rotations[s, 2, own] * share * half,
    )


@njit(nogil=True, inline="always")
def _put(px, py, pz, inside, s, weights, low, size, table, bricks, best):  # type: ignore[no-untyped-def]
    x = math.floor((px - low[0]) / size)
    y = math.floor((py - low[1]) / size)
    z = math.floor((pz - low[2]) / size)
    if len(bricks) == 0:
        table[x // BRICK, y // BRICK, z // BRICK] = 0
        return
    brick = table[x // BRICK, y // BRICK, z // BRICK]
    inner = ((x % BRICK) * BRICK + y % BRICK) * BRICK + z % BRICK
    before = best[brick, inner]
    if weights[s] + np.float32(1e-12) <= before:
        return  # the middle of the splat would not do
    weight = weights[s] * np.float32(math.exp(-inside)) + np.float32(1e-12)
    if weight > before:
        best[brick, inner] = weight
        bricks[brick, inner] = s
