"""nuPlan scenes, filters and damaged logs."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from drivelab.data.nuplan.log import NuplanLog, log_files
from drivelab.data.nuplan.records import ScenarioRow
from drivelab.data.nuplan.scenario_filter import ScenarioFilter, read_scenario_filter, thin_out
from drivelab.data.nuplan.source import NuplanSource
from drivelab.errors import DataError

DATA = (
    Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
    / "nuplan_format"
    / "data"
)
MAPS = DATA / "maps"
SPLIT, LOG = next(log_files(DATA))
SPARSE = ScenarioFilter(timestamp_threshold_s=1.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "nuplan-v1.1" / SPLIT  # the layout without `splits`
    folder.mkdir(parents=True)
    shutil.copy(LOG, folder / "a.db")
    return tmp_path


def change(root: Path, sql: str) -> None:
    with closing(sqlite3.connect(root / "nuplan-v1.1" / SPLIT / "a.db")) as connection:
        connection.execute(sql)
        connection.commit()


def source_of(root: Path) -> NuplanSource:
    return NuplanSource(root, MAPS, SPLIT, scenario_filter=SPARSE, history=1.5, future=3.0)


def test_a_scene_holds_every_second_sweep_about_its_own() -> None:
    source = source_of(DATA)
    with NuplanLog(LOG) as log:
        for token in source.scene_ids():
            scene = source.load(token)
            assert (scene.id, scene.now, scene.frames, scene.log) == (token, 15, 46, LOG.stem)
            assert scene.time == log.time(token)
            steps = np.diff(scene.ego.times) * 1e-6
            assert np.all((steps > 0.09) & (steps < 0.11))
            future = [sweep.time for sweep in log.future(token, horizon=3.0)]
            assert scene.ego.times[16:].tolist() == future
            boxes = {box.track: box for box in log.boxes(token)}
            present = {scene.tracks.ids[i] for i in np.flatnonzero(scene.tracks.valid[15])}
            assert present == set(boxes)
            for column, track in enumerate(scene.tracks.ids):
                if track in boxes:
                    pose = scene.tracks.poses[15, column]
                    np.testing.assert_array_equal(pose, boxes[track].pose)
                    np.testing.assert_array_equal(scene.tracks.sizes[column], boxes[track].size[:2])


def test_a_copy_in_another_process_reads_the_same() -> None:
    source = source_of(DATA)
    ids = source.scene_ids()
    copied = pickle.loads(pickle.dumps(source))
    assert copied.scene_ids() == ids
    a, b = source.load(ids[0]), copied.load(ids[0])
    np.testing.assert_array_equal(a.tracks.poses, b.tracks.poses)


def test_nothing_is_written_beside_the_log(root: Path) -> None:
    before = sorted(root.rglob("*"))
    source = source_of(root)
    source.load(source.scene_ids()[0])
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE category SET name = 'unicorn'", r"table lidar_box, sweep \w+, .*unknown class"),
        ("UPDATE ego_pose SET x = NULL", r"table ego_pose, sweep \w+: pose .* holds NULL or NaN"),
        ("UPDATE lidar_box SET yaw = NULL", r"table lidar_box, .* holds NULL or NaN"),
        ("DROP TABLE traffic_light_status", r"no such table: traffic_light_status"),
        ("UPDATE log SET map_version = 'atlantis'", r"no map called 'atlantis'"),
        ("UPDATE log SET map_version = NULL", r"table log: expected one row with a map_version"),
        ("DELETE FROM lidar_pc WHERE rowid % 7 = 0", r"s to the sweep before it, expected at most"),
        ("DELETE FROM scene", r"no scenario passes the filter in 1 logs"),
    ],
)
def test_a_damaged_log_is_told(root: Path, sql: str, message: str) -> None:
    change(root, sql)
    source = source_of(root)
    with pytest.raises(DataError, match=message):
        source.load(source.scene_ids()[0])


def test_a_truncated_log_is_told(root: Path) -> None:
    file = root / "nuplan-v1.1" / SPLIT / "a.db"
    file.write_bytes(file.read_bytes()[:-4096])
    with pytest.raises(DataError, match=r"a\.db: truncated: \d+ bytes, its header counts \d+"):
        source_of(root).scene_ids()
    file.write_bytes(b"no database")
    with pytest.raises(DataError, match=r"a\.db: is not an SQLite file"):
        source_of(root).scene_ids()


def test_too_little_recording_is_told() -> None:
    source = NuplanSource(DATA, MAPS, SPLIT, scenario_filter=SPARSE, future=60.0)
    with pytest.raises(DataError, match=r"expected 616; ask for less history or future"):
        source.load(source.scene_ids()[0])


def test_a_missing_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no log .* of split mini"):
        NuplanSource(tmp_path, MAPS)


def rows(types: str) -> list[ScenarioRow]:
    return [ScenarioRow(f"{i:016x}", i * 1_000_000, "m", kind) for i, kind in enumerate(types)]


def test_every_kth_of_a_type_is_kept() -> None:
    kept = thin_out(rows("aaaaaabb"), ScenarioFilter(num_scenarios_per_type=2))
    assert [int(row.token, 16) for row in kept] == [0, 3, 6, 7]


def test_limits_count_or_take_a_part_and_times_stay_apart() -> None:
    many = rows("aaaaaaaa")
    assert [r.time for r in thin_out(many, ScenarioFilter(limit_total_scenarios=2))] == [
        0,
        4_000_000,
    ]
    assert len(thin_out(many, ScenarioFilter(limit_total_scenarios=0.5))) == 4
    apart = thin_out(many, ScenarioFilter(timestamp_threshold_s=3.0))
    assert [row.time for row in apart] == [0, 3_000_000, 6_000_000]


def test_a_filter_file_is_read_and_unsupported_keys_are_told(tmp_path: Path) -> None:
    file = tmp_path / "val.yaml"
    file.write_text(
        "_target_: x\nscenario_types: [a, b]\nscenario_tokens: [1001304290285954]\n"
        "timestamp_threshold_s: 15\nremove_invalid_goals: true\nego_route_radius: null\n"
        "expand_scenarios: false\nlimit_total_scenarios: 0.5\n"
    )
    assert read_scenario_filter(file) == ScenarioFilter(
        scenario_types=("a", "b"),
        scenario_tokens=("1001304290285954",),
        timestamp_threshold_s=15,
        remove_invalid_goals=True,
        limit_total_scenarios=0.5,
    )
    for text, message in (
        ("ego_displacement_minimum_m: 10", "ego_displacement_minimum_m: '10' is not supported"),
        ("scenario_tokens: [xyz]", r"scenario_tokens\[0\]: 'xyz' is not a token"),
        ("timestamp_threshold_s: soon", "timestamp_threshold_s: 'soon' is not a number"),
        ("log_names: a", "log_names: expected a list"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            read_scenario_filter(file)
