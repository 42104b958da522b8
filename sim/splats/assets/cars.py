"""Cars and vans: one skin drawn over stations from tail to nose, coloured by what lies where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.sim.splats.assets.surfaces import Facets, joined, sheet, tube

PAINTS = (
    (0.80, 0.80, 0.81), (0.12, 0.13, 0.15), (0.47, 0.49, 0.52), (0.62, 0.07, 0.07),
    (0.10, 0.20, 0.47), (0.86, 0.84, 0.78), (0.16, 0.32, 0.24), (0.78, 0.55, 0.10),
    (0.30, 0.36, 0.42), (0.52, 0.22, 0.12),
)  # fmt: skip
GLASS, TRIM, TYRE, HUB = (0.10, 0.13, 0.16), (0.07, 0.07, 0.08), (0.06, 0.06, 0.065), (0.62,) * 3
FRONT_LIGHT, TAIL_LIGHT, PLATE = (0.97, 0.96, 0.88), (0.85, 0.04, 0.04), (0.92, 0.92, 0.86)
BLUE_LIGHT = (0.10, 0.35, 1.0)
STATIONS = 58  # along a car
SIDE, CABIN, TOP = 8, 6, 12  # cells of a cross-section: a flank, a cabin's side, the top


@dataclass(frozen=True, slots=True)
class Shape:
    """The outline of a car from the side, in shares of its length and height.

    Attributes:
        roof: (x, z) from tail to nose: the highest line.
        belt: height at which windows begin.
        sill: height at which the body begins.
        narrow: width of the roof in shares of the car's width.
        cargo: in front of this the cabin's sides have windows; all of them where it is -1.
    """

    roof: tuple[tuple[float, float], ...]
    belt: float
    sill: float = 0.15
    narrow: float = 0.78
    cargo: float = -1.0


SHAPES = {
    "saloon": Shape(
        ((-0.5, 0.50), (-0.485, 0.62), (-0.33, 0.66), (-0.19, 0.96), (-0.05, 1.0), (0.06, 0.99),
         (0.25, 0.65), (0.44, 0.56), (0.49, 0.49), (0.5, 0.40)), 0.60,
    ),
    "hatchback": Shape(
        ((-0.5, 0.45), (-0.49, 0.62), (-0.41, 0.93), (-0.25, 1.0), (0.05, 0.99), (0.26, 0.66),
         (0.44, 0.57), (0.49, 0.50), (0.5, 0.40)), 0.60,
    ),
    "estate": Shape(
        ((-0.5, 0.45), (-0.49, 0.62), (-0.44, 0.94), (-0.3, 0.99), (0.0, 1.0), (0.1, 0.98),
         (0.27, 0.64), (0.45, 0.55), (0.49, 0.49), (0.5, 0.38)), 0.60,
    ),
    "suv": Shape(
        ((-0.5, 0.42), (-0.495, 0.62), (-0.45, 0.93), (-0.3, 1.0), (0.05, 0.99), (0.2, 0.66),
         (0.44, 0.61), (0.49, 0.55), (0.5, 0.40)), 0.60, 0.20, 0.82,
    ),
    "van": Shape(
        ((-0.5, 0.95), (-0.49, 0.985), (-0.3, 1.0), (0.2, 0.99), (0.38, 0.55), (0.48, 0.46),
         (0.5, 0.34)), 0.52, 0.13, 0.90, 0.12,
    ),
}  # fmt: skip


def car(
    size: tuple[float, float, float], shape: str, seed: int, *, emergency: bool = False
) -> Facets:
    """A car or van of a shape in `SHAPES`; its colour comes from the seed."""
    rng = np.random.default_rng([seed, 3])
    paint = (0.88, 0.88, 0.88) if emergency else PAINTS[int(rng.integers(len(PAINTS)))]
    if shape == "van" and not emergency and rng.random() < 0.6:
        paint = PAINTS[0]
    form = SHAPES[shape]
    skin, ground = _skin(size, form), _lowest(size)
    colours, glow = _painted(skin, size, form, np.array(paint), emergency)
    body = sheet(skin, colour=colours, label="vehicle", glow=glow, overlap=0.62)
    parts = [body, *(_end(skin, at, size, paint) for at in (0, -1)), _floor(size, form), ground]
    if emergency:
        parts.append(light_bar(size))
    return joined(parts)


def wheel(place: Float[np.ndarray, "3"], radius: float, width: float, side: float) -> Facets:
    """A wheel whose outer face looks to the left (side 1) or right (side -1)."""
    inner = place - np.array([0.0, side * width, 0.0])
    rings = inner + np.linspace(0, 1, 3)[:, None] * (place - inner)
    tread = sheet(tube(rings, np.full(3, radius), 14), colour=TYRE, label="vehicle", overlap=0.6)
    turn = side * np.linspace(0, 2 * np.pi, 15)
    spokes = np.stack([np.sin(turn), 0 * turn, np.cos(turn)], 1)
    reach = np.array([0.02, 0.33, 0.62, 0.85, 1.0])[:, None, None] * radius
    colours = np.array([HUB, (0.40, 0.40, 0.42), TYRE, TYRE])[:, None]
    face = sheet(place + reach * spokes, colour=colours, label="vehicle", overlap=0.55)
    return joined([tread, face])


def light_bar(size: tuple[float, float, float]) -> Facets:
    """Blue lamps across a roof, within the box."""
    width, top = 0.6 * size[1], size[2]
    y = np.linspace(-0.5, 0.5, 7) * width
    bar = tube(
        np.column_stack([np.full(7, 0.02 * size[0]), y, np.full(7, top - 0.07)]),
        np.full(7, 0.07),
        6,
    )
    return sheet(bar, colour=BLUE_LIGHT, label="vehicle", glow=1.0, overlap=0.6)


def _skin(size: tuple[float, float, float], shape: Shape) -> Float[np.ndarray, "s c 3"]:
    """Vertices: stations from tail to nose, each from the right sill over the top to the left."""
    length, width, height = size
    even = np.linspace(-0.5, 0.5, STATIONS)
    x = np.unique(np.round(np.concatenate([even, [-0.495, -0.485, 0.485, 0.495]]), 4))
    top = np.interp(x, *np.array(shape.roof).T)
    full = 0.5 * width * (1.0 - 0.16 * np.abs(2 * x) ** 7)
    belt = np.minimum(shape.belt, top)
    taper = (top - belt) / max(1e-6, 1.0 - shape.belt)
    roof = full * (1.0 - (1.0 - shape.narrow) * np.clip(taper, 0, 1)) - 0.02 * width
    up, over = np.linspace(0, 1, SIDE + 1), np.linspace(0, 1, CABIN + 1)[1:]
    across = np.linspace(1, -1, TOP + 1)[1:-1]
    flank = shape.sill + up * (belt - shape.sill)[:, None]
    bulge = full[:, None] * (0.93 + 0.07 * np.sin(np.pi * np.clip(up * 0.9, 0, 1)))
    cabin = belt[:, None] + over * (top - belt)[:, None]
    lean = bulge[:, -1:] + over * (roof - bulge[:, -1])[:, None]
    crown = top[:, None] - 0.012 * across**2
    y = np.concatenate([-bulge, -lean, -across * roof[:, None], lean[:, ::-1], bulge[:, ::-1]], 1)
    z = np.concatenate([flank, cabin, crown, cabin[:, ::-1], flank[:, ::-1]], 1)
    # What is drawn twice (the corner between cabin and top) makes cells without area: harmless.
    skin = np.empty((*y.shape, 3))
    skin[..., 0], skin[..., 1], skin[..., 2] = (x * length)[:, None], y, z * height
    return skin


def _painted(
    skin: np.ndarray, size: tuple[float, float, float], shape: Shape, paint: np.ndarray,
    emergency: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Colours (r, c, 3) and glow (r, c) of the skin's cells."""
    middle = 0.25 * (skin[:-1, :-1] + skin[1:, :-1] + skin[:-1, 1:] + skin[1:, 1:])
    x, y, z = middle[..., 0] / size[0], np.abs(middle[..., 1]) / (0.5 * size[1]), middle[..., 2]
    z = z / size[2]
    count = x.shape[1]
    column = np.minimum(np.arange(count), count - 1 - np.arange(count))[None, :]
    flank, cabin, top = column < SIDE, (column >= SIDE) & (column < SIDE + CABIN), None
    top = column >= SIDE + CABIN
    highest = np.interp(x, *np.array(shape.roof).T)
    slope = np.abs(np.gradient(np.interp(x[:, 0], *np.array(shape.roof).T), x[:, 0]))[:, None]
    raised = highest > shape.belt + 0.06
    colours = np.tile(paint, (*x.shape, 1))
    if emergency:
        colours[flank & (z > 0.36) & (z < 0.47)] = (0.85, 0.12, 0.08)
    pane = cabin & raised & (z > shape.belt + 0.04) & (z < highest - 0.05) & (x > shape.cargo)
    pane &= (np.abs(x - 0.02) > 0.015) & (np.abs(x + 0.22) > 0.012)
    screen = top & raised & (slope > 1.0) & (y < 0.78) & ((shape.cargo < 0) | (x > 0))
    colours[pane | screen] = GLASS
    colours[flank & (z < shape.sill + 0.07)] = TRIM
    axle, radius = 0.30, _radius(size)
    away = np.hypot((np.abs(x) - axle) * size[0], z * size[2] - radius)
    colours[flank & (away < 1.22 * radius)] = TRIM
    lamp = (x > 0.47) & (y > 0.62) & (z > 0.40) & (z < 0.54)
    tail = (x < -0.465) & (y > 0.62) & (z > 0.42) & (z < 0.66)
    colours[lamp], colours[tail] = FRONT_LIGHT, TAIL_LIGHT
    return colours, np.where(lamp, 1.0, np.where(tail, 0.9, 0.0))


