"""The CommonRoad reader, on a hand-made scenario and on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from real_data import real_data

from drivelab.data.commonroad import load_commonroad, load_commonroad_map
from drivelab.data.commonroad.map import Light
from drivelab.data.commonroad.scenario import VEHICLE
from drivelab.errors import DataError
from drivelab.types import AreaKind, Command


def bound(tag: str, *points: tuple[float, float]) -> str:
    inner = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points)
    return f"<{tag}>{inner}</{tag}>"


def lanelet(key: int, y: float, x0: float, x1: float, inner: str = "") -> str:
    left, right = (
        bound("leftBound", (x0, y + 2), (x1, y + 2)),
        bound("rightBound", (x0, y - 2), (x1, y - 2)),
    )
    return f'<lanelet id="{key}">{left}{right}{inner}</lanelet>'  # fmt: skip


def exact(tag: str, number: float) -> str:
    return f"<{tag}><exact>{number}</exact></{tag}>"


def state(tag: str, step: int, x: float, y: float, speed: str = exact("velocity", 3.0)) -> str:
    place = f"<position><point><x>{x}</x><y>{y}</y></point></position>"
    return f"<{tag}>{place}{exact('orientation', 0.0)}{exact('time', step)}{speed}</{tag}>"


RECTANGLE = "<shape><rectangle><length>4.5</length><width>1.8</width></rectangle></shape>"
LANELETS = (
    lanelet(1, 0, 0, 50, '<successor ref="2"/><adjacentLeft ref="3" drivingDir="same"/>'
            '<trafficLightRef ref="9"/><trafficSignRef ref="8"/>')
    + lanelet(2, 0, 50, 90, '<predecessor ref="1"/><speedLimit>7.5</speedLimit>')
    + lanelet(3, 4, 0, 50, '<adjacentRight ref="1" drivingDir="same"/>')
    + lanelet(4, 12, 0, 50, "<laneletType>sidewalk</laneletType>")
)  # fmt: skip
SIGNS = (
    '<trafficSign id="8"><trafficSignElement><trafficSignID>274</trafficSignID>'
    "<additionalValue>13.5</additionalValue></trafficSignElement></trafficSign>"
    '<trafficLight id="9"><cycle>'
    "<cycleElement><duration>2</duration><color>green</color></cycleElement>"
    "<cycleElement><duration>3</duration><color>red</color></cycleElement>"
    "<timeOffset>1</timeOffset></cycle></trafficLight>"
    '<intersection id="5"><incoming id="6"><incomingLanelet ref="1"/>'
    '<successorsStraight ref="2"/></incoming></intersection>'
)
CAR = (
    f'<dynamicObstacle id="20"><type>car</type>{RECTANGLE}'
    + state("initialState", 0, 30, 0)
    + "<trajectory>"
    + "".join(state("state", k, 30 + 0.3 * k, 0) for k in (1, 2, 3, 4, 5))
    + "</trajectory></dynamicObstacle>"
)
PARKED = (
    f'<staticObstacle id="21"><type>parkedVehicle</type>{RECTANGLE}'
    + state("initialState", 0, 10, 4, speed="")
    + "</staticObstacle>"
)
PROBLEM = (
    '<planningProblem id="30">'
    + state("initialState", 0, 5, 0, exact("velocity", 6.0))
    + '<goalState><position><lanelet ref="2"/></position></goalState></planningProblem>'
)


def write(folder: Path, *parts: str, version: str = "2020a", head: str = "") -> Path:
    file = folder / "TST_Road-1_1_T-1.xml"
    body = "".join(parts or (LANELETS, SIGNS, CAR, PARKED, PROBLEM))
    file.write_text(
        f'<?xml version="1.0"?>{head}<commonRoad commonRoadVersion="{version}" timeStepSize="0.1" '
        f'benchmarkID="TST_Road-1_1_T-1">{body}</commonRoad>'
    )
    return file


def test_lanelets_become_lanes(tmp_path: Path) -> None:
    lane_map = load_commonroad_map(write(tmp_path))
    assert list(lane_map.lanes) == ["1", "2", "3"]
    one, two = lane_map.lanes["1"], lane_map.lanes["2"]
    assert (one.left, one.right, one.successors) == ("3", None, ("2",))
    assert (one.speed_limit, two.speed_limit) == (13.5, 7.5)
    np.testing.assert_allclose(one.centreline[:, 1:], 0.0, atol=1e-12)
    assert one.block == lane_map.lanes["3"].block != two.block
    assert {(a.kind, a.polygon.area) for a in lane_map.areas} == {
        (AreaKind.INTERSECTION, 160.0),
        (AreaKind.WALKWAY, 200.0),
    }


def test_the_ego_is_the_initial_state_and_has_no_future(tmp_path: Path) -> None:
    scene = load_commonroad(write(tmp_path))
    assert (scene.now, scene.frames) == (0, 6)
    np.testing.assert_allclose(scene.ego.poses[0], [5 - VEHICLE.rear_axle_to_center, 0, 0])
    np.testing.assert_allclose(scene.ego.velocities[0], [6.0, 0.0])
    assert np.isnan(scene.ego.poses[1:]).all()
    assert scene.command is Command.STRAIGHT
    assert scene.route == (scene.map.lanes["1"].block, scene.map.lanes["2"].block)


def test_obstacles_become_tracks(tmp_path: Path) -> None:
    tracks = load_commonroad(write(tmp_path)).tracks
    assert tracks.ids == ("20", "21")
    np.testing.assert_allclose(tracks.poses[:, 0, 0], 30 + 0.3 * np.arange(6))
    np.testing.assert_allclose(tracks.velocities[:, 0], [[3.0, 0.0]] * 6)
    assert tracks.valid.all()  # a standing obstacle is there in every frame
    np.testing.assert_array_equal(tracks.velocities[:, 1], np.zeros((6, 2)))
    np.testing.assert_array_equal(tracks.sizes, [[4.5, 1.8]] * 2)


def test_a_missing_velocity_comes_from_differences(tmp_path: Path) -> None:
    file = write(tmp_path, LANELETS, CAR.replace(exact("velocity", 3.0), ""), PROBLEM)
    np.testing.assert_allclose(load_commonroad(file).tracks.velocities[:, 0], [[3.0, 0.0]] * 6)


def test_intervals_count_by_their_middle(tmp_path: Path) -> None:
    interval = "<velocity><intervalStart>2</intervalStart><intervalEnd>5</intervalEnd></velocity>"
    file = write(tmp_path, LANELETS, CAR.replace(exact("velocity", 3.0), interval), PROBLEM)
    np.testing.assert_allclose(load_commonroad(file).tracks.velocities[0, 0], [3.5, 0.0])


def test_obstacles_of_2018b_have_a_role(tmp_path: Path) -> None:
    old = CAR.replace("dynamicObstacle", "obstacle").replace("<type>", "<role>dynamic</role><type>")
    scene = load_commonroad(write(tmp_path, LANELETS, old, PROBLEM, version="2018b"))
    assert scene.tracks.ids == ("20",)


def test_a_light_closes_the_lanes_behind_it(tmp_path: Path) -> None:
    scene = load_commonroad(write(tmp_path))
    assert scene.map.lanes["2"].has_traffic_lights
    # Offset 1: the cycle (2 green, 3 red) starts at step 1, so step 0 is the end of a red phase.
    assert scene.red_lights == (("2",), (), (), ("2",), ("2",), ("2",))


@pytest.mark.parametrize(("step", "red"), [(0, False), (4, True), (5, False), (9, True)])
def test_cycles_repeat(step: int, red: bool) -> None:
    assert Light((("green", 2), ("yellow", 2), ("redYellow", 1)), 0).is_red(step) is red


BOMB = (
    '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE x SYSTEM "http://localhost/x.dtd">',
)


@pytest.mark.parametrize("head", BOMB)
def test_entities_are_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(DataError, match="document type declaration"):
        load_commonroad(write(tmp_path, head=head))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "<type>car</type>",
            "<type>tank</type>",
            "dynamicObstacle 20, <type>: unknown type 'tank'",
        ),
        ("<length>4.5</length>", "<length>-1</length>", "positive lengths"),
        ("<x>30.3</x>", "<x>nan</x>", r"dynamicObstacle 20, time 1, point 0, <x>: found 'nan'"),
        ('<planningProblem id="30">', "<planningProblem>", "has no attribute 'id'"),
        ('commonRoadVersion="2020a"', 'commonRoadVersion="2024"', "expected <commonRoad>"),
        ("</commonRoad>", "", "cut short"),
        ("leftBound", "someBound", "lanelet 1, <leftBound>: has 0 points"),
        ('timeStepSize="0.1"', "", "timeStepSize"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        load_commonroad(file)
    assert file.name in str(caught.value)


def test_an_unknown_problem_names_those_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no id '7'; the file has 30"):
        load_commonroad(write(tmp_path), problem="7")


def test_a_map_without_a_problem_still_reads(tmp_path: Path) -> None:
    file = write(tmp_path, LANELETS)
    assert len(load_commonroad_map(file).lanes) == 3
    with pytest.raises(DataError, match="load_commonroad_map"):
        load_commonroad(file)


@pytest.mark.data
def test_real_scenarios_read() -> None:
    files = sorted(real_data("real_logs/commonroad").glob("*.xml"))
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        lane_map = load_commonroad_map(file)
        assert len(lane_map.lanes) == text.count("<lanelet id=")
        assert all(lane.polygon.is_valid for lane in lane_map.lanes.values())
        if "<planningProblem" not in text:
            continue
        scene = load_commonroad(file)
        assert len(scene.tracks) == text.count("<obstacle ") + text.count("<dynamicObstacle ")
        assert scene.route
        speed = np.hypot(*np.moveaxis(scene.tracks.velocities, -1, 0))
        valid = scene.tracks.valid
        both = valid[1:] & valid[:-1]
        step = np.hypot(*np.moveaxis(np.diff(scene.tracks.poses[..., :2], axis=0), -1, 0))
        driven = np.where(both, step / scene.tracks.dt, 0.0)
        stated = np.where(both, (speed[1:] + speed[:-1]) / 2, 0.0)
        assert np.median(np.abs(driven - stated)[both]) < 0.3
