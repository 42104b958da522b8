"""Argoverse 2 readers, on a hand-made log and on real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from av2_files import (
    FRAMES,
    SPEED,
    START,
    YAW,
    change,
    lane,
    points,
    straight_map,
    write,
    write_log,
)
from pyarrow import feather
from real_data import real_data

from drivelab.data.av2.categories import KIND_OF_CATEGORY
from drivelab.data.av2.forecasting import load_scenario
from drivelab.data.av2.log import VEHICLE, load_log, read_stamps
from drivelab.data.av2.map import load_map
from drivelab.data.lane_shape import area_between
from drivelab.errors import ConfigError, DataError
from drivelab.types import KINDS, AreaKind


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "some-log")


def test_boxes_are_put_into_the_city_frame(log: Path) -> None:
    recording = load_log(log)
    assert recording.tracks.ids == ("id-BUS",)  # the ego's own box is left out
    assert recording.tracks.kinds == ("vehicle",)
    s = SPEED * 0.1 * np.arange(FRAMES)
    x = -20 + (s + 10) * np.cos(YAW) - 2 * np.sin(YAW)
    y = (s + 10) * np.sin(YAW) + 2 * np.cos(YAW)
    np.testing.assert_allclose(recording.tracks.poses[:, 0, 0], x, atol=1e-9)
    np.testing.assert_allclose(recording.tracks.poses[:, 0, 1], y, atol=1e-9)
    np.testing.assert_allclose(recording.tracks.poses[:, 0, 2], YAW, atol=1e-12)
    along = SPEED * np.array([np.cos(YAW), np.sin(YAW)])
    np.testing.assert_allclose(recording.tracks.velocities[:, 0], along[None].repeat(FRAMES, 0))
    np.testing.assert_array_equal(recording.tracks.sizes, [[12.0, 2.5]])


def test_ego_velocity_comes_from_its_poses(log: Path) -> None:
    ego = load_log(log).ego
    np.testing.assert_array_equal(ego.times, START // 1000 + np.arange(FRAMES) * 100_000)
    np.testing.assert_allclose(ego.velocities, np.tile([SPEED, 0], (FRAMES, 1)), atol=1e-8)
    np.testing.assert_allclose(ego.accelerations, 0, atol=1e-6)


def test_oncoming_neighbours_are_no_neighbours(log: Path) -> None:
    lane_map = load_log(log).map
    assert lane_map.lanes["1"].left is None
    assert lane_map.lanes["1"].right == "2"
    assert lane_map.lanes["1"].block == lane_map.lanes["2"].block != lane_map.lanes["3"].block
    assert lane_map.lanes["1"].successors == ("4",)  # 999 leaves the map
    assert lane_map.lanes["4"].predecessors == ("1",)  # only the other side said so


def test_areas_have_their_kinds(log: Path) -> None:
    areas = {area.kind: area for area in load_log(log).map.areas}
    assert set(areas) == {AreaKind.DRIVABLE, AreaKind.INTERSECTION, AreaKind.CROSSWALK}
    assert areas[AreaKind.INTERSECTION].polygon.area == pytest.approx(40 * 4)
    assert areas[AreaKind.CROSSWALK].polygon.area == pytest.approx(3 * 12)
    assert areas[AreaKind.DRIVABLE].polygon.area == pytest.approx(155 * 18)


def test_crossed_boundaries_give_valid_polygons() -> None:
    left = np.array([[0.0, 1.0], [10.0, -1.0]])
    right = np.array([[0.0, -1.0], [10.0, 1.0]])
    parts = area_between(left, right)
    assert [p.is_valid for p in parts] == [True, True]
    assert sum(p.area for p in parts) == pytest.approx(10.0)


def test_an_unknown_category_is_named(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", categories=("BUS", "BICYCLISTT"))
    with pytest.raises(DataError, match="unknown category 'BICYCLISTT'; did you mean 'BICYCLIST'"):
        load_log(log)


def test_every_category_maps_to_a_kind() -> None:
    assert set(KIND_OF_CATEGORY.values()) <= set(KINDS)


@pytest.mark.parametrize("name", ["annotations.feather", "city_SE3_egovehicle.feather", "map"])
def test_a_missing_file_is_named(log: Path, name: str) -> None:
    (log / name).rename(log / "elsewhere")
    with pytest.raises(DataError, match=name):
        load_log(log)


@pytest.mark.parametrize("name", ["annotations.feather", "city_SE3_egovehicle.feather"])
def test_a_cut_file_is_named(log: Path, name: str) -> None:
    content = (log / name).read_bytes()
    (log / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"{name}.*cannot be read"):
        load_log(log)


def test_a_nan_is_named_with_its_row(log: Path) -> None:
    values = np.full(2 * FRAMES, 10.0)
    values[7] = np.nan
    change(log / "annotations.feather", tx_m=values)
    with pytest.raises(DataError, match="column tx_m, row 7"):
        load_log(log)


def test_a_stamp_without_an_ego_pose_is_named(log: Path) -> None:
    change(log / "annotations.feather", timestamp_ns=[START + 1] * 2 * FRAMES)
    with pytest.raises(DataError, match=f"no ego pose at the annotated stamp {START + 1}"):
        load_log(log)


def test_two_boxes_of_a_track_at_one_stamp_are_refused(log: Path) -> None:
    change(log / "annotations.feather", category=["BUS"] * 2 * FRAMES,
           track_uuid=["same"] * 2 * FRAMES)  # fmt: skip
    with pytest.raises(DataError, match="two boxes at one stamp"):
        load_log(log)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lane_type": "TRAM"}, "lane_type is 'TRAM'"),
        ({"left_lane_boundary": []}, r"lane_segments\[5\]\.left_lane_boundary"),
        ({"left_lane_boundary": [{"x": 1.0}, {"x": 2.0}]}, "points with x and y"),
        ({"right_lane_boundary": points([(0, 2), (9, 2)])}, "enclose no area"),
    ],
)
def test_a_bad_lane_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "log_map_archive_x.json"
    bad = lane(5, 0, 0, 9) | change
    file.write_text(json.dumps(straight_map(bad)))
    with pytest.raises(DataError, match=message):
        load_map(file)


def test_a_map_without_its_tables_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log_map_archive_x.json"
    file.write_text(json.dumps({"lane_segments": {}}))
    with pytest.raises(DataError, match="drivable_areas"):
        load_map(file)


def test_lidar_is_read_when_asked_for(log: Path) -> None:
    sweeps = log / "sensors" / "lidar"
    sweeps.mkdir(parents=True)
    write(sweeps / f"{START + 300_000_000}.feather", {
        "x": np.array([1, 2], np.float16), "y": np.array([3, 4], np.float16),
        "z": np.array([5, 6], np.float16), "intensity": np.array([7, 8], np.uint8),
        "laser_number": np.array([9, 31], np.uint8), "offset_ns": np.array([0, 1], np.int32),
    })  # fmt: skip
    recording = load_log(log)
    assert recording.sensors(4, 10) is None
    sensors = recording.sensors(2, 10)
    assert sensors is not None
    assert sensors.has_lidar
    np.testing.assert_array_equal(sensors.lidar(1), [[1, 3, 5, 7, 9, 0], [2, 4, 6, 8, 31, 0]])
    with pytest.raises(DataError, match="no lidar sweep for frame 2"):
        sensors.lidar(2)
    with pytest.raises(ConfigError, match="lidar only"):
        sensors.camera("ring_front_center", 1)


def write_scenario(folder: Path, **changes: Any) -> Path:
    """The ego's box centre at (10 + 0.5 k, 0), a cyclist beside it from step 2 on."""
    folder.mkdir()
    (folder / "log_map_archive_s.json").write_text(json.dumps(straight_map()))
    rows = [("AV", "vehicle", k, 10 + 0.5 * k, 0.0) for k in range(10)]
    rows += [("7", "cyclist", k, 10 + 0.5 * k, 4.0) for k in range(2, 10)]
    track, kind, step, x, y = (np.array(column) for column in zip(*rows, strict=True))
    columns = {
        "observed": step < 5, "track_id": track, "object_type": kind, "timestep": step,
        "position_x": x, "position_y": y, "heading": 0.0 * x, "velocity_x": 0 * x + 5.0,
        "velocity_y": 0 * x, "scenario_id": ["s"] * len(rows),
        "start_timestamp": [float(START)] * len(rows), "num_timestamps": [10] * len(rows),
    }  # fmt: skip
    pq.write_table(pa.table({**columns, **changes}), folder / "scenario_s.parquet")
    return folder


