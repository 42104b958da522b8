"""The ground in flat Gaussians: asphalt, paint, kerbs, pavement, grass.

Gaussians are sorted by their centres, so one that reaches under a line would be drawn over it
whatever their heights. The ground is therefore a partition: bars of paint and kerbs come first,
rows of narrow Gaussians along both of their sides, and a quadtree of cells fills what is left,
the finer the nearer it comes to a line or to the route.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float
from scipy.spatial import cKDTree

from drivelab.sim.splats.assets.surfaces import OVERLAP, Facets, facets, joined
from drivelab.sim.splats.labels import LABELS
from drivelab.sim.splats.street.lines import Bars
from drivelab.sim.splats.street.site import Site, resample, rings

KERB_HEIGHT, KERB_WIDTH, PAVEMENT = 0.09, 0.18, 2.6  # [m]
ASPHALT, STONE, SLABS, GRASS = (
    (0.27, 0.27, 0.285), (0.66, 0.65, 0.62), (0.55, 0.53, 0.50), (0.30, 0.44, 0.17),
)  # fmt: skip
ROW, OUTER = 0.06, 0.15  # half-widths of the two rows beside a line [m]
BESIDE = 0.40  # cells stay this far from the middle of a line [m]
SHORTEST = 0.05  # piece of a kerb; a shorter one has no direction [m]
LARGEST = 4.8  # cell of the quadtree before it is split [m]
NEAR_CELLS = (0.28, 0.55, 1.2, 4.8)  # largest cells at 8, 20, 60, 75 m from the route [m]
GRASSY = 2.0  # how much larger they may be off the asphalt and its pavement
SKIRT = 70.0  # how far the ground goes on beyond the reach, in large cells [m]
CLOSE = 0.58  # deviation of a cell per edge: closes the gaps to the rows, whose grid is another
BROAD = 0.48  # deviation of one of several bars side by side per width
TIGHT = 0.60  # the same of asphalt beside paint, which must not creep over it
EDGE = 0.69  # deviation of a lone row per half of its width: where it is half gone lies its edge


@dataclass(frozen=True, slots=True, eq=False)
class Kerb:
    """Pieces of the asphalt's border with the asphalt on their left."""

    starts: Float[np.ndarray, "n 2"]
    ends: Float[np.ndarray, "n 2"]

    @property
    def out(self) -> Float[np.ndarray, "n 2"]:
        """Unit vectors away from the asphalt."""
        way = self.ends - self.starts
        way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        return np.stack([way[:, 1], -way[:, 0]], 1)


def kerb_of(site: Site) -> Kerb:
    """The border of the asphalt, but for ends where a road leaves the map."""
    starts, ends = [], []
    for ring in rings(site.road):
        points = resample(ring, 0.5)
        starts.append(points[:-1])
        ends.append(points[1:])
    first, last = np.concatenate(starts), np.concatenate(ends)
    middle = 0.5 * (first + last)
    kept = (site.away(middle) < site.reach) & (np.hypot(*(last - first).T) > SHORTEST)
    mouths = shapely.union_all([
        shapely.LineString([b.left[at], b.right[at]]).buffer(0.6)
        for b in site.borders
        for at, others in ((-1, b.lane.successors), (0, b.lane.predecessors)) if not others
    ])  # fmt: skip
    kept &= ~shapely.contains_xy(mouths, middle[:, 0], middle[:, 1])
    return Kerb(first[kept], last[kept])


def lay_ground(
    site: Site, bars: Bars, kerb: Kerb, rng: np.random.Generator, detail: float = 1.0
) -> Facets:
    """Everything flat: paint, rows beside it, kerbs, cells of asphalt, pavement and grass.

    `detail` is about the share of cells in comparison with the default.
    """
    return joined([
        _paint(bars, rng), _rows(bars, kerb, site, rng), _kerbs(kerb, rng),
        _cells(bars, kerb, site, rng, detail),
    ])  # fmt: skip


