"""What stands about at roadworks: cones, barriers, signs, boxes."""

from __future__ import annotations

import numpy as np

from drivelab.sim.splats.assets.lorries import box, plain
from drivelab.sim.splats.assets.surfaces import Facets, joined, sheet

ORANGE, WHITE, BLACK = (0.95, 0.36, 0.06), (0.93, 0.93, 0.92), (0.10, 0.10, 0.10)
CRATES = ((0.46, 0.34, 0.20), (0.30, 0.36, 0.30), (0.40, 0.40, 0.42))


def cone(size: tuple[float, float, float], seed: int) -> Facets:
    """A stout cone with white bands on a square foot."""
    length, width, height = size
    foot = box((-0.5 * length, -0.5 * width, 0.0), (0.5 * length, 0.5 * width, 0.09 * height),
               0.1, plain(BLACK), "obstacle")  # fmt: skip
    z = np.linspace(0.08, 1.0, 11)
    radius = np.interp(z, [0.08, 1.0], [0.50, 0.26])
    turn = np.linspace(0, 2 * np.pi, 15)[:, None]
    vertices = np.stack([np.cos(turn) * radius * length, np.sin(turn) * radius * width,
                         np.broadcast_to(z * height, (15, 11))], -1)  # fmt: skip
    band = (z[:-1] > 0.34) & (z[:-1] < 0.52) | (z[:-1] > 0.66) & (z[:-1] < 0.84)
    colours = np.broadcast_to(np.where(band[:, None], WHITE, ORANGE), (14, 10, 3))
    lid = np.stack([vertices[:, -1], np.tile([0.0, 0.0, height], (15, 1))], 1)
    return joined([
        foot, sheet(vertices, colour=colours, label="obstacle", overlap=0.6),
        sheet(lid, colour=ORANGE, label="obstacle"),
    ])  # fmt: skip


def barrier(size: tuple[float, float, float], seed: int) -> Facets:
    """A board with slanting red and white stripes."""
    length, width, height = size

    def stripes(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        span = width if face in ("front", "back") else length
        red = ((u * span + v * height) % 0.5) < 0.25
        colours = np.where(red[..., None], (0.80, 0.10, 0.08), WHITE)
        colours[v < 0.12] = (0.35, 0.35, 0.36)
        return colours, np.zeros(u.shape)

    low, high = (-0.5 * length, -0.5 * width, 0.0), (0.5 * length, 0.5 * width, height)
    return box(low, high, 0.11, stripes, "obstacle")


def works_sign(size: tuple[float, float, float], seed: int) -> Facets:
    """An orange board across the way, with a black sign on it, down to the ground."""
    length, width, height = size

    def board(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        colours = np.tile(np.array(ORANGE), (*u.shape, 1))
        if face in ("front", "back"):
            edge = (u < 0.08) | (u > 0.92) | (v < 0.28) | (v > 0.94)
            mark = (np.abs(u - 0.5) < 0.28 * (0.9 - v)) & (v > 0.36) & (v < 0.84)
            colours[edge | mark] = BLACK
        colours[v < 0.24] = (0.40, 0.40, 0.42)
        return colours, np.zeros(u.shape)

    low, high = (-0.5 * length, -0.5 * width, 0.0), (0.5 * length, 0.5 * width, height)
    return box(low, high, 0.1, board, "obstacle")


def crate(size: tuple[float, float, float], seed: int) -> Facets:
    """A box with planks: whatever nobody names."""
    length, width, height = size
    rng = np.random.default_rng([seed, 19])
    colour = np.array(CRATES[int(rng.integers(len(CRATES)))])

    def planks(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        colours = np.tile(colour, (*u.shape, 1))
        colours[np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) < 0.1] *= 0.7
        return colours, np.zeros(u.shape)

    low, high = (-0.5 * length, -0.5 * width, 0.0), (0.5 * length, 0.5 * width, height)
    return box(low, high, max(0.1, 0.1 * max(size)), planks, "obstacle")