def test_a_forecasting_scenario_becomes_a_scene(tmp_path: Path) -> None:
    scene = load_scenario(write_scenario(tmp_path / "s"))
    assert (scene.id, scene.now, scene.frames) == ("s", 4, 10)
    assert scene.tracks.ids == ("7",)
    assert scene.tracks.kinds == ("bicycle",)
    assert scene.tracks.valid[:, 0].tolist() == [False] * 2 + [True] * 8
    # Positions are box centres; the scene's poses are the rear axle.
    np.testing.assert_allclose(scene.ego.poses[:, 0], 10 + 0.5 * np.arange(10) - 1.4)
    np.testing.assert_allclose(scene.ego.velocities, np.tile([5.0, 0.0], (10, 1)))


def test_a_scenario_needs_its_ego(tmp_path: Path) -> None:
    folder = write_scenario(tmp_path / "s", track_id=["9"] * 18)
    with pytest.raises(DataError, match="track_id AV"):
        load_scenario(folder)


def test_an_unknown_forecasting_type_is_named(tmp_path: Path) -> None:
    folder = write_scenario(tmp_path / "s", object_type=["hovercraft"] * 18)
    with pytest.raises(DataError, match="unknown type 'hovercraft'"):
        load_scenario(folder)


@pytest.fixture(scope="module")
def real() -> Path:
    return real_data("real_logs/av2")


