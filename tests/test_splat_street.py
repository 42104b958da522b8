"""Streets of Gaussians: what they are made of, whom lights speak to, what is refused."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import shapely
from splat_views import camera

from drivelab.errors import ConfigError
from drivelab.kernels.splat import render
from drivelab.sim.radlab import PAST, clip_scene
from drivelab.sim.splats.assets.surfaces import DC
from drivelab.sim.splats.compose import compose
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Moment, Splats, SplatScene
from drivelab.sim.splats.street import build_street, road_polygon
from drivelab.sim.splats.weather import Weather
from drivelab.types import Area, AreaKind, LaneMap, Scene

JUNCTION = "test-0004-four_way"


def driven(scene: Scene) -> np.ndarray:
    """What the ego of a clip drives in its 8 s."""
    return scene.ego.poses[PAST : PAST + 81]


@pytest.fixture(scope="module")
def junction() -> Scene:
    return clip_scene(JUNCTION)


@pytest.fixture(scope="module")
def street(junction: Scene) -> SplatScene:
    return build_street(junction.map, route=driven(junction), seed=1)


def test_same_arguments_give_the_same_gaussians(junction: Scene, street: SplatScene) -> None:
    again = build_street(junction.map, route=driven(junction), seed=1)
    for name in ("means", "quats", "scales", "opacities", "sh"):
        first, second = (getattr(s.static.gaussians, name) for s in (street, again))
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(street.sky.faces, again.sky.faces)  # type: ignore[union-attr]
    other = build_street(junction.map, route=driven(junction), seed=2)
    assert len(other.static) != len(street.static)


@pytest.mark.parametrize(
    "clip", ["test-0001-curve", "test-0024-straight", "test-0005-t_junction",
             "test-0006-roundabout", "test-0009-cyclist", "test-0011-dense_queue"],
)  # fmt: skip
def test_a_default_street_keeps_its_budget(clip: str) -> None:
    scene = clip_scene(clip)
    built = build_street(scene.map, route=driven(scene))
    assert 150_000 <= len(built.static) <= 250_000
    assert all(np.isfinite(getattr(built.static.gaussians, name)).all()
               for name in ("means", "quats", "scales", "sh"))  # fmt: skip


def test_a_smaller_budget_makes_a_coarser_street(junction: Scene, street: SplatScene) -> None:
    coarse = build_street(junction.map, route=driven(junction), seed=1, budget=(80_000, 110_000))
    assert 0.4 * len(street.static) < len(coarse.static) < 0.8 * len(street.static)


def test_a_street_has_what_streets_have(street: SplatScene) -> None:
    wanted = ("road", "marking", "crosswalk", "kerb", "pavement", "terrain", "building",
              "vegetation", "pole", "traffic_light")  # fmt: skip
    counts = np.bincount(street.static.labels, minlength=len(NUMBER))
    assert all(counts[NUMBER[name]] > 50 for name in wanted)
    assert np.isfinite(street.static.gaussians.means).all()


def test_the_local_frame_lies_in_the_middle_of_the_route(
    junction: Scene, street: SplatScene
) -> None:
    means, placed = street.static.gaussians.means, street.map_from_scene
    road = road_polygon(junction.map, route=driven(junction))
    asphalt = means[street.static.labels == NUMBER["road"], :2] + placed[:2, 3]
    inside = shapely.contains_xy(road.buffer(0.05), asphalt[:, 0], asphalt[:, 1])
    assert inside.mean() > 0.999
    assert placed.dtype == np.float64
    assert np.hypot(*(driven(junction)[:, :2] - placed[:2, 3]).T).min() < 1.0


def test_houses_and_trees_keep_off_the_asphalt(junction: Scene, street: SplatScene) -> None:
    road = road_polygon(junction.map, route=driven(junction)).buffer(-0.3)
    means = street.static.gaussians.means
    low = (means[:, 2] < 2.0) & np.isin(
        street.static.labels, [NUMBER["building"], NUMBER["vegetation"], NUMBER["pole"]]
    )
    points = means[low, :2] + street.map_from_scene[:2, 3]
    assert not shapely.contains_xy(road, points[:, 0], points[:, 1]).any()


def test_lamps_speak_to_connectors_and_face_them(junction: Scene, street: SplatScene) -> None:
    lanes = junction.map.lanes
    named = {name for lamp in street.lamps for name in lamp.lanes}
    assert named == {name for name, lane in lanes.items() if lane.has_traffic_lights}
    origin = street.map_from_scene[:2, 3]
    for lamp in street.lamps:
        start = lanes[lamp.lanes[0]].centreline[0]
        place = lamp.lit.gaussians.means[:, :2].mean(axis=0) + origin - start[:2]
        assert place @ [np.cos(start[2]), np.sin(start[2])] > 0.0  # ahead of who waits


def test_the_hue_of_the_lit_lamp_tells_the_phase(street: SplatScene) -> None:
    lamp = street.lamps[0]
    stack = [other for other in street.lamps if other.lanes == lamp.lanes][:3]
    hues = [lit_hue(street, stack, colour) for colour in ("red", "yellow", "green")]
    wanted = (0.0, 45.0, 140.0)
    assert all(abs((hue - want + 180) % 360 - 180) < 25 for hue, want in zip(hues, wanted,
               strict=True)), hues  # fmt: skip


def lit_hue(street: SplatScene, stack: list, colour: str) -> float:
    """Mean hue [deg] of the bright pixels where one head is seen from 12 m before it."""
    shown = Moment({}, {name: colour for name in stack[0].lanes})
    empty = replace(street, lamps=tuple(stack))
    whole = compose(empty, shown)
    place = np.mean([lamp.dark.gaussians.means.mean(axis=0) for lamp in stack], axis=0)
    quat = stack[0].dark.gaussians.quats[0]
    w, x, y, z = (float(part) for part in quat)
    out = np.array([2 * (x * z + w * y), 2 * (y * z - w * x)])
    eye = place[:2] + 12.0 * out / np.hypot(*out)
    yaw = float(np.arctan2(*(place[:2] - eye)[::-1]))
    cam = camera((eye[0], eye[1], yaw), (160, 160), 12.0, height=float(place[2]))
    near = np.hypot(*(whole.gaussians.means[:, :2] - place[:2]).T) < 0.6
    g = whole.gaussians
    parts = type(g)(*(getattr(g, n)[near] for n in ("means", "quats", "scales", "opacities", "sh")))
    seen = Splats(parts, whole.labels[near])
    rgb = np.asarray(render(seen.gaussians, cam).rgb)[0]
    bright = rgb[rgb.max(-1) > 0.6]
    assert len(bright) > 50
    return 360.0 * colorsys.rgb_to_hsv(*bright.mean(axis=0))[0]


def test_night_is_dark_but_for_windows_and_lamps(junction: Scene, street: SplatScene) -> None:
    night = build_street(junction.map, route=driven(junction), seed=1, weather=Weather("night"))
    day, dark = (0.5 + DC * s.static.gaussians.sh[:, 0] for s in (street, night))
    assert dark.mean() < 0.5 * day.mean()
    building = night.static.labels == NUMBER["building"]
    assert (dark[building].max(axis=1) > 0.8).mean() > 0.02
    assert (day[building].max(axis=1) > 0.95).mean() < 0.02


def test_a_map_that_knows_crosswalks_gets_no_others(junction: Scene) -> None:
    x, y = driven(junction)[0, :2]
    area = Area("walk", AreaKind.CROSSWALK, shapely.box(x - 1.5, y - 6, x + 1.5, y + 6))
    known = replace(junction.map, areas=(*junction.map.areas, area), cache={})
    built = build_street(known, route=driven(junction), seed=1)
    places = built.static.gaussians.means[built.static.labels == NUMBER["crosswalk"], :2]
    away = np.abs(places + built.map_from_scene[:2, 3] - [x, y])
    assert len(places) > 20
    assert (away < [1.6, 6.1]).all()


def test_an_ego_that_stands_has_a_street_too(junction: Scene) -> None:
    here = np.repeat(driven(junction)[:1], 5, axis=0)
    built = build_street(junction.map, route=here, reach=40.0)
    assert len(built.static) > 20_000


def test_what_cannot_be_built_is_refused(junction: Scene) -> None:
    route = driven(junction)
    with pytest.raises(ValueError, match="map 'bare' has no lanes"):
        build_street(LaneMap("bare", {}, {}), route=route)
    broken = route.copy()
    broken[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"route\[7\] is not finite"):
        build_street(junction.map, route=broken)
    with pytest.raises(ValueError, match="no lane within 62 m of the route"):
        build_street(junction.map, route=route + 1e4)
    with pytest.raises(ValueError, match="route has the shape"):
        build_street(junction.map, route=route[:1])
    with pytest.raises(ValueError, match=r"budget=\(0, 5\)"):
        build_street(junction.map, route=route, budget=(0, 5))
    with pytest.raises(ValueError, match="reach=-1"):
        build_street(junction.map, route=route, reach=-1.0)
    name = next(iter(junction.map.lanes))
    lane = junction.map.lanes[name]
    bent = replace(lane, centreline=np.full_like(lane.centreline, np.nan))
    with pytest.raises(ValueError, match=f"lane '{name}' has points that are not finite"):
        build_street(
            replace(junction.map, lanes={**junction.map.lanes, name: bent}, cache={}), route=route
        )
    with pytest.raises(ConfigError, match=r"weather.time='nigth'.*night"):
        Weather("nigth")
    with pytest.raises(ConfigError, match=r"weather.rain=2"):
        Weather(rain=2.0)
