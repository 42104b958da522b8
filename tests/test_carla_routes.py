import gzip
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from real_data import real_data

from drivelab.data.carla_routes import CarlaRoute, read_routes
from drivelab.data.carla_triggers import read_triggers
from drivelab.errors import DataError
from drivelab.geometry.polyline import arc_lengths
from drivelab.maps.opendrive import parse_opendrive
from drivelab.maps.road_options import (
    SPACING_1,
    SPACING_2,
    RoadOption,
    RoutePlan,
    downsample_route,
    plan_route,
)
from drivelab.maps.towns import read_xodr, town_file
from drivelab.types import LaneMap

OLD = """<routes><route id="3" town="Town05">
<waypoint x="1.5" y="-154.5" z="0.5" pitch="0.0" roll="0.0" yaw="90.0"/>
<waypoint x="23.0" y="-104.0" z="0.0" pitch="0.0" roll="0.0" yaw="270.0"/>
<weather id="HardRain" cloudiness="90.0" wetness="2"/></route></routes>"""
NEW = """<routes><route id="7" town="Town12"><!-- a note -->
<weathers><weather route_percentage="0" sun_altitude_angle="90"/>
<weather route_percentage="100" sun_altitude_angle="15"/></weathers>
<waypoints><position x="1" y="2" z="371"/><position x="3" y="4"/></waypoints>
<scenarios><scenario name="Exit_1" type="ParkingExit">
<trigger_point x="5" y="6" z="370" yaw="-90"/><direction value="right"/><flow_speed value="8"/>
<source_dist_interval from="25" to="50"/><start_actor_flow x="9" y="-8" z="7"/>
</scenario></scenarios></route></routes>"""


def read(tmp_path: Path, text: str) -> tuple[CarlaRoute, ...]:
    file = tmp_path / "routes.xml"
    file.write_text(text)
    return read_routes(file)


def test_old_routes_are_turned_into_the_map_frame(tmp_path: Path) -> None:
    (route,) = read(tmp_path, OLD)
    assert (route.id, route.town, route.version) == ("3", "Town05", "1.0")
    np.testing.assert_allclose(
        route.points, [[1.5, 154.5, 0.5, -np.pi / 2], [23.0, 104.0, 0.0, np.pi / 2]], atol=1e-12
    )
    (weather,) = route.weather
    assert (weather.name, weather.share) == ("HardRain", 0.0)
    assert dict(weather.values) == {"cloudiness": 90.0, "wetness": 2.0}
    assert route.scenarios == ()


def test_new_routes_carry_weathers_and_scenarios(tmp_path: Path) -> None:
    (route,) = read(tmp_path, NEW)
    assert (route.version, route.points.shape) == ("2.0", (2, 4))
    np.testing.assert_array_equal(route.points[:, :3], [[1, -2, 371], [3, -4, 0]])
    assert np.isnan(route.points[:, 3]).all()
    assert [w.share for w in route.weather] == [0.0, 1.0]
    (scenario,) = route.scenarios
    assert (scenario.name, scenario.type) == ("Exit_1", "ParkingExit")
    np.testing.assert_allclose(scenario.trigger, [5, -6, 370, np.pi / 2])
    assert dict(scenario.values) == {"direction": "right", "flow_speed": 8.0}
    assert dict(scenario.ranges) == {"source_dist_interval": (25.0, 50.0)}
    np.testing.assert_array_equal(scenario.places["start_actor_flow"], [9, 8, 7, np.nan])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (OLD[:-40], "cut short"),
        ('<!DOCTYPE routes [<!ENTITY a "b">]>' + OLD, "document type"),
        ("<scenes/>", "expected <routes>"),
        ('<?xml version="1.0" encoding="foo"?>' + OLD, "unknown encoding"),
        ('<?xml version="1.0" encoding="gb2312"?>' + OLD, "multi-byte encodings"),
        ("<routes/>", "has no <route>"),
        (OLD.replace('town="Town05"', ""), "route 3, <route>: has no attribute 'town'"),
        (OLD.replace('x="23.0"', 'x="east"'), "route 3, <waypoint>: x is 'east'"),
        (OLD.replace('x="23.0"', 'x="nan"'), "route 3, <waypoint>: x is 'nan'"),
        (OLD.replace('x="23.0"', ""), "route 3, <waypoint>: x is None"),
        (OLD.replace("waypoint", "point"), "has 0 points; expected two or more"),
        (OLD.replace("</routes>", OLD[8:]), "route 3: occurs twice"),
        (NEW.replace("<trigger_point", "<trigger"), "'Exit_1' has no <trigger_point>"),
        (NEW.replace('value="right"', 'side="right"'), "<direction>: has the attributes ['side']"),
    ],
)
def test_bad_route_files_are_refused_with_their_place(
    text: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert "routes.xml" in str(caught.value)
    assert problem in str(caught.value)


TRIGGERS = """{"available_scenarios": [{"Town01": [{"scenario_type": "Scenario4",
"available_event_configurations": [
{"transform": {"x": "1.5", "y": "-2.0", "z": "1", "yaw": "180", "pitch": "0"}},
{"transform": {"x": 3, "y": 4, "z": 0, "yaw": 90}, "other_actors": {"left": [
{"x": "7", "y": "8", "z": "9", "yaw": "0"}]}}]}]}]}"""


def test_triggers_of_old_routes_are_read_by_town(tmp_path: Path) -> None:
    file = tmp_path / "triggers.json.gz"
    file.write_bytes(gzip.compress(TRIGGERS.encode()))
    first, second = read_triggers(file)["Town01"]
    assert (first.name, second.name, first.type) == ("Scenario4_0", "Scenario4_1", "Scenario4")
    np.testing.assert_allclose(np.abs(first.trigger), [1.5, 2.0, 1.0, np.pi])
    np.testing.assert_allclose(second.trigger, [3, -4, 0, -np.pi / 2])
    np.testing.assert_allclose(second.places["left.0"], [7, -8, 9, 0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TRIGGERS[:-5], "cannot be read as JSON"),
        (TRIGGERS.replace('"yaw": 90', '"pitch": 90'), "'yaw'"),
        (TRIGGERS.replace("1.5", "NaN"), "not finite"),
        (TRIGGERS.replace('"1.5"', "9" * 400), "too large"),
        ("[1]", "not a file of the leaderboard"),
    ],
)
def test_bad_trigger_files_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=r"t\.json") as caught:
        read_triggers(tmp_path / "t.json")
    assert problem in str(caught.value)