def _paint(bars: Bars, rng: np.random.Generator) -> Facets:
    middle, way = 0.5 * (bars.starts + bars.ends), bars.ends - bars.starts
    parts = []
    for number in np.unique(bars.labels):
        for painted in (True, False):
            chosen = (bars.labels == number) & (bars.painted == painted)
            # Broad paint is several bars side by side, which overlap as cells do.
            lone = bars.labels[chosen] == LABELS.index("marking")
            factor = np.where(lone, 0.5 * EDGE, BROAD)
            if not painted:
                factor = np.where(lone, 1.3 * factor, 0.86 * factor)
            wide = bars.widths[chosen] * factor
            colour = bars.colours[chosen] if painted else _grain(middle[chosen], ASPHALT, rng)
            wear = rng.uniform(0.90, 1.0, (int(chosen.sum()), 1))
            parts.append(facets(
                _flat(middle[chosen]), _flat(0.94 * OVERLAP * way[chosen]),
                _flat(wide[:, None] * bars.sides[chosen]), colour=colour * wear,
                label=LABELS[number] if painted else "road",
            ))  # fmt: skip
    return joined(parts)


def _rows(bars: Bars, kerb: Kerb, site: Site, rng: np.random.Generator) -> Facets:
    """Asphalt along both sides of the paint, where neither other paint nor a kerb lies."""
    middle, way = 0.5 * (bars.starts + bars.ends), bars.ends - bars.starts
    tree = shapely.STRtree(bars.polygons()[bars.painted])
    border = cKDTree(0.5 * (kerb.starts + kerb.ends)) if len(kerb.starts) else None
    parts = []
    for half, shift in ((ROW, ROW), (OUTER, 2 * ROW + OUTER)):
        for side in (-1.0, 1.0):
            out = side * bars.sides
            at = middle + (0.5 * bars.widths[:, None] + shift) * out
            blocked = np.zeros(len(at), bool)
            blocked[tree.query(shapely.points(at), "dwithin", 0.6 * half)[0]] = True
            free = ~blocked & site.on_road(at)
            if border is not None:
                free &= border.query(at)[0] > 0.34
            parts.append(facets(
                _flat(at[free]), _flat(OVERLAP * way[free]), _flat(TIGHT * half * bars.sides[free]),
                colour=_grain(at[free], ASPHALT, rng), label="road",
            ))  # fmt: skip
    return joined(parts)


def _kerbs(kerb: Kerb, rng: np.random.Generator) -> Facets:
    middle, way = 0.5 * (kerb.starts + kerb.ends), kerb.ends - kerb.starts
    out, along = kerb.out, _flat(OVERLAP * way)
    up = np.array([0.0, 0.0, KERB_HEIGHT])
    stone = np.array(STONE) * rng.uniform(0.88, 1.05, (len(middle), 1))
    face = facets(
        _flat(middle, KERB_HEIGHT / 2), along, -EDGE * 0.5 * up, colour=0.82 * stone, label="kerb"
    )
    top = facets(
        _flat(middle + 0.5 * KERB_WIDTH * out, KERB_HEIGHT), along,
        _flat(-0.8 * 0.5 * KERB_WIDTH * out), colour=stone, label="kerb",
    )  # fmt: skip
    parts = [face, top]
    for shift, half, label, colour, height in (
        (-ROW, ROW, "road", ASPHALT, 0.0), (-2 * ROW - 0.05, 0.05, "road", ASPHALT, 0.0),
        (KERB_WIDTH + ROW, ROW, "pavement", SLABS, KERB_HEIGHT),
        (KERB_WIDTH + 2 * ROW + OUTER, OUTER, "pavement", SLABS, KERB_HEIGHT),
    ):  # fmt: skip
        at = middle + shift * out
        parts.append(facets(
            _flat(at, height), along, _flat(-EDGE * half * out), colour=_grain(at, colour, rng),
            label=label,
        ))  # fmt: skip
    return joined(parts)


