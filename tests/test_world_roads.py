"""Road tables: vertices, speeds, conflicts, borders, grids, banks; windows of large maps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import pi, sqrt

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from world_actors import lane, put, road_map

from drivelab.errors import ConfigError, DataError
from drivelab.geometry.polyline import arc_lengths
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.lanes import SAGITTA, WIDEST_STEP
from drivelab.maps.crop import crop_map
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.world.borders import ring_segments
from drivelab.sim.world.lane_tables import BRAKING, LATERAL
from drivelab.sim.world.roads import RoadBank, RoadTables, road_tables
from drivelab.types import Lane, LaneMap, TrafficControl


@lru_cache
def generated(family: str) -> LaneMap:
    return FAMILIES[family](np.random.default_rng(1)).map


def vertices(tables: RoadTables, name: str) -> np.ndarray:
    roads, number = tables.roads, tables.lane_numbers[name]
    part = slice(roads.lane_first[number], roads.lane_first[number + 1])
    return np.column_stack([roads.x[part], roads.y[part]]) + tables.origin


def arc(
    radius: float, angle: float, *, start: tuple[float, float] = (0.0, 0.0)
) -> list[list[float]]:
    """A left bend from `start`, first heading east, in steps of 0.1 m."""
    turn = np.linspace(0.0, angle, max(3, int(radius * angle / 0.1)))
    x, y = start[0] + radius * np.sin(turn), start[1] + radius * (1.0 - np.cos(turn))
    return np.column_stack([x, y]).tolist()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_lane_vertices_lie_on_the_centreline_at_equal_distances(family: str) -> None:
    lane_map = generated(family)
    tables = road_tables(lane_map)
    roads = tables.roads
    for number, (name, source) in enumerate(lane_map.lanes.items()):
        mine = vertices(tables, name)
        line = shapely.LineString(source.centreline[:, :2])
        at = roads.lane_step[number] * np.arange(len(mine))
        expected = shapely.get_coordinates(shapely.line_interpolate_point(line, at))
        np.testing.assert_allclose(mine, expected, atol=1e-6)
        length = arc_lengths(source.centreline)[-1]
        assert roads.lane_length[number] == pytest.approx(length)
        assert at[-1] == pytest.approx(length)
        chords = shapely.LineString(mine)
        assert shapely.distance(chords, shapely.points(source.centreline[:, :2])).max() <= SAGITTA
        assert roads.lane_step[number] <= WIDEST_STEP


def test_headings_follow_a_bend_without_a_jump_at_pi() -> None:
    tables = road_tables(road_map(lane("bend", arc(10.0, 1.5 * pi))))
    roads = tables.roads
    at = roads.lane_step[0] * np.arange(len(roads.yaw))
    np.testing.assert_allclose(roads.yaw, at / 10.0, atol=2e-3)


def test_a_bend_is_approached_at_comfortable_braking_across_lanes() -> None:
    slow = sqrt(LATERAL * 10.0)
    tables = road_tables(
        road_map(
            lane("a", [(-150, 0), (-20, 0)], successors=("b",), limit=14.0),
            lane("b", [(-20, 0), (0, 0)], successors=("c",), predecessors=("a",), limit=14.0),
            lane("c", arc(10.0, pi / 2), predecessors=("b",), limit=14.0),
        )
    )
    roads = tables.roads
    middle = (roads.lane_first[2] + roads.lane_first[3]) // 2
    assert roads.speed[middle] == pytest.approx(slow, rel=0.02)
    entry = roads.speed[roads.lane_first[2]]
    assert roads.speed[roads.lane_first[2] - 1] == pytest.approx(entry)  # the end of b
    start_of_b = roads.speed[roads.lane_first[1]]
    assert start_of_b == pytest.approx(sqrt(entry**2 + 2 * BRAKING * 20.0))
    assert roads.speed[roads.lane_first[1] - 1] == pytest.approx(start_of_b)  # the end of a
    assert roads.speed[0] == 14.0


def test_who_can_go_on_fast_does_not_brake_for_a_turn_others_take() -> None:
    tables = road_tables(
        road_map(
            lane("a", [(-50, 0), (0, 0)], successors=("on", "turn"), limit=14.0),
            lane("on", [(0, 0), (50, 0)], predecessors=("a",), limit=14.0),
            lane("turn", arc(8.0, pi / 2), predecessors=("a",), limit=14.0),
        )
    )
    assert tables.roads.speed[tables.roads.lane_first[1] - 1] == 14.0


def cross() -> LaneMap:
    """Two roads that cross at right angles at the origin, 3 m wide, one way each, and a merge."""
    return road_map(
        lane("in_e", [(-60, 0), (-10, 0)], width=3.0, successors=("east", "turn")),
        lane("in_n", [(0, -60), (0, -10)], width=3.0, successors=("north",)),
        lane("east", [(-10, 0), (10, 0)], width=3.0, connector=True, predecessors=("in_e",)),
        lane("north", [(0, -10), (0, 10)], width=3.0, connector=True, predecessors=("in_n",),
             successors=("out",)),
        lane("turn", [(-10, 0), *arc(10.0, pi / 2, start=(-10.0, 0.0))[1:]], width=3.0,
             connector=True, predecessors=("in_e",), successors=("out",)),
        lane("out", [(0, 10), (0, 60)], width=3.0, predecessors=("north", "turn")),
    )  # fmt: skip


def conflict(tables: RoadTables, mine: str, other: str) -> tuple[np.ndarray, int] | None:
    roads = tables.roads
    numbers = tables.lane_numbers
    for k in range(roads.conflict_first[numbers[mine]], roads.conflict_first[numbers[mine] + 1]):
        if roads.conflict_lane[k] == numbers[other]:
            spans = (roads.conflict_in, roads.conflict_out, roads.conflict_other_in,
                     roads.conflict_other_out)  # fmt: skip
            return np.array([span[k] for span in spans]), int(roads.conflict_rank[k])
    return None


def test_crossing_connectors_conflict_where_their_strips_overlap() -> None:
    tables = road_tables(cross())
    found = conflict(tables, "east", "north")
    assert found is not None
    # centrelines nearer than 3.0 - 0.6 m: 2.4 m about the crossing, in steps of 0.5 m
    np.testing.assert_allclose(found[0], [8.0, 12.0, 8.0, 12.0])
    merging = conflict(tables, "north", "turn")
    assert merging is not None
    np.testing.assert_allclose(merging[0][[1, 3]], [20.0, 10.0 * pi / 2], atol=0.01)
    assert conflict(tables, "east", "turn") is None  # they begin at the same lane


def test_without_signs_and_lights_the_one_from_the_right_goes_first() -> None:
    tables = road_tables(cross())
    assert conflict(tables, "east", "north")[1] == 1  # north comes from the right of east
    assert conflict(tables, "north", "east")[1] == -1


def test_signs_decide_before_sides_and_lights_leave_it_to_who_comes_first() -> None:
    stop = road_tables(cross(), stop_signs=("in_n",))
    assert conflict(stop, "east", "north")[1] == -1
    assert conflict(stop, "north", "east")[1] == 1
    assert stop.roads.lane_control[stop.lane_numbers["in_n"]] == a.STOP_SIGN_AHEAD
    lights = road_tables(cross(), groups=(("east", "turn"), ("north",)))
    assert conflict(lights, "east", "north")[1] == conflict(lights, "north", "east")[1] == 0
    assert list(lights.roads.lane_group) == [-1, -1, 0, 1, 0, -1]


def test_left_turns_wait_for_oncoming_traffic_with_lights_too() -> None:
    lane_map = road_map(
        lane("in_w", [(60, 3), (10, 3)], width=3.0, successors=("west",)),
        lane("in_e", [(-60, 0), (-10, 0)], width=3.0, successors=("left",)),
        lane("west", [(10, 3), (-10, 3)], width=3.0, connector=True, predecessors=("in_w",)),
        lane("left", [(-10, 0), *arc(10.0, pi / 2, start=(-10.0, 0.0))[1:]], width=3.0,
             connector=True, predecessors=("in_e",)),
    )  # fmt: skip
    for groups in ((), (("west", "left"),)):
        tables = road_tables(lane_map, groups=groups)
        assert conflict(tables, "left", "west")[1] == 1
        assert conflict(tables, "west", "left")[1] == -1


@pytest.mark.parametrize(("gap", "closed"), [(0.02, True), (0.2, False)])
def test_gaps_of_two_centimetres_between_neighbours_are_no_border(gap: float, closed: bool) -> None:
    lane_map = road_map(lane("a", [(0, 0), (50, 0)]), lane("b", [(0, 3.5 + gap), (50, 3.5 + gap)]))
    tables = road_tables(lane_map)
    assert len(tables.drivable.geoms) == (1 if closed else 2)
    box = put([(25.0 - tables.origin[0], 1.75 - tables.origin[1], 0.0, 4.0, 2.0)])
    check_actors(tables.roads, box)
    assert ((box.flags[0, 0] & a.KERB) == 0) == closed


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_borders_enclose_the_drivable_area_to_their_left(family: str) -> None:
    tables = road_tables(generated(family))
    ax, ay, bx, by = tables.roads.border.T
    assert np.sum(ax * by - bx * ay) / 2 == pytest.approx(tables.drivable.area)
    lanes = shapely.union_all([x.polygon for x in generated(family).lanes.values()])
    moved = shapely.transform(lanes, lambda xy: xy - tables.origin)
    assert shapely.area(shapely.difference(moved, shapely.buffer(tables.drivable, 0.03))) < 0.01


@pytest.mark.parametrize("family", ["roundabout", "curve", "four_way"])
def test_cells_know_whether_their_centre_is_drivable(family: str) -> None:
    tables = road_tables(generated(family))
    roads = tables.roads
    nx, ny = int(roads.cells_x[0]), int(roads.cells_y[0])
    x = roads.grid_x[0] + (np.arange(nx) + 0.5) * a.CELL
    y = roads.grid_y[0] + (np.arange(ny) + 0.5) * a.CELL
    inside = shapely.contains_xy(tables.drivable, *np.meshgrid(x, y))
    np.testing.assert_array_equal(roads.cell_inside.reshape(ny, nx), inside)


@settings(max_examples=30)
@given(st.floats(-60.0, 60.0), st.floats(-60.0, 60.0), st.booleans())
def test_no_border_runs_through_a_cell_centre(x: float, y: float, slanted: bool) -> None:
    """Wherever a border lies, points 1 mm to its sides are told apart all along it."""
    corners = [(x, y), (x + 100.0, y + (30.0 if slanted else 0.0))]
    tables = road_tables(road_map(lane("l", corners, width=3.5)))
    along = np.linspace(0.02, 0.98, 400)[:, None]
    border = tables.roads.border[
        np.argmax(np.hypot(*(tables.roads.border[:, 2:] - tables.roads.border[:, :2]).T))
    ]
    left = np.array([-(border[3] - border[1]), border[2] - border[0]])
    left /= np.hypot(*left)
    for side, off in ((1e-3, False), (-1e-3, True)):
        points = border[:2] + along * (border[2:] - border[:2]) + side * left
        rows = np.column_stack([points, np.zeros(400), np.full((400, 2), 1e-5)])
        state = put(rows)
        check_actors(tables.roads, state)
        assert (((state.flags[0] & a.OFF_ROAD) > 0) == off).all()


def test_the_view_of_a_cell_lists_the_nearest_road_segments() -> None:
    tables = road_tables(generated("four_way"))
    roads = tables.roads
    nx = int(roads.cells_x[0])
    for cell in np.flatnonzero(roads.cell_row >= 0)[::40]:
        centre = [roads.grid_x[0] + (cell % nx + 0.5) * a.CELL,
                  roads.grid_y[0] + (cell // nx + 0.5) * a.CELL]  # fmt: skip
        gap = np.hypot(*(roads.segment[:, :2].astype(float) - centre).T)
        item = roads.view_item[roads.cell_row[cell]]
        listed = gap[item[item >= 0]]
        assert len(set(item[item >= 0])) == len(listed) == min(a.VIEW, (gap < a.VIEW_RADIUS).sum())
        assert (np.diff(listed) > -a.VIEW_RADIUS / 128).all()
        if len(listed) == a.VIEW:
            assert listed.max() <= np.sort(gap)[a.VIEW - 1] + a.VIEW_RADIUS / 128


def test_one_map_is_not_copied_and_asked_for_twice_it_is_there() -> None:
    lane_map = cross()
    bank = RoadBank([lane_map])
    assert bank.roads is road_tables(lane_map).roads
    assert bank.add(lane_map) == 0
    assert bank.add(lane_map, stop_signs=("in_n",)) == 1
    assert bank.add(lane_map, stop_signs=("in_n",)) == 1
    assert bank.roads.border is not road_tables(lane_map).roads.border


def test_a_bank_joins_maps_as_if_each_stood_alone() -> None:
    maps = [generated("roundabout"), cross(), generated("merge")]
    bank = RoadBank()
    for lane_map in maps:
        bank.add(lane_map)
    first = {"lane": 0, "row": 0, "segment": 0, "vertex": 0, "border": 0}
    roads = bank.roads
    for number, lane_map in enumerate(maps):
        one = road_tables(lane_map).roads
        lanes, rows = len(one.lane_step), len(one.view_item)
        at = slice(first["lane"], first["lane"] + lanes)
        np.testing.assert_array_equal(roads.lane_limit[at], one.lane_limit)
        np.testing.assert_array_equal(roads.lane_map[at], number)
        for name, start in (("near_item", "near_first"), ("border_item", "border_first")):
            offset = first["vertex" if name == "near_item" else "border"]
            low, high = getattr(roads, start)[[first["row"], first["row"] + rows]]
            np.testing.assert_array_equal(
                getattr(roads, name)[low:high] - offset, getattr(one, name)
            )
        view = roads.view_item[first["row"] : first["row"] + rows]
        np.testing.assert_array_equal(
            np.where(view < 0, -1, view - first["segment"]), one.view_item
        )
        for k in range(lanes):
            mine = (
                roads.successor_first[first["lane"] + k],
                roads.successor_first[first["lane"] + k + 1],
            )
            expected = one.successor[one.successor_first[k] : one.successor_first[k + 1]]
            np.testing.assert_array_equal(
                roads.successor[mine[0] : mine[1]] - first["lane"], expected
            )
        first["lane"] += lanes
        first["row"] += rows
        first["segment"] += len(one.segment)
        first["vertex"] += len(one.x)
        first["border"] += len(one.border)


def test_a_cleared_bank_holds_what_a_new_one_does() -> None:
    first, second = [generated("roundabout"), cross()], [generated("merge"), cross()]
    bank = RoadBank(first)
    for again in (second, second[:1], first):
        bank.clear()
        with pytest.raises(ConfigError, match="the road bank is empty"):
            _ = bank.roads
        new = RoadBank(again)
        assert [bank.add(lane_map) for lane_map in again] == list(range(len(again)))
        for name, array in new.roads._asdict().items():
            np.testing.assert_array_equal(getattr(bank.roads, name), array, err_msg=name)
        lane = new.lane_number(len(again) - 1, new.tables[-1].lane_names[0])
        assert bank.lane_name(lane) == new.lane_name(lane)
        np.testing.assert_array_equal(bank.origins, new.origins)


def test_numbers_and_arrays_given_out_stay_good_when_maps_are_added() -> None:
    bank = RoadBank([generated("merge"), cross()])
    before, number = bank.roads, bank.lane_number(1, "north")
    kept = before.x.copy()
    for family in ("roundabout", "four_way", "curve"):
        bank.add(generated(family))
    np.testing.assert_array_equal(before.x, kept)
    np.testing.assert_array_equal(bank.roads.x[: len(kept)], kept)
    assert bank.lane_number(1, "north") == number
    assert bank.lane_name(number) == "north"
    assert bank.origins.shape == (5, 2)


def test_groups_are_numbered_within_their_map() -> None:
    bank = RoadBank([generated("merge")])
    number = bank.add(cross(), groups=(("east", "turn"), ("north",)))
    assert [bank.group_number(number, name) for name in ("east", "turn", "north", "out")] == [
        0,
        0,
        1,
        -1,
    ]
    assert bank.groups(number) == (("east", "turn"), ("north",))


def test_unknown_lanes_are_named_with_the_nearest_one() -> None:
    bank = RoadBank([cross()])
    with pytest.raises(ConfigError, match="'nort'; did you mean 'north'"):
        bank.lane_number(0, "nort")
    with pytest.raises(ConfigError, match=r"map hand: a signal or sign names the lane 'in_s'"):
        road_tables(cross(), stop_signs=("in_s",))
    with pytest.raises(ConfigError, match="empty"):
        _ = RoadBank().roads


def test_a_map_without_lanes_is_refused_and_one_with_a_point_for_a_lane_is_not() -> None:
    with pytest.raises(DataError, match="map hand: the map has no lanes"):
        road_tables(road_map())
    dot = Lane(id="dot", centreline=np.array([[5.0, 5.0, 0.5]]), polygon=shapely.Polygon())
    tables = road_tables(road_map(lane("l", [(0, 0), (20, 0)]), dot))
    assert np.isfinite(tables.roads.speed).all()
    assert tables.roads.lane_length[1] == pytest.approx(0.01)


def test_a_window_keeps_whole_lanes_and_drops_links_that_lead_out() -> None:
    lane_map = cross()
    lane_map = replace(
        lane_map,
        areas=road_map(areas=[shapely.box(-500, -500, 500, 500)]).areas,
        control=TrafficControl({"j/0": ("east",), "j/1": ("north",)}, ("north",), ("out",)),
        cache={},
    )
    window = crop_map(lane_map, np.array([[-55.0, 0.0], [-50.0, 0.0]]), 45.0)
    assert list(window.lanes) == ["in_e", "east", "turn"]
    assert window.lanes["turn"].successors == ()
    assert window.lanes["in_e"].successors == ("east", "turn")
    assert window.control.signal_groups == {"j/0": ("east",)}
    assert window.control.stop_signs == ()
    assert shapely.distance(window.areas[0].polygon, shapely.Point(-55, 0)) == 0.0
    assert window.areas[0].polygon.bounds == pytest.approx((-145.0, -90.0, 40.0, 90.0))
    assert len(ring_segments(road_tables(window).drivable)) > 4
    far = crop_map(lane_map, np.array([[5000.0, 0.0]]), 45.0)
    assert (len(far.lanes), len(far.areas)) == (0, 0)
