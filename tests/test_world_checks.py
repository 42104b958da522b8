"""Boxes against boxes, borders and lanes: by hand, against shapely, against plain NumPy."""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, radians, sin, sqrt

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data
from rigid_motion import moved_map
from world_actors import lane, put, road_map, scatter

from drivelab.data.reallogs import RealLogsSource
from drivelab.geometry.boxes import box_polygons
from drivelab.geometry.polyline import project
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.arrays import State
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.locate import locate_actors
from drivelab.maps.crop import crop_map
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.world.reference import checks as plain_checks
from drivelab.sim.world.reference import locate as plain_locate
from drivelab.sim.world.roads import RoadBank, RoadTables, road_tables
from drivelab.sim.world.state import copied
from drivelab.types import LaneMap

STREET = road_map(lane("east", [(0, 0), (200, 0)]), lane("west", [(200, 3.5), (0, 3.5)]))
CAR = (4.0, 2.0)


@lru_cache
def generated(family: str, seed: int = 1) -> LaneMap:
    return FAMILIES[family](np.random.default_rng(seed)).map


def checked(lane_map: LaneMap, state: State) -> State:
    """Put actors given in the map frame into the local one and check them."""
    tables = road_tables(lane_map)
    state.x[...] -= tables.origin[0]
    state.y[...] -= tables.origin[1]
    locate_actors(tables.roads, state)
    check_actors(tables.roads, state)
    return state


def bits(state: State, slot: int = 0) -> set[str]:
    names = ("COLLISION", "OFF_ROAD", "KERB", "WRONG_WAY", "OFF_LANES")
    return {name for name in names if state.flags[0, slot] & getattr(a, name)}


@pytest.mark.parametrize(
    ("other", "hit"),
    [
        ((4.0, 0.0, 0.0, *CAR), True),  # bumpers touch
        ((4.001, 0.0, 0.0, *CAR), False),
        ((0.0, 2.001, 0.0, *CAR), False),
        ((2.9, 1.9, 0.0, *CAR), True),  # corners overlap
        ((2.0 + sqrt(2.0) - 1e-6, 0.0, pi / 4, 2.0, 2.0), True),  # a corner points at the bumper
        ((2.0 + sqrt(2.0) + 1e-6, 0.0, pi / 4, 2.0, 2.0), False),
        ((0.0, 0.0, pi / 2, 8.0, 0.5), True),  # a cross: no corner lies in the other box
        ((2.9, 1.9, pi / 4, 2.0, 0.1), False),  # the bounding circles meet, the boxes do not
    ],
)
def test_boxes_collide_when_they_share_a_point(other: tuple[float, ...], hit: bool) -> None:
    state = checked(STREET, put([(100, 0, 0, *CAR), (100 + other[0], *other[1:])]))
    assert ("COLLISION" in bits(state, 0)) == ("COLLISION" in bits(state, 1)) == hit
    assert list(state.hit[0]) == ([1, 0] if hit else [-1, -1])


def test_the_nearest_hit_counts_then_the_lowest_slot() -> None:
    row = [(100, 0, 0, *CAR), (103, 0, 0, *CAR), (98, 0, 0, *CAR), (102, 0, 0, *CAR)]
    state = checked(STREET, put(row))
    assert list(state.hit[0]) == [2, 3, 0, 1]


def test_absent_actors_and_unused_slots_are_nowhere() -> None:
    state = put([(100, 0, 0, *CAR)] * 3)
    state.mode[0, 1] = a.ABSENT
    state.count[0] = 2
    checked(STREET, state)
    assert bits(state) == set()
    assert state.hit[0, 0] == -1


