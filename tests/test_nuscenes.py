"""The nuScenes JSON reader, on a hand-made log and on real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from nuscenes_files import SPEED, boundary, box, json_log, write_json_log
from real_data import real_data

from drivelab.data.nuscenes.json_file import read_json_log
from drivelab.data.nuscenes.log import load_log
from drivelab.data.nuscenes.map import drivable_ground
from drivelab.data.recording import Recording, in_order_of_appearance
from drivelab.errors import DataError
from drivelab.types import AreaKind


def read(folder: Path, content: dict[str, Any]) -> Recording:
    return load_log(read_json_log(write_json_log(folder, content)))


def test_invalid_steps_are_masked(tmp_path: Path) -> None:
    tracks = read(tmp_path, json_log()).tracks
    car = tracks.ids.index("car")
    assert np.flatnonzero(tracks.valid[:, car]).tolist() == list(range(5, 40))
    assert np.isnan(tracks.poses[~tracks.valid[:, car], car]).all()
    assert np.isnan(tracks.velocities[~tracks.valid[:, car], car]).all()
    np.testing.assert_array_equal(tracks.velocities[10, car], [0.0, 1.0])
    np.testing.assert_array_equal(tracks.velocities[10, tracks.ids.index("cone")], [0.0, 0.0])


def test_the_ego_is_no_track_and_drives_at_its_speed(tmp_path: Path) -> None:
    recording = read(tmp_path, json_log())
    assert "ego" not in recording.tracks.ids
    np.testing.assert_allclose(recording.ego.velocities, [[SPEED, 0.0]] * 70, atol=1e-9)
    np.testing.assert_array_equal(recording.ego.times, np.arange(70) * 100_000)


def test_single_long_steps_do_not_move_the_speed(tmp_path: Path) -> None:
    content = json_log()
    position = np.array(content["tracks"]["ego"]["position"])
    position[30:, 0] += 0.4  # one step twice as long as the others
    content["tracks"]["ego"]["position"] = position.tolist()
    ego = read(tmp_path, content).ego
    np.testing.assert_allclose(ego.velocities[:, 0], SPEED, atol=1e-9)


def test_successors_need_a_near_start_and_a_like_heading(tmp_path: Path) -> None:
    content = json_log()
    features = content["map_features"]
    features["across"] = {
        "type": "LANE_SURFACE_STREET",
        "polyline": [[40.0, float(y)] for y in range(10)],
    }
    features["apart"] = {
        "type": "LANE_SURFACE_STREET",
        "polyline": [[40.4 + x, 0.0] for x in range(10)],
    }
    lanes = read(tmp_path, content).map.lanes
    assert lanes["lane"].successors == ("link",)
    assert lanes["link"].predecessors == ("lane",)


def test_neighbours_and_blocks_come_from_geometry(tmp_path: Path) -> None:
    lane_map = read(tmp_path, json_log()).map
    assert lane_map.lanes["lane"].left == "left"
    assert lane_map.lanes["left"].right == "lane"
    assert lane_map.lanes["lane"].block == lane_map.lanes["left"].block
    assert lane_map.blocks[lane_map.lanes["lane"].block].polygon.area == pytest.approx(60 * 8)
    assert not any(block.connector for block in lane_map.blocks.values())


def test_connectors_get_a_strip_on_drivable_ground(tmp_path: Path) -> None:
    content = json_log()
    content["map_features"]["outer"] = boundary(box(-30, -10, 90, 1))
    polygon = read(tmp_path, content).map.lanes["link"].polygon
    assert polygon.bounds == pytest.approx((40.2, -1.75, 80, 1.0))


def test_ground_is_filled_even_odd(tmp_path: Path) -> None:
    file = write_json_log(tmp_path, json_log())
    ground = drivable_ground(read_json_log(file))
    assert ground.area == pytest.approx(120 * 20 - 10 * 3)
    assert not ground.contains(shapely.Point(65, 6))
    recording = load_log(read_json_log(file))
    assert {area.kind for area in recording.map.areas} == {AreaKind.DRIVABLE}


def test_tracks_stand_in_the_order_they_appear_from_now_on(tmp_path: Path) -> None:
    tracks = read(tmp_path, json_log()).tracks
    assert in_order_of_appearance(tracks, 0).ids == ("cone", "car", "late")
    assert in_order_of_appearance(tracks, 50).ids == ("cone", "late", "car")
    assert in_order_of_appearance(tracks.cut(45, 55), 5).ids == ("cone",)


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("tracks"), "key 'tracks': found NoneType"),
        (put("sdc_id", value="me"), "sdc_id 'me'"),
        (put("num_steps", value=1), "num_steps"),
        (put("tracks", "car", "type", value="TANK"), r"tracks\[car\]\.type: unknown type 'TANK'"),
        (put("tracks", "car", "size_lwh", value=[1, 0, 1]), r"tracks\[car\]\.size_lwh"),
        (put("tracks", "car", "heading", value=[0.0]), r"car\]\.heading: has shape \(1, 1\)"),
        (put("tracks", "car", "position", 7, value=[float("nan")] * 3), r"tracks\[car\], step 7"),
        (put("tracks", "car", "velocity", value="fast"), r"tracks\[car\]\.velocity"),
        (put("tracks", "ego", "valid", 9, value=0), r"tracks\[ego\]\.valid, step 9"),
        (put("map_features", "lane", "type", value="RAIL"), r"map_features\[lane\]: unknown type"),
        (put("map_features", "lane", "polyline", value=[[0, 0]]), r"\[lane\]\.polyline"),
        (put("map_features", "lane", "polygon", value=[[0, 0]] * 4), "encloses no area"),
        (put("map_features", value={}), "no LANE_SURFACE_STREET"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = json_log()
    change(content)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, content)
    assert "scene-0001.json.gz" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 5, 300])
def test_a_cut_file_is_named(tmp_path: Path, keep: int) -> None:
    file = write_json_log(tmp_path, json_log())
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match="cut short"):
        read_json_log(file)


@pytest.mark.data
def test_real_logs_agree_with_their_description() -> None:
    files = sorted(real_data("real_logs/nuscenes_mini").glob("scene-*.json.gz"))
    assert files
    for file in files:
        log = read_json_log(file)
        recording = load_log(log)
        assert len(recording.ego) == log.data["num_steps"]
        lanes = recording.map.lanes.values()
        assert np.mean([bool(lane.successors) for lane in lanes]) > 0.85
        assert all(lane.polygon.is_valid for lane in lanes)
        ground = drivable_ground(log)
        x, y = recording.ego.poses[:, :2].T
        assert shapely.contains_xy(ground, x, y).all()
        turning = np.abs(recording.ego.velocities[:, 1])
        assert turning.max() < 0.5
        assert np.abs(recording.ego.accelerations).max() < 6.0