def _cells(bars: Bars, kerb: Kerb, site: Site, rng: np.random.Generator, detail: float) -> Facets:
    beside = site.road.buffer(PAVEMENT, quad_segs=2)
    shapely.prepare(beside)
    points, sizes = _quadtree(bars, kerb, site, beside, detail)
    road = site.on_road(points)
    walk = shapely.contains_xy(beside, points[:, 0], points[:, 1])
    walk = ~road & (walk | shapely.contains_xy(site.walkways, points[:, 0], points[:, 1]))
    parts = []
    for chosen, label, colour, height in (
        (road, "road", ASPHALT, 0.0), (walk, "pavement", SLABS, KERB_HEIGHT),
        (~road & ~walk, "terrain", GRASS, KERB_HEIGHT - 0.02),
    ):  # fmt: skip
        size = CLOSE * sizes[chosen, None]
        parts.append(facets(
            _flat(points[chosen], height), size * [1.0, 0.0, 0.0], size * [0.0, 1.0, 0.0],
            colour=_grain(points[chosen], colour, rng), label=label,
        ))  # fmt: skip
    return joined(parts)


def _quadtree(
    bars: Bars, kerb: Kerb, site: Site, beside: shapely.Geometry, detail: float
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Cells that keep clear of lines and kerbs: middles and edges [m]."""
    lines = _dense(bars.starts, bars.ends)
    kerbs = _dense(kerb.starts + 0.09 * kerb.out, kerb.ends + 0.09 * kerb.out)
    edges = cKDTree(np.concatenate([lines, kerbs, np.full((1, 2), 1e9)]))
    free = np.concatenate([
        np.repeat(0.5 * bars.widths + 2 * ROW + 0.8 * OUTER, 3), np.full(len(kerbs), 0.36), [0.0],
    ])  # fmt: skip
    low, high = np.array(site.window.buffer(SKIRT).bounds).reshape(2, 2)
    x, y = (np.arange(low[k], high[k], LARGEST) for k in range(2))
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    kept, size, found = [], LARGEST, []
    while len(points):
        away = site.away(points)
        points, away = points[away < site.reach + SKIRT], away[away < site.reach + SKIRT]
        gap, at = edges.query(points)
        room = gap - free[at]
        wanted = np.interp(away, [8.0, 20.0, 60.0, 75.0], NEAR_CELLS) / detail**0.5
        paved = shapely.contains_xy(beside, points[:, 0], points[:, 1])
        wanted = np.where(paved, wanted, GRASSY * wanted)
        least = np.where(away < 12.0, 0.1, np.where(away < 30.0, 0.2, 0.4))
        fits = (size <= 1.01 * wanted) & (room >= 0.4 * size)
        kept.append(points[fits])
        found.append(np.full(int(fits.sum()), size))
        split = ~fits & (size > 1.01 * least) & (room > -0.75 * size)
        quarter = 0.25 * size * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
        points = (points[split][:, None] + quarter).reshape(-1, 2)
        size = 0.5 * size
    return np.concatenate(kept), np.concatenate(found)


def _dense(starts: np.ndarray, ends: np.ndarray) -> Float[np.ndarray, "n 2"]:
    """Three points of every piece, piece by piece."""
    at = np.array([1 / 6, 1 / 2, 5 / 6])[None, :, None]
    return np.asarray((starts[:, None] + at * (ends - starts)[:, None]).reshape(-1, 2))


def _flat(points: np.ndarray, height: float = 0.0) -> Float[np.ndarray, "n 3"]:
    return np.column_stack([points, np.full(len(points), height)])


def _grain(points: np.ndarray, colour: tuple, rng: np.random.Generator) -> np.ndarray:
    """A colour with grain and broad patches, so that the ground shows that one moves over it."""
    x, y = points[:, 0], points[:, 1]
    broad = np.sin(0.31 * x + 0.17 * y) + np.sin(0.13 * x - 0.37 * y + 1.0)
    shade = 1.0 + 0.03 * broad + rng.normal(0.0, 0.045, len(points))
    return np.asarray(np.array(colour) * shade[:, None])
