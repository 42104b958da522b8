"""Trees and bushes: a trunk and a crown of leaf clusters that look outwards from a few lobes."""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float
from scipy.spatial import cKDTree

from drivelab.sim.splats.assets.surfaces import Facets, facets, joined, sheet, tube
from drivelab.sim.splats.street.ground import KERB_HEIGHT, PAVEMENT, Kerb
from drivelab.sim.splats.street.houses import House
from drivelab.sim.splats.street.site import Site

EVERY = 11.0  # distance between trees along a kerb [m]
SETBACK = 1.7  # of street trees from the kerb [m]
CLEAR = 3.2  # of trees from street lamps and from views of traffic lights [m]
LOBES = 7  # balls that make a crown
BARK = (0.30, 0.23, 0.17)
LEAVES = ((0.22, 0.40, 0.13), (0.30, 0.44, 0.14), (0.17, 0.34, 0.16), (0.40, 0.45, 0.15))
WILD = 220  # trees that are tried on open ground
CLUSTERS = ((20.0, 420), (45.0, 180), (np.inf, 60))  # distance to the route -> clusters a tree


def plan_trees(
    site: Site, kerb: Kerb, houses: list[House], rng: np.random.Generator, *,
    clear: Float[np.ndarray, "k 2"],
) -> Float[np.ndarray, "n 2"]:  # fmt: skip
    """Where trees stand: in a row along kerbs, and scattered where neither road nor house is.

    They keep `CLEAR` away from the places `clear`, so that nobody's view of a light is blocked.
    """
    middle, out = 0.5 * (kerb.starts + kerb.ends), kerb.out
    step = max(1, round(EVERY / 0.5))
    chosen = np.arange(int(rng.integers(step)), len(middle), step)
    rows = middle[chosen] + SETBACK * out[chosen]
    rows += rng.uniform(-0.3, 0.3, rows.shape)
    low, high = np.array(site.window.buffer(30.0).bounds).reshape(2, 2)
    wild = rng.uniform(low, high, (WILD, 2))
    wild = wild[site.away(wild) < site.reach + 30.0]
    walls = shapely.union_all([shapely.Polygon(house.corners) for house in houses])
    for points, road, wall in ((rows, SETBACK - 0.5, 1.6), (wild, PAVEMENT + 1.0, 3.0)):
        keep = shapely.distance(shapely.points(points), site.road) > road
        if not walls.is_empty:
            keep &= shapely.distance(shapely.points(points), walls) > wall
        points[~keep] = np.nan
    found = np.concatenate([rows, wild])
    found = found[np.isfinite(found).all(axis=1)]
    if len(clear) and len(found):
        found = found[cKDTree(clear).query(found)[0] > CLEAR]
    return found


def grow_trees(
    places: Float[np.ndarray, "n 2"], site: Site, rng: np.random.Generator, detail: float = 1.0
) -> Facets:
    """Trunks and crowns of trees at places in the local frame; `detail` scales their leaves."""
    if not len(places):
        return joined([])
    away = site.away(places)
    parts, before = [], -1.0
    for limit, clusters in CLUSTERS:
        chosen = places[(away > before) & (away <= limit)]
        before = limit
        if len(chosen):
            parts.append(_stand(chosen, max(20, round(detail * clusters)), rng))
    return joined(parts)


def _stand(places: np.ndarray, clusters: int, rng: np.random.Generator) -> Facets:
    count = len(places)
    radius = rng.uniform(1.5, 2.6, count)
    clear = rng.uniform(2.3, 3.2, count)  # height up to which there is only the trunk
    tint = np.array(LEAVES)[rng.integers(len(LEAVES), size=count)]
    crown = _crown(places, radius, clear, tint, clusters, rng)
    rings = np.linspace(0.0, 1.0, 7)
    trunk = tube(np.column_stack([0 * rings, 0 * rings, rings]), 0.16 - 0.06 * rings, 5)
    trunks = np.tile(trunk, (count, 1, 1, 1))
    trunks[..., 2] = KERB_HEIGHT + trunks[..., 2] * (clear + 0.8 * radius)[:, None, None]
    trunks[..., :2] += places[:, None, None]
    return joined([sheet(trunks, colour=BARK, label="vegetation", overlap=0.6), crown])


def _crown(
    places: np.ndarray, radius: np.ndarray, clear: np.ndarray, tint: np.ndarray, clusters: int,
    rng: np.random.Generator,
) -> Facets:  # fmt: skip
    count = len(places)
    lobe = rng.normal(size=(count, LOBES, 3))
    lobe *= 0.55 / np.linalg.norm(lobe, axis=-1, keepdims=True)
    lobe[:, 0] = 0.0
    out = rng.normal(size=(count, clusters, 3))
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    which = rng.integers(LOBES, size=(count, clusters))
    ball = np.take_along_axis(lobe, which[..., None], axis=1)
    size = np.where(which == 0, 0.72, 0.52)[..., None] * rng.uniform(0.85, 1.05, (*which.shape, 1))
    local = ball + size * out
    centre = np.column_stack([places, clear + 1.05 * radius])
    at = centre[:, None] + local * (radius[:, None] * [1.0, 1.0, 1.12])[:, None]
    leaf = radius[:, None] * np.sqrt(9.0 / clusters) * rng.uniform(0.75, 1.25, which.shape)
    normal = out + 0.5 * rng.normal(size=out.shape)
    along = np.cross(normal, rng.normal(size=out.shape))
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    across = np.cross(normal, along)
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    shade = 0.55 + 0.38 * np.clip(0.5 + 0.6 * local[..., 2], 0, 1) + rng.normal(0, 0.08, leaf.shape)
    colour = tint[:, None] * np.clip(shade, 0.3, 1.2)[..., None] * 1.15
    width = 0.58 * leaf[..., None]
    return facets(
        at.reshape(-1, 3), (width * along).reshape(-1, 3), (0.8 * width * across).reshape(-1, 3),
        colour=colour.reshape(-1, 3), label="vegetation",
    )  # fmt: skip
