"""Streets of Gaussians built from lane maps: asphalt, paint, kerbs, houses, trees, lights, sky.

`build_street` is the door. The ground is flat: heights that a map may know are not used, as the
native world drives on a plane. What a map does not say is made up from the seed: houses, trees,
lamps; and a crosswalk before every approach with lights where a map knows no crosswalk at all.
"""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.sim.splats.assets.surfaces import Facets, joined, splats
from drivelab.sim.splats.labels import GROUND, NUMBER
from drivelab.sim.splats.scene import Splats, SplatScene
from drivelab.sim.splats.sky import paint_sky
from drivelab.sim.splats.street.crossings import paint
from drivelab.sim.splats.street.furniture import (
    LAMP,
    build_lamps,
    build_signs,
    lamp_heads,
    plan_lamps,
)
from drivelab.sim.splats.street.ground import kerb_of, lay_ground
from drivelab.sim.splats.street.houses import LAMPLIGHT, build_houses, plan_houses
from drivelab.sim.splats.street.signals import build_lamps as build_signal_lamps
from drivelab.sim.splats.street.signals import plan_signals, sightlines
from drivelab.sim.splats.street.site import Site, survey
from drivelab.sim.splats.street.trees import grow_trees, plan_trees
from drivelab.sim.splats.weather import Weather, air, shade, wet
from drivelab.types.lane_map import LaneMap

__all__ = ["BUDGET", "REACH", "build_street", "marking_polygons", "road_polygon"]
REACH = 62.0  # distance from the route up to which there is a street [m]
BUDGET = (160_000, 220_000)  # Gaussians of a street; outside of it detail is chosen anew
POOL = 5.0  # radius of the light that a street lamp throws on the ground [m]
BEAMS = 7.0  # by night what is nearer to the route than this lies in headlights [m]


def build_street(
    lane_map: LaneMap,
    *,
    route: Float[np.ndarray, "m k"],
    weather: Weather | None = None,
    seed: int = 0,
    reach: float = REACH,
    budget: tuple[int, int] = BUDGET,
    licence: str = "",
) -> SplatScene:
    """A street to look at along a route; the same arguments give the same Gaussians.

    Args:
        lane_map: any map.
        route: (m, 2 or more) x, y [m] in the map frame: what the ego follows; detail is the
            finer the nearer to it.
        weather: time of day, rain, fog; a clear day by default.
        seed: of everything that the map does not say.
        reach: distance from the route up to which there is a street [m].
        budget: least and most Gaussians; detail follows, within what a route's length allows.
        licence: of the map, handed on.

    Raises:
        ValueError: an empty map, none of it near the route, a route that is not finite, a reach
            or budget that is not above 0; names what and where.
    """
    today = weather or Weather()
    site = survey(lane_map, route, reach)
    heads, posts = plan_signals(site)
    pieces, lamps = _within_budget(site, seed, sightlines(heads), budget)
    return SplatScene(
        f"{lane_map.name or 'map'} street",
        _lit(joined([pieces, posts]), site, lamp_heads(lamps), today),
        lamps=build_signal_lamps(heads, today),
        sky=paint_sky(today, seed=seed), air=air(today),
        map_from_scene=_placed(site),
        licence=licence,
        info={"builder": "street", "map": lane_map.name, "seed": seed, "reach": reach,
              "time": today.time, "rain": today.rain, "fog": today.fog},
    )  # fmt: skip


def marking_polygons(
    lane_map: LaneMap, *, route: Float[np.ndarray, "m k"], reach: float = REACH
) -> tuple[np.ndarray, np.ndarray]:
    """Outlines of all paint that `build_street` lays: (n,) shapely polygons in the map frame.

    The second array names the label of each: `labels.NUMBER` of marking or crosswalk.
    """
    site = survey(lane_map, route, reach)
    bars = paint(site)
    bars = bars.take(bars.painted)
    moved = shapely.transform(bars.polygons(), lambda points: points + site.origin)
    return np.asarray(moved), bars.labels


