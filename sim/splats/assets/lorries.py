"""Lorries and buses: boxes with windows, wheels and lights painted on their faces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivelab.sim.splats.assets.cars import (
    FRONT_LIGHT,
    GLASS,
    PAINTS,
    PLATE,
    TAIL_LIGHT,
    TRIM,
    light_bar,
    wheel,
)
from drivelab.sim.splats.assets.surfaces import Facets, joined, rectangle, sheet

FACES = ("front", "back", "left", "right", "top", "bottom")
CARGOES = ((0.86, 0.86, 0.85), (0.75, 0.16, 0.13), (0.16, 0.30, 0.56), (0.86, 0.64, 0.16),
           (0.30, 0.46, 0.33))  # fmt: skip
Painter = Callable[[str, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def box(
    low: tuple[float, float, float], high: tuple[float, float, float], cell: float,
    paint: Painter, label: str,
) -> Facets:  # fmt: skip
    """The six faces of a box; `paint` gives colours and glow by face, u and v in 0..1.

    u runs from left to right as one looks at a face (of top and bottom: forwards), v upwards.
    """
    a, b = np.asarray(low, float), np.asarray(high, float)
    x, y, z = (b - a) * np.eye(3)
    starts = {
        "front": (a + x, y, z), "back": (a + y, -y, z), "left": (b - z, -x, z),
        "right": (a, x, z), "top": (a + z, x, y), "bottom": (a + y, x, -y),
    }  # fmt: skip
    parts = []
    for name, (corner, first, second) in starts.items():
        vertices = rectangle(corner, first, second, cell)
        rows, columns = vertices.shape[0] - 1, vertices.shape[1] - 1
        u, v = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
        colours, glow = paint(name, *np.broadcast_arrays(u[:, None], v[None]))
        parts.append(sheet(vertices, colour=colours, label=label, glow=glow, overlap=0.6))
    return joined(parts)


def plain(colour: np.ndarray | tuple) -> Painter:
    """Paint of one colour."""
    return lambda face, u, v: (np.tile(np.asarray(colour, float), (*u.shape, 1)), np.zeros(u.shape))


def lorry(size: tuple[float, float, float], seed: int, *, emergency: bool = False) -> Facets:
    """A cab and a load's box behind it."""
    rng = np.random.default_rng([seed, 7])
    length, width, height = size
    cab = np.array(PAINTS[int(rng.integers(len(PAINTS)))])
    cargo = np.array(CARGOES[int(rng.integers(len(CARGOES)))])
    if emergency:
        cab = cargo = np.array([0.80, 0.10, 0.08])
    split = 0.5 * length - min(2.1, 0.27 * length)
    wide, floor = 0.5 * width, 0.42 * min(1.0, height / 2.5)
    parts = [
        box((-0.5 * length, -wide, 1.6 * floor), (split - 0.12, wide, height), 0.19,
            _cargo(cargo), "vehicle"),
        box((split, -wide, floor), (0.5 * length, wide, 0.86 * height), 0.16, _cab(cab), "vehicle"),
        box((-0.48 * length, -0.8 * wide, floor), (split, 0.8 * wide, 1.6 * floor), 0.3,
            plain(TRIM), "vehicle"),
        _wheels(size, (-0.36, -0.24, 0.36) if length > 7 else (-0.30, 0.34)),
    ]  # fmt: skip
    if emergency:
        parts.append(light_bar((length, width, 0.86 * height + 0.14)))
    return joined(parts)


def bus(size: tuple[float, float, float], seed: int) -> Facets:
    """A long box with a band of windows, doors on the right and a sign above the windscreen."""
    rng = np.random.default_rng([seed, 9])
    length, width, height = size
    colour = np.array(CARGOES[1 + int(rng.integers(len(CARGOES) - 1))])
    low = (-0.5 * length, -0.5 * width, 0.32)
    return joined([
        box(low, (0.5 * length, 0.5 * width, height), 0.21, _coach(colour, length), "vehicle"),
        _wheels(size, (-0.27, 0.31)),
    ])  # fmt: skip