@pytest.mark.parametrize(
    ("y", "found", "gap"),
    [
        (-0.70, set(), 0.05),
        (-0.80, {"OFF_ROAD", "KERB"}, -0.05),
        (-2.70, {"OFF_ROAD", "KERB", "OFF_LANES"}, -1.95),
        (-3.25, {"OFF_ROAD", "OFF_LANES"}, -2.5),
        (1.75, set(), 2.5),  # astride the line between the lanes
        (-30.0, {"OFF_ROAD", "OFF_LANES"}, -10.0),
        (-3000.0, {"OFF_ROAD", "OFF_LANES"}, -10.0),
    ],
)
def test_a_corner_off_the_road_is_off_road(y: float, found: set[str], gap: float) -> None:
    state = checked(STREET, put([(100, y, 0, *CAR)]))
    assert bits(state) == found
    assert state.border_gap[0, 0] == pytest.approx(gap, abs=1e-9)


def test_a_turned_box_reaches_as_far_as_its_corner() -> None:
    reach = 2.0 * sin(0.3) + 1.0 * cos(0.3)
    for y, off in ((-1.75 + reach + 1e-6, False), (-1.75 + reach - 1e-6, True)):
        state = checked(STREET, put([(100, y, 0.3, *CAR)]))
        assert ("OFF_ROAD" in bits(state)) == off
        assert state.border_gap[0, 0] == pytest.approx(0.0, abs=2e-6)


ISLANDS = shapely.Polygon(
    shapely.box(0, -20, 100, 20).exterior,
    [shapely.box(29.9, -3, 30.1, 3).exterior, shapely.box(60, -5, 80, 5).exterior],
)
PLAZA = road_map(lane("l", [(0, 15), (100, 15)]), areas=[ISLANDS])


def test_a_box_across_a_thin_island_meets_the_kerb_with_all_corners_on_the_road() -> None:
    state = checked(PLAZA, put([(30, 0, 0, *CAR)]))
    assert bits(state) == {"KERB", "OFF_LANES"}
    assert state.border_gap[0, 0] == 0.0


def test_a_box_inside_an_island_is_off_the_road_without_meeting_its_kerb() -> None:
    state = checked(PLAZA, put([(70, 0, 0, *CAR)]))
    assert bits(state) == {"OFF_ROAD", "OFF_LANES"}
    assert state.border_gap[0, 0] == pytest.approx(-4.0)  # the corners lie 4 m from the long sides


@pytest.mark.parametrize("x", [11.0, 28.0, 39.0])
def test_boxes_of_any_length_are_looked_at_as_a_whole(x: float) -> None:
    """A box of 36 x 1.8 m meets the island at x = 30 wherever along it that is."""
    state = checked(PLAZA, put([(x + 8.0, 0.0, 0.0, 36.0, 1.8)]))
    assert "KERB" in bits(state)
    clear = checked(PLAZA, put([(x + 8.0, 8.0, 0.0, 36.0, 1.8)]))
    assert "KERB" not in bits(clear)


@pytest.mark.parametrize("wheels", [(60.0, 24.0), (19.0, 18.0), (90.0, 0.5)])
def test_huge_boxes_agree_with_shapely(wheels: tuple[float, float]) -> None:
    rng = np.random.default_rng(5)
    poses = rng.uniform((0, -20, -3), (100, 20, 3), (60, 3))
    boxes = np.column_stack([poses, np.tile(wheels, (60, 1))])
    assert_as_shapely(PLAZA, boxes)


def assert_as_shapely(lane_map: LaneMap, boxes: np.ndarray) -> None:
    tables = road_tables(lane_map)
    state = checked(lane_map, put(boxes))
    shapes = box_polygons(boxes - [*tables.origin, 0, 0, 0])
    border = tables.drivable.boundary
    off, kerb = (state.flags[0] & a.OFF_ROAD) > 0, (state.flags[0] & a.KERB) > 0
    clear = shapely.distance(border, shapes)
    sure = clear > 1e-9  # a touch to within rounding may be read either way
    np.testing.assert_array_equal(kerb[sure], shapely.intersects(border, shapes)[sure])
    inside = shapely.contains(tables.drivable, shapes)
    np.testing.assert_array_equal(~off & ~kerb, inside)
    np.testing.assert_allclose(
        state.border_gap[0][inside], np.minimum(clear[inside], a.GAP_LIMIT), atol=1e-9
    )
    corners = shapely.get_coordinates(shapes).reshape(-1, 5, 2)[:, :4]
    depth = shapely.distance(tables.drivable, shapely.points(corners)).max(axis=1)
    np.testing.assert_allclose(
        state.border_gap[0][~inside], -np.minimum(depth, a.GAP_LIMIT)[~inside], atol=1e-9
    )