def road_polygon(
    lane_map: LaneMap, *, route: Float[np.ndarray, "m k"], reach: float = REACH
) -> shapely.Geometry:
    """The asphalt that `build_street` lays, in the map frame."""
    site = survey(lane_map, route, reach)
    return shapely.transform(site.road, lambda points: points + site.origin)


def _within_budget(
    site: Site, seed: int, views: Float[np.ndarray, "k 2"], budget: tuple[int, int]
) -> tuple[Facets, Float[np.ndarray, "n 2 2"]]:
    """Built with as much detail as the budget allows, in two attempts at most."""
    if not 0 < budget[0] <= budget[1]:
        raise ValueError(f"street: budget={budget}; expected two counts above 0, least first")
    pieces, lamps = _built(site, seed, views, 1.0)
    if budget[0] <= len(pieces) <= budget[1]:
        return pieces, lamps
    # Counts grow a little slower than detail does: lines, kerbs and poles do not take part.
    ratio = 0.5 * sum(budget) / len(pieces)
    return _built(
        site, seed, views, float(np.clip(ratio ** (1.5 if ratio > 1.0 else 1.0), 0.1, 5.0))
    )


def _built(
    site: Site, seed: int, views: Float[np.ndarray, "k 2"], detail: float
) -> tuple[Facets, Float[np.ndarray, "n 2 2"]]:
    """Everything that stands or lies still, but for traffic lights; and where lamps stand."""
    rng = np.random.default_rng([seed, 5])
    bars, kerb = paint(site), kerb_of(site)
    houses = plan_houses(site, kerb, rng)
    lamps = plan_lamps(kerb, rng)
    clear = np.concatenate([views, lamps[:, 0]])
    trees = plan_trees(site, kerb, houses, rng, clear=clear)
    parts = [
        lay_ground(site, bars, kerb, rng, detail), build_houses(houses, site, rng, detail),
        grow_trees(trees, site, rng, detail), build_lamps(lamps), build_signs(site),
    ]  # fmt: skip
    return joined(parts), lamps


def _lit(pieces: Facets, site: Site, lamps: np.ndarray, weather: Weather) -> Splats:
    colours = pieces.colours
    flat = np.isin(pieces.labels, GROUND)
    colours = np.where(flat[:, None], wet(colours, weather), colours)
    darkness = weather.light.darkness
    panes = (pieces.labels == NUMBER["building"]) & (pieces.glow > 0)
    colours[panes] += darkness * (np.array(LAMPLIGHT) - colours[panes])
    lit = shade(colours, pieces.normals, weather, glow=pieces.glow)
    if darkness > 0.0:
        warm = np.array(LAMP) * _lamplight(pieces.centres, lamps)[:, None]
        beams = np.exp(-0.5 * (site.away(pieces.centres[:, :2]) / BEAMS) ** 2)
        beams *= np.exp(-0.5 * (pieces.centres[:, 2] / 1.6) ** 2)
        lit = lit + darkness * colours * (0.75 * warm + 0.35 * beams[:, None])
    return splats(pieces, np.clip(lit, 0.0, 1.0))


def _lamplight(points: np.ndarray, lamps: np.ndarray) -> Float[np.ndarray, " n"]:
    """How bright the lamps' cones are at points, about 1 below a lamp."""
    found = np.zeros(len(points))
    for lamp in lamps:
        near = np.flatnonzero(np.abs(points[:, :2] - lamp[:2]).max(axis=1) < 3 * POOL)
        away = np.hypot(*(points[near, :2] - lamp[:2]).T)
        below = np.clip((lamp[2] + 0.6 - points[near, 2]) / 1.5, 0.0, 1.0)
        found[near] += below * np.exp(-0.5 * (away / POOL) ** 2)
    return np.minimum(found, 1.3)


def _placed(site: Site) -> Float[np.ndarray, "4 4"]:
    moved = np.eye(4)
    moved[:2, 3] = site.origin
    return moved