def _wheels(size: tuple[float, float, float], axles: tuple[float, ...]) -> Facets:
    radius = min(0.48, 0.16 * size[2])
    return joined([
        wheel(np.array([x * size[0], side * (0.5 * size[1] + 0.005), radius]), radius, 0.3, side)
        for x in axles for side in (-1.0, 1.0)
    ])  # fmt: skip


def _cargo(colour: np.ndarray) -> Painter:
    def paint(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        colours = np.tile(colour, (*u.shape, 1))
        glow = np.zeros(u.shape)
        if face in ("left", "right"):
            colours[(v > 0.42) & (v < 0.62) & (u > 0.2) & (u < 0.8)] = 0.9 - 0.6 * colour
        if face == "back":
            colours[np.abs(u - 0.5) < 0.03] *= 0.6
            colours[v < 0.08] = TRIM
            lamp = (v < 0.10) & (np.abs(u - 0.5) > 0.34)
            colours[lamp], glow[lamp] = TAIL_LIGHT, 0.9
            colours[(v < 0.10) & (np.abs(u - 0.5) < 0.12)] = PLATE
        edge = (u < 0.02) | (u > 0.98) | (v > 0.97)
        colours[edge] *= 0.75
        return colours, glow

    return paint


def _cab(colour: np.ndarray) -> Painter:
    def paint(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        colours = np.tile(colour, (*u.shape, 1))
        glow = np.zeros(u.shape)
        if face == "front":
            colours[(v > 0.52) & (v < 0.9) & (u > 0.07) & (u < 0.93)] = GLASS
            colours[(v > 0.22) & (v < 0.42) & (u > 0.2) & (u < 0.8)] = TRIM
            lamp = (v > 0.08) & (v < 0.2) & (np.abs(u - 0.5) > 0.3)
            colours[lamp], glow[lamp] = FRONT_LIGHT, 1.0
        if face in ("left", "right"):
            ahead = u if face == "right" else 1.0 - u
            colours[(v > 0.52) & (v < 0.88) & (ahead > 0.3) & (ahead < 0.9)] = GLASS
        colours[v < 0.08] = TRIM
        return colours, glow

    return paint


def _coach(colour: np.ndarray, length: float) -> Painter:
    def paint(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        colours = np.tile(colour, (*u.shape, 1))
        glow = np.zeros(u.shape)
        if face in ("left", "right"):
            pane = (v > 0.45) & (v < 0.84) & ((u * length) % 1.5 > 0.14)
            colours[pane], glow[pane] = GLASS, 0.0
            ahead = u if face == "right" else 1.0 - u
            door = (np.abs(ahead - 0.9) < 0.05) | (np.abs(ahead - 0.5) < 0.05)
            if face == "right":
                colours[door & (v > 0.06) & (v < 0.84)] = (0.16, 0.19, 0.22)
            colours[(v > 0.3) & (v < 0.36)] = (0.9, 0.9, 0.88)
        if face == "front":
            colours[(v > 0.36) & (v < 0.84) & (u > 0.06) & (u < 0.94)] = GLASS
            sign = (v > 0.87) & (v < 0.96) & (np.abs(u - 0.5) < 0.3)
            lamp = (v > 0.08) & (v < 0.2) & (np.abs(u - 0.5) > 0.32)
            colours[sign], glow[sign] = (1.0, 0.62, 0.1), 1.0
            colours[lamp], glow[lamp] = FRONT_LIGHT, 1.0
        if face == "back":
            colours[(v > 0.52) & (v < 0.84) & (u > 0.14) & (u < 0.86)] = GLASS
            lamp = (v > 0.14) & (v < 0.32) & (np.abs(u - 0.5) > 0.38)
            colours[lamp], glow[lamp] = TAIL_LIGHT, 0.9
            colours[(v > 0.14) & (v < 0.2) & (np.abs(u - 0.5) < 0.12)] = PLATE
        colours[v < 0.06] = TRIM
        return colours, glow

    return paint