@settings(max_examples=40)
@given(
    st.sampled_from(["roundabout", "four_way", "curve", "parked_cars", "merge"]),
    st.integers(0, 2**32 - 1),
)
def test_random_boxes_agree_with_shapely(family: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lane_map = generated(family)
    lines = np.concatenate([x.centreline for x in lane_map.lanes.values()])
    poses = lines[rng.integers(len(lines), size=40)] + rng.normal(0.0, (3.0, 3.0, 1.0), (40, 3))
    sizes = rng.uniform((0.2, 0.2), (20.0, 3.0), (40, 2))
    assert_as_shapely(lane_map, np.column_stack([poses, sizes]))


@pytest.mark.parametrize(("turned", "wrong"), [(0, False), (119, False), (121, True), (180, True)])
def test_a_lane_runs_against_headings_more_than_120_degrees_off(turned: int, wrong: bool) -> None:
    state = checked(STREET, put([(100, 0, radians(turned), 1.0, 0.5)]))
    assert ("WRONG_WAY" in bits(state)) == wrong


def test_where_lanes_of_both_directions_lie_nobody_goes_the_wrong_way() -> None:
    both = road_map(lane("a", [(0, 0), (200, 0)]), lane("b", [(200, 0), (0, 0)]))
    state = checked(both, put([(100, 0.5, 0, *CAR), (50, 0.5, pi, *CAR)]))
    assert (bits(state, 0), bits(state, 1)) == (set(), set())
    assert list(state.lane[0]) == [0, 1]  # each on the lane that runs with it
    np.testing.assert_allclose(state.lane_d[0], [0.5, -0.5])


def test_pedestrians_go_where_they_like() -> None:
    state = put([(100, 0, pi, 0.5, 0.5)])
    state.kind[0, 0] = 1
    assert bits(checked(STREET, state)) == set()


def test_drivers_know_their_lane_unless_they_leave_it() -> None:
    state = put([(100, 0, 0, *CAR), (100, 3.5, 0, *CAR)])
    state.mode[:] = a.DRIVE
    state.lane[0], state.lane_s[0] = 0, 77.0
    state.lane_d[0] = (0.3, 3.5)
    checked(STREET, state)
    assert list(state.lane_s[0]) == [77.0, 77.0]
    assert (bits(state, 0), bits(state, 1)) == (set(), {"WRONG_WAY"})


@pytest.mark.parametrize("family", ["roundabout", "curve", "four_way"])
def test_places_on_lanes_are_distances_along_the_centreline(family: str) -> None:
    lane_map = generated(family)
    rng = np.random.default_rng(2)
    lines = np.concatenate([x.centreline for x in lane_map.lanes.values()])
    poses = lines[rng.integers(len(lines), size=200)]
    aside = rng.uniform(-1.2, 1.2, 200)
    poses[:, 0] -= aside * np.sin(poses[:, 2])
    poses[:, 1] += aside * np.cos(poses[:, 2])
    state = checked(lane_map, put(np.column_stack([poses, np.ones((200, 2))])))
    lanes = list(lane_map.lanes.values())
    for k in range(200):
        line = lanes[state.lane[0, k]].centreline
        along, distance = project(line, poses[k])
        assert state.lane_s[0, k] == pytest.approx(along, abs=0.05)
        assert abs(state.lane_d[0, k]) == pytest.approx(distance, abs=0.03)
        nearest = min(project(x.centreline, poses[k])[1] for x in lanes)
        assert distance < nearest + 2.5  # ... or one that fits the heading better


def same(left: State, right: State, *, exact: bool) -> None:
    for name in ("lane", "flags", "hit", "lane_s", "lane_d", "border_gap"):
        mine, other = getattr(left, name), getattr(right, name)
        if exact or mine.dtype.kind != "f":
            np.testing.assert_array_equal(mine, other, err_msg=name)
        else:
            np.testing.assert_allclose(mine, other, atol=1e-9, err_msg=name)


def check_both_ways(tables: RoadTables, state: State) -> None:
    plain = copied(state)
    locate_actors(tables.roads, state)
    check_actors(tables.roads, state)
    plain_locate.locate_actors(tables.roads, plain)
    plain_checks.check_actors(tables.roads, plain)
    same(state, plain, exact=False)


@settings(max_examples=20)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(0, 2**32 - 1))
def test_the_compiled_checks_are_those_in_plain_numpy(family: str, seed: int) -> None:
    tables = road_tables(generated(family))
    rng = np.random.default_rng(seed)
    check_both_ways(tables, scatter(tables.roads, rng, environments=4, actors=24))