def _end(
    skin: np.ndarray, at: int, size: tuple[float, float, float], paint: tuple[float, ...]
) -> Facets:
    """The flat part of the nose (at -1) or tail (at 0): lights, grille, number plate."""
    ring = skin[at]
    low, high = ring[0, 2], ring[:, 2].max()
    half = np.abs(ring[:, 1]).max()
    y = np.linspace(-half, half, 15)
    z = np.linspace(low, high, max(7, round((high - low) / 0.11)))
    vertices = np.empty((len(y), len(z), 3))
    vertices[..., 0], vertices[..., 1], vertices[..., 2] = ring[0, 0], y[:, None], z[None]
    if at == 0:
        vertices = vertices[::-1]
    middle = 0.25 * (vertices[:-1, :-1] + vertices[1:, 1:] + vertices[1:, :-1] + vertices[:-1, 1:])
    aside = np.abs(middle[..., 1]) / half
    height = (middle[..., 2] - low) / (high - low)
    colours = np.full((*aside.shape, 3), 0.16)
    colours[(height < 0.3)] = TRIM
    colours[(aside < 0.28) & (height > 0.25) & (height < 0.55)] = PLATE
    tall = at == 0 and bool(high > 0.8 * size[2])  # a van's doors rather than a car's tail
    if tall:
        colours[height > 0.12] = paint
        colours[(aside < 0.72) & (aside > 0.06) & (height > 0.62) & (height < 0.9)] = GLASS
        colours[(aside < 0.28) & (height > 0.22) & (height < 0.32)] = PLATE
    lamp = (aside > 0.62) & (height > 0.55) & (height < 0.95)
    if tall:
        lamp = (aside > 0.8) & (height > 0.22) & (height < 0.5)
    colours[lamp] = FRONT_LIGHT if at else TAIL_LIGHT
    return sheet(vertices, colour=colours, label="vehicle", glow=np.where(lamp, 1.0, 0.0),
                 overlap=0.55)  # fmt: skip


def _floor(size: tuple[float, float, float], shape: Shape) -> Facets:
    x, y = np.linspace(-0.48, 0.48, 9) * size[0], np.linspace(0.45, -0.45, 5) * size[1]
    vertices = np.empty((9, 5, 3))
    vertices[..., 0], vertices[..., 1] = x[:, None], y[None]
    vertices[..., 2] = shape.sill * size[2]
    return sheet(vertices, colour=TRIM, label="vehicle", overlap=0.6)


def _lowest(size: tuple[float, float, float]) -> Facets:
    """The four wheels."""
    radius = _radius(size)
    return joined([
        wheel(np.array([x * size[0], side * (0.5 * size[1] - 0.01), radius]), radius, 0.24, side)
        for x in (-0.30, 0.30) for side in (-1.0, 1.0)
    ])  # fmt: skip


def _radius(size: tuple[float, float, float]) -> float:
    return min(0.36, 0.22 * size[2], 0.075 * size[0])
