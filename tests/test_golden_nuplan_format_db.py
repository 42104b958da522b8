"""nuPlan logs: what the official database reader returned for the files of the synthetic set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivelab.data.nuplan.calibration import camera_calibrations, ego_from_lidar
from drivelab.data.nuplan.log import NuplanLog, log_files
from drivelab.data.nuplan.map import load_nuplan_map
from drivelab.data.nuplan.records import ScenarioRow, Sweep
from drivelab.data.nuplan.route import route_of_path
from drivelab.types import AGENT_KINDS, PACIFICA

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "nuplan_format"
DATA = ROOT / "data"
EXPECTED = json.loads((ROOT / "expected" / "db_expected.json").read_text())
ROWS = EXPECTED["scenario_rows"]
NUMBERS = 1e-6
SCENARIOS = [pytest.param(s, id=s["token"]) for s in EXPECTED["scenarios"]]


@pytest.fixture(scope="module")
def log() -> Iterator[NuplanLog]:
    file = next(file for _, file in log_files(DATA) if file.stem == EXPECTED["log"])
    with NuplanLog(file) as opened:
        yield opened


def as_dict(row: ScenarioRow) -> dict[str, Any]:
    return {"token": row.token, "timestamp": row.time, "map_name": row.map_name, "type": row.type}


def ego_row(sweep: Sweep) -> list[float]:
    x, y, yaw = sweep.pose
    reach = PACIFICA.rear_axle_to_center
    centre = [x + reach * np.cos(yaw), y + reach * np.sin(yaw)]
    return [sweep.time, x, y, yaw, *centre, *sweep.velocity, *sweep.acceleration]


def assert_same_sweeps(found: list[Sweep], expected: list[list[float]]) -> None:
    assert [sweep.time for sweep in found] == [int(row[0]) for row in expected]
    rows = np.array([ego_row(sweep) for sweep in found])
    np.testing.assert_allclose(rows, np.array(expected)[:, :10], rtol=0, atol=NUMBERS)


def scenario_sweeps(log: NuplanLog, scenario: dict[str, Any]) -> list[Sweep]:
    return log.window(
        scenario["token"],
        duration=scenario["duration_s"],
        offset=scenario["offset_s"],
        stride=round(1 / scenario["subsample"]),
    )


def test_all_scenario_rows(log: NuplanLog) -> None:
    rows = log.scenario_rows()
    assert len(rows) == ROWS["all_n"]
    assert as_dict(rows[0]) == ROWS["all_first"]
    assert as_dict(rows[-1]) == ROWS["all_last"]
    assert [as_dict(row) for row in rows if row.type] == ROWS["tagged"]


def test_scenario_rows_by_type(log: NuplanLog) -> None:
    types = sorted({row["type"] for row in ROWS["types_following"]})
    found = log.scenario_rows(types=types)
    assert [as_dict(row) for row in found] == ROWS["types_following"]
    assert [as_dict(row) for row in log.scenario_rows(types=["no_such_type"])] == ROWS["types_none"]


def test_scenario_rows_by_map_goal_and_cameras(log: NuplanLog) -> None:
    assert len(log.scenario_rows(map_names=[log.map_name])) == ROWS["map_name"]
    assert len(log.scenario_rows(map_names=["another-city"])) == ROWS["map_other"]
    assert len(log.scenario_rows(valid_goal=True)) == ROWS["valid_goal_n"]
    assert len(log.scenario_rows(with_cameras=True)) == ROWS["with_cameras_n"]


def test_scenario_rows_by_token(log: NuplanLog) -> None:
    tokens = [row["token"] for row in ROWS["tagged"]]
    assert [as_dict(row) for row in log.scenario_rows(tokens=tokens)] == ROWS["tagged"]


def test_tags(log: NuplanLog) -> None:
    assert sorted(map(list, log.tags())) == sorted(EXPECTED["tags"])


@pytest.mark.parametrize("channel", EXPECTED["cameras"])
def test_camera_calibration(log: NuplanLog, channel: str) -> None:
    expected, found = EXPECTED["cameras"][channel], camera_calibrations(log)[channel]
    np.testing.assert_allclose(found.translation, expected["translation"], rtol=0, atol=NUMBERS)
    np.testing.assert_allclose(found.rotation, expected["rotation_wxyz"], rtol=0, atol=NUMBERS)
    np.testing.assert_allclose(found.intrinsic, expected["intrinsic"], rtol=0, atol=NUMBERS)
    np.testing.assert_allclose(found.distortion, expected["distortion"], rtol=0, atol=NUMBERS)
    assert (found.width, found.height) == (expected["width"], expected["height"])


def test_no_camera_is_missing(log: NuplanLog) -> None:
    assert set(camera_calibrations(log)) == set(EXPECTED["cameras"])


@pytest.mark.parametrize("token", EXPECTED["images"])
def test_pictures_near_a_sweep(log: NuplanLog, token: str) -> None:
    expected = EXPECTED["images"][token]
    found = log.pictures(token, [row[0] for row in expected])
    assert sorted([p.channel, p.token, p.time, p.path] for p in found) == sorted(expected)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_ego_of_a_scenario(log: NuplanLog, scenario: dict[str, Any]) -> None:
    sweeps = scenario_sweeps(log, scenario)
    assert len(sweeps) == scenario["n"]
    assert [sweep.token for sweep in sweeps] == scenario["tokens"]
    assert_same_sweeps(sweeps, scenario["ego"])
    np.testing.assert_allclose(sweeps[-1].pose, scenario["expert_goal"], rtol=0, atol=NUMBERS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_objects_of_a_scenario(log: NuplanLog, scenario: dict[str, Any]) -> None:
    sweeps = scenario_sweeps(log, scenario)
    assert [len(log.boxes(sweep.token)) for sweep in sweeps] == scenario["object_counts"]
    for iteration, expected in scenario["objects"].items():
        sweep = sweeps[int(iteration)]
        found = sorted(log.boxes(sweep.token), key=lambda box: box.track)
        for box, row in zip(found, expected, strict=True):
            assert (box.token, box.track) == (row["token"], row["track_token"])
            assert box.kind == row["type"].lower()
            assert sweep.time == row["timestamp"]
            numbers = [*box.pose, *box.size, *box.velocity]
            keys = ("x", "y", "heading", "length", "width", "height")
            np.testing.assert_allclose(
                numbers, [*(row[key] for key in keys), *row["velocity"]], rtol=0, atol=NUMBERS
            )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_lights_route_and_goal_of_a_scenario(log: NuplanLog, scenario: dict[str, Any]) -> None:
    tokens = scenario["tokens"]
    for iteration, expected in scenario["lights"].items():
        found = [[int(x.connector), x.status.upper()] for x in log.lights(tokens[int(iteration)])]
        assert sorted(found) == sorted(expected)
    assert list(log.route(scenario["token"])) == scenario["route_roadblock_ids"]
    goal = log.mission_goal(scenario["token"])
    if scenario["mission_goal"] is None:
        assert goal is None
    else:
        np.testing.assert_allclose(goal, scenario["mission_goal"], rtol=0, atol=NUMBERS)
    np.testing.assert_allclose(ego_from_lidar(log), scenario["lidar_to_ego"], rtol=0, atol=NUMBERS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_route_from_the_driven_path(log: NuplanLog, scenario: dict[str, Any]) -> None:
    city = load_nuplan_map(DATA / "maps", log.map_name)
    points = np.array([sweep.pose[:2] for sweep in scenario_sweeps(log, scenario)])
    assert list(route_of_path(city, points)) == scenario["route_from_expert_trajectory"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_past_and_future_of_iteration_20(log: NuplanLog, scenario: dict[str, Any]) -> None:
    token = scenario["tokens"][20]
    assert_same_sweeps(log.past(token, horizon=2.0, samples=4), scenario["past_2s_4"])
    assert_same_sweeps(log.future(token, horizon=3.0, samples=6), scenario["future_3s_6"])
    assert [s.time for s in log.future(token, horizon=2.0)] == scenario["future_2s"]
    past = log.past(token, horizon=1.0, samples=5)
    assert [sweep.time for sweep in past] == scenario["past_timestamps"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_waypoints_of_iteration_20(log: NuplanLog, scenario: dict[str, Any]) -> None:
    token = scenario["tokens"][20]
    agents = [box.track for box in log.boxes(token) if box.kind in AGENT_KINDS]
    assert sorted(agents) == sorted(scenario["future_waypoints_iter20"])
    for track, expected in scenario["future_waypoints_iter20"].items():
        found = log.waypoints(track, start=log.time(token), horizon=3.0, count=6)
        assert [point is None for point in found] == [point is None for point in expected]
        for point, row in zip(found, expected, strict=True):
            if point is not None:
                np.testing.assert_allclose(point, row, rtol=0, atol=NUMBERS)