def test_a_batch_gives_what_its_environments_give_alone_in_any_order() -> None:
    roads = road_tables(generated("roundabout")).roads
    together = scatter(roads, np.random.default_rng(0), environments=6, actors=16, aside=1.0)
    alone = copied(together)
    locate_actors(roads, together)
    check_actors(roads, together)
    for e in (3, 0, 5, 1, 4, 2):
        one = State(*(array[e : e + 1] for array in alone))
        locate_actors(roads, one)
        check_actors(roads, one)
    same(together, alone, exact=True)


def test_a_map_in_a_bank_gives_what_it_gives_alone() -> None:
    maps = [generated("merge"), generated("roundabout"), generated("four_way")]
    bank = RoadBank(maps)
    for number, lane_map in enumerate(maps):
        tables = road_tables(lane_map)
        alone = scatter(tables.roads, np.random.default_rng(number), environments=3, actors=16)
        banked = copied(alone)
        banked.map[:] = number
        for roads, state in ((tables.roads, alone), (bank.roads, banked)):
            locate_actors(roads, state)
            check_actors(roads, state)
        first = bank.lane_number(number, next(iter(lane_map.lanes)))
        banked.lane[banked.lane >= 0] -= first
        same(alone, banked, exact=True)


def test_moving_the_map_by_kilometres_changes_nothing() -> None:
    here = generated("roundabout")
    there = moved_map(here, np.array([587_640.5, 4_475_261.25, 0.0]))
    tables, far = road_tables(here), road_tables(there)
    state = scatter(tables.roads, np.random.default_rng(1), environments=4, actors=24)
    other = copied(state)
    moved = far.origin - tables.origin - [587_640.5, 4_475_261.25]
    assert np.abs(moved).max() < 1e-6
    for roads, one in ((tables.roads, state), (far.roads, other)):
        locate_actors(roads, one)
        check_actors(roads, one)
    for name in ("lane", "flags", "hit"):
        np.testing.assert_array_equal(getattr(state, name), getattr(other, name), err_msg=name)
    for name in ("lane_s", "lane_d", "border_gap"):
        np.testing.assert_allclose(getattr(state, name), getattr(other, name), atol=1e-6)


@pytest.mark.data
def test_real_maps_agree_with_shapely_and_with_plain_numpy() -> None:
    source = RealLogsSource(real_data("real_logs"))
    logs = sorted({name.rsplit("-", 1)[0]: name for name in source.scene_ids()}.values())
    for scene_id in (logs[0], logs[len(logs) // 2], logs[-1]):
        scene = source.load(scene_id)
        lane_map = crop_map(scene.map, scene.ego.poses, 60.0)
        tables = road_tables(lane_map)
        rng = np.random.default_rng(0)
        check_both_ways(tables, scatter(tables.roads, rng, environments=8, actors=24))
        pose = scene.ego.poses[rng.integers(len(scene.ego), size=60)]
        pose = pose + rng.normal(0.0, (5.0, 5.0, 1.0), (60, 3))
        sizes = rng.uniform((0.3, 0.3), (14.0, 3.0), (60, 2))
        assert_as_shapely(lane_map, np.column_stack([pose, sizes]))