@cache
def town05() -> LaneMap:
    file = town_file("Town05", real_data("carla"))
    return parse_opendrive(read_xodr(file), "Town05").lane_map


@pytest.mark.data
def test_every_route_file_of_the_leaderboard_is_read() -> None:
    files = sorted((real_data("carla") / "routes").glob("leaderboard_*/*.xml"))
    counts = {file.name: 0 for file in files}
    scenarios = 0
    for file in files:
        routes = read_routes(file)
        counts[file.name] += len(routes)
        scenarios += sum(len(route.scenarios) for route in routes)
    assert counts["42routes.xml"] == 42
    assert (counts["routes_training.xml"], counts["routes_validation.xml"]) == (90, 20)
    assert (counts["routes_town05_short.xml"], counts["routes_town05_long.xml"]) == (32, 10)
    assert scenarios == 4629 + 1786 + 119
    triggers = read_triggers(files[0].parent / "all_towns_traffic_scenarios_public.json.gz")
    assert {town: len(found) for town, found in triggers.items()} == {
        "Town01": 93,
        "Town02": 45,
        "Town03": 339,
        "Town04": 397,
        "Town05": 706,
        "Town06": 861,
    }


def check_plan(lane_map: LaneMap, route: CarlaRoute) -> RoutePlan:
    """Connected in lanes and in line, begun and ended at the lanes next to its points."""
    plan = plan_route(lane_map, route.points, heights=route.points[:, 2].tolist())
    lanes = [lane_map.lanes[name] for name in plan.lanes]
    for a, b in pairwise(lanes):
        assert b.id in a.successors or b.id in (a.left, a.right)
    steps = np.diff(arc_lengths(plan.line))
    assert steps.max() < 1.02
    turn = np.diff(plan.line[:, 2])
    assert np.abs(np.arctan2(np.sin(turn), np.cos(turn))).max() < np.deg2rad(40)
    assert set(plan.options.tolist()) <= set(map(int, RoadOption))
    return plan


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "shortest", "longest"), [("short", 32, 45, 1500), ("long", 10, 550, 2300)]
)
def test_town05_routes_are_connected(
    name: str, count: int, shortest: float, longest: float
) -> None:
    file = real_data("carla") / "routes" / "leaderboard_1.0" / f"routes_town05_{name}.xml"
    plans = [check_plan(town05(), route) for route in read_routes(file)]
    lengths = [plan.length for plan in plans]
    assert len(plans) == count
    assert shortest < min(lengths) <= max(lengths) < longest
    for plan in plans:
        rows = downsample_route(plan, SPACING_1)
        assert (rows[0], rows[-1]) == (0, len(plan.line) - 1)
        assert np.diff(rows).max() <= 53
        assert len(downsample_route(plan, SPACING_2)) <= len(rows)


@pytest.mark.data
def test_town05_long_routes_follow_their_points() -> None:
    """330 points on lanes: routes take no detours and are aside of them only in lane changes."""
    file = real_data("carla") / "routes" / "leaderboard_1.0" / "routes_town05_long.xml"
    for route in read_routes(file):
        plan = check_plan(town05(), route)
        gap = np.linalg.norm(route.points[:, None, :2] - plan.line[None, :, :2], axis=-1)
        assert np.mean(gap.min(1) < 1.75) > 0.9
        assert gap.min(1).max() < 5.0
        crow = np.hypot(*np.diff(route.points[:, :2], axis=0).T).sum()
        assert plan.length < 1.1 * crow + 20.0
