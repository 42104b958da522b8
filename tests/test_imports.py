"""Official folders -> what the bench reads, and the inventory of a data root."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from av2_files import write_log
from nuscenes_files import CITY, SPEED, json_log, write_json_log, write_official
from real_data import real_data

from drivelab.data.imports import import_av2, import_nuscenes
from drivelab.data.inventory import list_data, plan_data, verify_data
from drivelab.data.nuscenes.expansion import arc_line
from drivelab.data.nuscenes.json_file import read_json_log
from drivelab.data.nuscenes.log import load_log
from drivelab.data.nuscenes.map import drivable_ground
from drivelab.data.reallogs import RealLogsSource
from drivelab.errors import ConfigError, DataError
from drivelab.types import Scene


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def first_scene(root: Path) -> Scene:
    source = RealLogsSource(root)
    return source.load(source.scene_ids()[0])


@pytest.mark.parametrize("below", ["", "val", "val/log-a"])
def test_av2_logs_are_found_in_the_official_layout(tmp_path: Path, below: str) -> None:
    src, dst = tmp_path / "sensor", tmp_path / "root"
    log = write_log(src / "val" / "log-a", frames=70)
    (log / "sensors" / "cameras").mkdir(parents=True)
    (log / "sensors" / "cameras" / "1.jpg").write_bytes(b"large")
    before = contents(src)
    done = import_av2(src / below, dst)
    assert [entry.name for entry in done] == ["log-a"]
    assert contents(src) == before
    assert sorted(contents(dst)) == [
        "av2/log-a/annotations.feather",
        "av2/log-a/city_SE3_egovehicle.feather",
        "av2/log-a/map/log_map_archive_x____PIT_city_1.json",
        "av2/manifest.json",
    ]
    assert first_scene(dst).frames == 66


def test_official_tables_become_a_log(tmp_path: Path) -> None:
    src, dst = write_official(tmp_path / "nuscenes"), tmp_path / "root"
    before = contents(src)
    assert [entry.name for entry in import_nuscenes(src, dst)] == ["scene-0001"]
    assert contents(src) == before
    log = read_json_log(dst / "nuscenes_mini" / "scene-0001.json.gz")
    assert (log.steps, log.dt, log.data["map"]) == (71, 0.1, CITY)
    recording = load_log(log)
    x = 3 + SPEED * 0.1 * np.arange(71)
    np.testing.assert_allclose(recording.ego.poses[:, 0], x, atol=1e-3)
    np.testing.assert_allclose(recording.ego.velocities[:, 0], SPEED, atol=0.02)
    tracks = recording.tracks
    assert tracks.ids == ("car",)  # the bicycle rack has no type in the format
    np.testing.assert_array_equal(tracks.sizes, [[5.0, 2.0]])
    # Key frame 4 (2.0 s) lacks the box: nothing between key frames 3 (1.5 s) and 5 (2.5 s).
    gap = [k for k in range(71) if 15 < k < 25]
    assert np.flatnonzero(~tracks.valid[:, 0]).tolist() == gap
    seen = tracks.valid[:, 0]
    np.testing.assert_allclose(tracks.poses[seen, 0, 0], x[seen] + 10, atol=1e-3)
    np.testing.assert_allclose(tracks.poses[seen, 0, 2], np.pi / 2, atol=1e-4)
    np.testing.assert_allclose(tracks.velocities[seen, 0, 0], SPEED, atol=1e-3)


def test_the_map_expansion_becomes_map_features(tmp_path: Path) -> None:
    import_nuscenes(write_official(tmp_path / "nuscenes"), tmp_path)
    log = read_json_log(tmp_path / "nuscenes_mini" / "scene-0001.json.gz")
    ground = drivable_ground(log)
    assert ground.area == pytest.approx(140 * 68 - 100)  # the far polygon is cropped away
    lanes = load_log(log).map.lanes
    assert set(lanes) == {"lane-a", "link-b"}
    assert lanes["lane-a"].successors == ("link-b",)
    assert lanes["lane-a"].polygon.area == pytest.approx(80 * 4)
    np.testing.assert_allclose(lanes["link-b"].centreline[-1, :2], [40, 10], atol=1e-3)
    assert log.data["map_features"]["divider"]["polyline"] == [[-50.0, 2.0], [30.0, 2.0]]


def test_an_import_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    src = write_official(tmp_path / "nuscenes")
    import_nuscenes(src, tmp_path / "one")
    import_nuscenes(src, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_imported_scene_loads(tmp_path: Path) -> None:
    import_nuscenes(write_official(tmp_path / "nuscenes"), tmp_path)
    scene = first_scene(tmp_path)
    assert scene.map.lanes["lane-a"].block in scene.route


@pytest.mark.parametrize("shape", ["LSR", "RSL", "LRL", "RLR", "LSL", "RSR"])
def test_arc_lines_keep_their_length_and_turn(shape: str) -> None:
    lengths, radius = [4.0, 7.0, 5.0], 12.0
    path = {
        "start_pose": [1.0, 2.0, 0.4],
        "shape": shape,
        "radius": radius,
        "segment_length": lengths,
    }
    points = arc_line(path, spacing=0.01)
    steps = np.diff(points, axis=0)
    np.testing.assert_allclose(np.hypot(*steps.T).sum(), 16.0, rtol=1e-6)
    np.testing.assert_array_equal(points[0], [1.0, 2.0])
    sign = {"L": 1, "S": 0, "R": -1}
    turn = sum(sign[s] * length / radius for s, length in zip(shape, lengths, strict=True))
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    assert heading[-1] - heading[0] == pytest.approx(turn, abs=2e-3)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("v1.0-mini/scene.json", "[", "scene.json: cannot be read as JSON"),
        ("v1.0-mini/category.json", '[{"token": "c", "name": "vehicle.car"}, '
         '{"token": "r", "name": "ufo"}]', "unknown category 'ufo'"),
        ("v1.0-mini/log.json", "[]", "scene scene-0001"),
        ("v1.0-mini/sample_data.json", "[]", "expected ego poses of LIDAR_TOP"),
        (f"maps/expansion/{CITY}.json", "{}", "the tables polygon"),
    ],
)  # fmt: skip
def test_bad_tables_are_named(tmp_path: Path, file: str, change: str, message: str) -> None:
    src = write_official(tmp_path / "nuscenes")
    (src / file).write_text(change)
    with pytest.raises(DataError, match=message):
        import_nuscenes(src, tmp_path)
    assert not list((tmp_path / "nuscenes_mini").glob("*"))


def test_a_missing_map_expansion_is_named(tmp_path: Path) -> None:
    src = write_official(tmp_path / "nuscenes")
    (src / "maps" / "expansion" / f"{CITY}.json").unlink()
    with pytest.raises(DataError, match="the map expansion is a download of its own"):
        import_nuscenes(src, tmp_path)


def test_nothing_is_written_under_the_source(tmp_path: Path) -> None:
    write_log(tmp_path / "val" / "log-a")
    with pytest.raises(ConfigError, match="lies inside the source"):
        import_av2(tmp_path, tmp_path / "val")


def test_an_empty_source_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no Argoverse 2 sensor log"):
        import_av2(tmp_path / "empty", tmp_path / "root")
    with pytest.raises(DataError, match=r"folder v1\.0-\*"):
        import_nuscenes(tmp_path / "empty", tmp_path / "root")
    with pytest.raises(DataError, match="is no folder"):
        import_av2(tmp_path / "nowhere", tmp_path / "root")


def imported(tmp_path: Path) -> Path:
    write_log(tmp_path / "src" / "val" / "log-a", frames=70)
    import_av2(tmp_path / "src", tmp_path / "root")
    import_nuscenes(write_official(tmp_path / "nuscenes"), tmp_path / "root")
    return tmp_path / "root"


def test_the_list_counts_frames_scenes_and_bytes(tmp_path: Path) -> None:
    root = imported(tmp_path)
    entries = list_data(root)
    assert [(e.source, e.name, e.frames, e.scenes) for e in entries] == [
        ("av2", "log-a", 70, 1),
        ("nuscenes", "scene-0001", 71, 1),
    ]
    files = [f for f in (root / "av2" / "log-a").rglob("*") if f.is_file()]
    assert entries[0].bytes == sum(file.stat().st_size for file in files)


def test_zero_logs_are_an_error(tmp_path: Path) -> None:
    for ask in (list_data, verify_data):
        with pytest.raises(DataError, match="no logs; looked for"):
            ask(tmp_path)


def test_a_complete_root_verifies(tmp_path: Path) -> None:
    checks = verify_data(imported(tmp_path))
    assert all(check.ok for check in checks)
    assert sum(check.detail == "SHA-256 as imported" for check in checks) == 4


def test_a_changed_a_lost_and_a_cut_file_are_found(tmp_path: Path) -> None:
    root = imported(tmp_path)
    write_json_log(root / "nuscenes_mini", json_log())  # another log under the same name
    (root / "av2" / "log-a" / "city_SE3_egovehicle.feather").unlink()
    write_json_log(root / "nuscenes_mini", json_log(), "scene-0002").write_bytes(b"\x1f\x8b")
    failed = {check.name: check.detail for check in verify_data(root) if not check.ok}
    assert set(failed) == {
        "log-a", "log-a/city_SE3_egovehicle.feather", "scene-0001.json.gz", "scene-0002",
    }  # fmt: skip
    assert "SHA-256 is not that of the import" in failed["scene-0001.json.gz"]
    assert "cut short" in failed["scene-0002"]
    listed = {entry.name: entry.problem for entry in list_data(root)}
    assert "city_SE3_egovehicle" in listed["log-a"]


def test_a_manifest_cannot_point_outside(tmp_path: Path) -> None:
    root = imported(tmp_path)
    (root / "av2" / "manifest.json").write_text(json.dumps({"../../x": {"sha256": "0"}}))
    assert any("outside its folder" in check.detail for check in verify_data(root))


def test_the_plan_names_what_is_missing(tmp_path: Path) -> None:
    rows = {row.source: row for row in plan_data(imported(tmp_path))}
    assert rows["av2"].present
    assert not rows["commonroad"].present
    assert all(not row.present for row in plan_data(tmp_path / "nowhere"))
    assert all(row.where and row.licence for row in rows.values())


@pytest.mark.data
def test_a_root_of_real_logs_verifies(tmp_path: Path) -> None:
    """One log of each kind; their readers are tested on every one."""
    for folder, first in (
        ("av2", "[0-9a-f]*"),
        ("nuscenes_mini", "*.json.gz"),
        ("commonroad", "*.xml"),
    ):
        (tmp_path / folder).mkdir()
        file = min(real_data(f"real_logs/{folder}").glob(first), key=lambda f: f.stat().st_size)
        (tmp_path / folder / file.name).symlink_to(file)
    checks = verify_data(tmp_path)
    assert {check.source for check in checks} == {"av2", "nuscenes", "commonroad"}
    assert [check for check in checks if not check.ok] == []


@pytest.mark.data
@pytest.mark.slow
def test_the_whole_real_root_verifies() -> None:
    assert [check for check in verify_data(real_data("real_logs")) if not check.ok] == []
