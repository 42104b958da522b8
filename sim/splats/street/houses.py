"""Buildings along a street: walls with windows, doors, roofs, set back from the asphalt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.sim.splats.assets.surfaces import Facets, joined, rectangle, sheet
from drivelab.sim.splats.street.ground import PAVEMENT, Kerb
from drivelab.sim.splats.street.site import Site

BAY, STOREY = 3.2, 3.0  # width of a bay and height of a floor [m]
FINE = 26.0  # nearer to the route than this windows have frames and sills [m]
YARD = 14.0  # islands whose width is below four times this bear no houses [m]
WALLS = (
    (0.72, 0.62, 0.50), (0.62, 0.34, 0.26), (0.80, 0.77, 0.70), (0.55, 0.56, 0.58),
    (0.74, 0.55, 0.40), (0.60, 0.66, 0.60), (0.84, 0.74, 0.58), (0.46, 0.30, 0.25),
)  # fmt: skip
ROOFS = ((0.48, 0.22, 0.16), (0.33, 0.31, 0.32), (0.40, 0.27, 0.20), (0.28, 0.30, 0.34))
DOORS = ((0.30, 0.16, 0.10), (0.12, 0.22, 0.30), (0.14, 0.28, 0.18))
FRAME, GLASS, LAMPLIGHT = (0.90, 0.89, 0.86), (0.16, 0.22, 0.30), (1.0, 0.80, 0.45)
LIT = 0.4  # share of the windows behind which a lamp burns
# Lines of the grid within a bay and a floor; the window lies between .28 and .72, .30 and .78.
COLUMNS = {
    True: (0.0, 0.14, 0.24, 0.29, 0.47, 0.53, 0.71, 0.76, 0.86),
    False: (0.0, 0.28, 0.50, 0.72),
}
ROWS = {True: (0.0, 0.15, 0.26, 0.31, 0.46, 0.62, 0.77, 0.82), False: (0.0, 0.30, 0.54, 0.78)}


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """A box to build.

    Attributes:
        corner: (2,) of its front, local frame [m]; the front runs along `way`.
        way: (2,) unit vector; `(way[1], -way[0])` points to the back.
        size: length of the front, depth, height of the walls [m].
        gable: whether its roof slopes.
        style: number that chooses colours.
    """

    corner: Float[np.ndarray, "2"]
    way: Float[np.ndarray, "2"]
    size: tuple[float, float, float]
    gable: bool
    style: int

    @property
    def corners(self) -> Float[np.ndarray, "4 2"]:
        """Front left to back left, so that walls look outwards."""
        back = np.array([self.way[1], -self.way[0]]) * self.size[1]
        front = self.way * self.size[0]
        return np.stack([self.corner, self.corner + front, self.corner + front + back,
                         self.corner + back])  # fmt: skip


def plan_houses(site: Site, kerb: Kerb, rng: np.random.Generator) -> list[House]:
    """Walk along the kerb and put a house wherever one fits."""
    holes = [hole for part in shapely.get_parts(site.road)
             for hole in map(shapely.Polygon, part.interiors)
             if np.sqrt(hole.area) < 4 * YARD]  # fmt: skip
    barred = shapely.union_all([site.road.buffer(PAVEMENT + 0.4, quad_segs=2), *holes])
    barred = shapely.union_all([barred, site.walkways.buffer(0.5)])
    shapely.prepare(barred)
    found: list[House] = []
    outlines: list[shapely.Polygon] = []
    middle, out = 0.5 * (kerb.starts + kerb.ends), kerb.out
    free = 0.0
    for n in range(0, len(middle), 3):
        if found and np.hypot(*(middle[n] - free)) < 1.5:
            continue
        house = _draft(middle[n], out[n], rng)
        outline = shapely.Polygon(house.corners)
        grown = outline.buffer(rng.choice([0.3, 1.5, 4.0]), join_style="mitre")
        if outline.intersects(barred) or (outlines and shapely.intersects(outlines, grown).any()):
            continue
        found.append(house)
        outlines.append(outline)
        free = middle[n]
    return found


def build_houses(
    houses: list[House], site: Site, rng: np.random.Generator, detail: float = 1.0
) -> Facets:
    """Walls, roofs and doors of houses; what the route never sees is left coarse.

    `detail` scales how far from the route windows still have frames.
    """
    parts: list[Facets] = []
    for house in houses:
        corners = house.corners
        fine = bool(site.away(corners).min() < FINE * detail)
        wall = np.array(WALLS[house.style % len(WALLS)]) * rng.uniform(0.9, 1.08)
        for side in range(4):
            parts.append(_wall(house, side, site, wall, fine, rng))
        parts.append(_roof(house, wall, fine, rng))
    return joined(parts)


def _draft(place: np.ndarray, out: np.ndarray, rng: np.random.Generator) -> House:
    way = np.array([-out[1], out[0]])
    gable = bool(rng.random() < 0.55)
    length = BAY * (rng.integers(3, 5) if gable else rng.integers(4, 7))
    floors = 2 if gable else int(rng.integers(2, 6))
    depth = BAY * int(rng.integers(3, 5))
    front = PAVEMENT + (rng.uniform(2.5, 6.0) if gable else rng.uniform(0.8, 3.0))
    corner = place + front * out - 0.5 * length * way
    # With `way` as the front's direction the back must lie on its right, away from the road.
    return House(corner, way, (length, depth, STOREY * floors), gable, int(rng.integers(1 << 16)))


def _wall(
    house: House, side: int, site: Site, colour: np.ndarray, fine: bool, rng: np.random.Generator
) -> Facets:
    start, end = house.corners[side], house.corners[(side + 1) % 4]
    length, height = float(np.hypot(*(end - start))), house.size[2]
    out = np.array([-(end - start)[1], (end - start)[0]]) / length
    seen = ((site.route - 0.5 * (start + end)) @ out > 1.0).any()
    bays, floors = max(1, round(length / BAY)), max(1, round(height / STOREY))
    across, upward = _lines(COLUMNS[fine], bays), _lines(ROWS[fine], floors)
    if not seen:
        across, upward = np.linspace(0, bays, bays + 1), np.linspace(0, floors, floors + 1)
    vertices = np.empty((len(upward), len(across), 3))
    vertices[..., :2] = start + (across / bays)[:, None] * (end - start)
    vertices[..., 2] = (upward * STOREY)[:, None]
    colours, glow = np.tile(colour, (len(upward) - 1, len(across) - 1, 1)), np.zeros(())
    if seen:
        doors = not house.gable or side == 0
        colours, glow = _facade(across, upward, colours, doors, house.style, rng)
    return sheet(vertices, colour=colours, label="building", glow=glow, overlap=0.56)


def _facade(
    across: np.ndarray, upward: np.ndarray, colours: np.ndarray, doors: bool, style: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Colours (r, c, 3) and glow (r, c) of a wall's cells."""
    u, v = 0.5 * (across[1:] + across[:-1]), 0.5 * (upward[1:] + upward[:-1])
    bay, floor = np.floor(u).astype(int), np.floor(v).astype(int)
    u, v = (u - bay)[None, :], (v - floor)[:, None]
    colours = colours * rng.normal(1.0, 0.02, colours.shape[:2])[..., None]
    colours = colours * (0.86 + 0.14 * np.minimum(1.0, upward[:-1] * 2.0))[:, None, None]
    frame = (u > 0.24) & (u < 0.76) & (v > 0.26) & (v < 0.82)
    pane = (u > 0.28) & (u < 0.72) & (v > 0.30) & (v < 0.78) & (np.abs(u - 0.5) > 0.02)
    colours[frame] = FRAME
    lit = (rng.random((floor.max() + 1, bay.max() + 1)) < LIT)[floor][:, bay] & pane
    shine = 1.0 + 0.9 * (v - 0.3) + rng.normal(0.0, 0.12, (floor.max() + 1, bay.max() + 1))[
        floor][:, bay]  # fmt: skip
    colours[pane] = (np.array(GLASS) * np.maximum(shine, 0.5)[..., None])[pane]
    glow = np.where(lit, 0.95, 0.0)
    if doors:
        door = (floor == 0)[:, None] & (bay == (bay.max() + 1) // 2)[None] & (v < 0.78)
        door = door & (u > 0.28) & (u < 0.72)
        colours[door], glow[door] = DOORS[style % len(DOORS)], 0.0
    return colours, glow


def _lines(fractions: tuple[float, ...], count: int) -> Float[np.ndarray, " n"]:
    lines = (np.arange(count)[:, None] + np.array(fractions)).ravel()
    return np.append(lines, count)


def _roof(house: House, wall: np.ndarray, fine: bool, rng: np.random.Generator) -> Facets:
    a, b, c, d = (np.append(corner, house.size[2]) for corner in house.corners)
    colour = np.array(ROOFS[house.style % len(ROOFS)])
    cell = 0.6 if fine else 1.2
    if not house.gable:
        rim = np.array([0.0, 0.0, 0.5])
        parts = [sheet(rectangle(p, q - p, -rim, 0.6)[:, ::-1], colour=0.8 * wall, label="building")
                 for p, q in ((b + rim, a + rim), (c + rim, b + rim), (d + rim, c + rim),
                              (a + rim, d + rim))]  # fmt: skip
        flat = rectangle(a, d - a, b - a, 2.0)
        return joined([*parts, sheet(flat, colour=(0.42, 0.42, 0.43), label="building")])
    rise = np.array([0.0, 0.0, 0.45 * house.size[1]])
    over = 0.35 * (a - b) / np.linalg.norm(a - b)
    eave = 0.35 * (a - d) / np.linalg.norm(a - d) - np.array([0.0, 0.0, 0.3])
    ridge, ridge_end = 0.5 * (a + d) + rise + over, 0.5 * (b + c) + rise - over
    slopes = [
        rectangle(a + eave + over, ridge - a - eave - over, ridge_end - ridge, cell),
        rectangle(c - eave - over - np.array([0, 0, 0.6]),
                  ridge_end - c + eave + over + np.array([0, 0, 0.6]), ridge - ridge_end, cell),
    ]  # fmt: skip
    parts = [sheet(slope, colour=_tiles(slope, colour, rng), label="building") for slope in slopes]
    top = np.array([0.0, 0.0, 1.0])
    for p, q in ((a, d), (c, b)):
        at = np.linspace(0, 1, 5)[None, :, None]
        foot, peak = p + np.linspace(0, 1, 9)[:, None] * (q - p), 0.45 * house.size[1]
        height = peak * (1 - np.abs(np.linspace(-1, 1, 9)))
        gable = foot[:, None] + at * (height[:, None] * top)[:, None]
        parts.append(sheet(gable, colour=0.95 * wall, label="building"))
    return joined(parts)


def _tiles(slope: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows, columns = slope.shape[0] - 1, slope.shape[1] - 1
    return np.asarray(colour * rng.normal(1.0, 0.07, (rows, columns, 1)))