@pytest.mark.data
def test_real_logs_are_consistent(real: Path) -> None:
    folders = sorted(file.parent for file in real.glob("*/annotations.feather"))
    assert folders
    for folder in folders:
        recording = load_log(folder)
        np.testing.assert_array_equal(read_stamps(folder), recording.ego.times)
        assert all(lane.polygon.is_valid for lane in recording.map.lanes.values())
        assert all(block.polygon.is_valid for block in recording.map.blocks.values())
        centres = recording.ego.poses[:, :2]
        step = np.hypot(*np.diff(centres, axis=0).T) / (np.diff(recording.ego.times) * 1e-6)
        speed = np.hypot(*recording.ego.velocities.T)
        # The mean speed between two stamps lies between the speeds at them, but for noise.
        assert np.abs(step - (speed[1:] + speed[:-1]) / 2).max() < 0.25
        assert np.abs(recording.ego.velocities[:, 1]).max() < 0.3  # cars do not slip sideways


@pytest.mark.data
def test_real_ego_boxes_sit_where_the_ego_is(real: Path) -> None:
    for folder in sorted(file.parent for file in real.glob("*/annotations.feather")):
        table = feather.read_table(folder / "annotations.feather").to_pydict()
        for category, length, width in zip(
            table["category"], table["length_m"], table["width_m"], strict=True
        ):
            if category == "EGO_VEHICLE":
                assert (length, width) == pytest.approx((VEHICLE.length, VEHICLE.width), abs=1e-3)


@pytest.mark.data
def test_real_lidar_lies_around_the_boxes(real: Path) -> None:
    """Sweep and boxes share the ego frame: most boxes with interior points hold returns."""
    sweeps = sorted(real.glob("*/sensors/lidar/*.feather"))
    assert sweeps
    for sweep in sweeps:
        folder = sweep.parents[2]
        stamp = int(sweep.stem)
        recording = load_log(folder)
        frame = int(np.flatnonzero(recording.ego.times == stamp // 1000)[0])
        sensors = recording.sensors(frame, frame + 1)
        assert sensors is not None
        cloud = sensors.lidar(0)
        pose = recording.ego.poses[frame]
        turn = np.array([[np.cos(pose[2]), -np.sin(pose[2])], [np.sin(pose[2]), np.cos(pose[2])]])
        xy = cloud[:, :2] @ turn.T + pose[:2]
        tracks = recording.tracks
        near = [
            i
            for i in np.flatnonzero(tracks.valid[frame])
            if tracks.kinds[i] == "vehicle"
            and np.hypot(*(tracks.poses[frame, i, :2] - pose[:2])) < 25
        ]
        assert near
        hits = [
            shapely.contains_xy(
                shapely.affinity.translate(
                    shapely.affinity.rotate(
                        shapely.box(*(-tracks.sizes[i] / 2), *(tracks.sizes[i] / 2)),
                        tracks.poses[frame, i, 2],
                        origin=(0, 0),
                        use_radians=True,
                    ),
                    *tracks.poses[frame, i, :2],
                ),
                xy[:, 0],
                xy[:, 1],
            ).sum()
            for i in near
        ]
        assert np.mean(np.array(hits) > 20) > 0.8


@pytest.mark.data
def test_the_real_forecasting_scenario_reads(real: Path) -> None:
    folders = sorted(file.parent for file in real.glob("forecasting/*/scenario_*.parquet"))
    assert folders
    for folder in folders:
        scene = load_scenario(folder)
        assert scene.id == folder.name
        assert scene.route
        assert not np.isnan(scene.ego.poses).any()
        assert scene.tracks.valid[: scene.now + 1].any()
