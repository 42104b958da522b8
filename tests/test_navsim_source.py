"""NAVSIM source: bad input gives one clear error; order, labels, workers and tracks."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivelab.data.navsim.scene_filter import SceneFilter
from drivelab.data.navsim.source import NavsimSource
from drivelab.errors import DataError
from drivelab.types import STATIC_KINDS

DATA = (
    Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
    / "nuplan_format"
    / "data"
)
MAPS = DATA / "maps"
LOG = next((DATA / "navsim_logs" / "mini").glob("*.pkl"))
DENSE = SceneFilter(frame_interval=1)

Frames = list[dict[str, Any]]


@pytest.fixture(scope="module")
def frames() -> Frames:
    """The frames of a golden log; the file is our own, so the standard reader may open it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy renamed the modules that the file names
        found: Frames = pickle.loads(LOG.read_bytes())
    return found


def root_with(tmp_path: Path, logs: dict[str, Frames | bytes]) -> Path:
    folder = tmp_path / "navsim_logs" / "mini"
    folder.mkdir(parents=True)
    for name, content in logs.items():
        data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=5)
        (folder / f"{name}.pkl").write_bytes(data)
    return tmp_path


def source_of(root: Path, scene_filter: SceneFilter = DENSE, **options: Any) -> NavsimSource:
    return NavsimSource(root, MAPS, "navmini", scene_filter=scene_filter, **options)


def test_ids_are_sorted_by_log_and_time(tmp_path: Path, frames: Frames) -> None:
    later = [{**f, "token": f"{i:016x}"} for i, f in enumerate(frames)]
    source = source_of(root_with(tmp_path, {"b": frames, "a": later}))
    ids = source.scene_ids()
    assert [source.load(i).log for i in ids] == sorted(source.load(i).log for i in ids)
    for log in ("a", "b"):
        times = [source.load(i).time for i in ids if source.load(i).log == log]
        assert times == sorted(times)
        assert len(times) > 1


def test_a_later_window_with_the_same_token_wins(tmp_path: Path, frames: Frames) -> None:
    source = source_of(root_with(tmp_path, {"a": frames, "b": frames}))
    assert {source.load(token).log for token in source.scene_ids()} == {"b"}


def test_workers_share_the_index_and_open_their_own_log(tmp_path: Path, frames: Frames) -> None:
    source = source_of(root_with(tmp_path, {"a": frames}))
    ids = source.scene_ids()
    (tmp_path / "navsim_logs" / "mini" / "a.pkl").rename(tmp_path / "moved.pkl")
    copied = pickle.loads(pickle.dumps(source))
    assert copied.scene_ids() == ids
    with pytest.raises(DataError, match=r"a\.pkl: cannot be read"):
        copied.load(ids[0])


def test_reading_writes_nothing_under_the_roots(tmp_path: Path) -> None:
    shutil.copytree(DATA, tmp_path / "data")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("*")}
    source = NavsimSource(tmp_path / "data", tmp_path / "data" / "maps", "navmini")
    source.load(source.scene_ids()[0])
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("*")} == before


def test_other_cities_are_not_opened(tmp_path: Path, frames: Frames) -> None:
    shutil.copytree(MAPS, tmp_path / "maps")
    for file in (tmp_path / "maps").glob("us-*/*/map.gpkg"):
        file.unlink()
    root = root_with(tmp_path, {"a": frames})
    source = NavsimSource(root, tmp_path / "maps", "navmini", scene_filter=DENSE)
    assert source.load(source.scene_ids()[0]).map.name == frames[0]["map_location"]


def set_key(frame: dict[str, Any], key: str, value: Any) -> None:
    frame[key] = value


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("no_pose", lambda f: f.pop("ego2global_translation"), r"key ego2global_translation: is miss"),
    (
        "nan_pose",
        lambda f: set_key(f, "ego2global_translation", np.array([1.0, np.nan, 0.0])),
        r"key ego2global_translation: is NaN or infinite at index \[1\]",
    ),
    (
        "short_pose",
        lambda f: set_key(f, "ego2global_translation", np.zeros(2)),
        r"has shape \(2,\), expected 3",
    ),
    (
        "zero_quaternion",
        lambda f: set_key(f, "ego2global_rotation", np.zeros(4)),
        r"key ego2global_rotation: is zero",
    ),
    ("text_time", lambda f: set_key(f, "timestamp", "now"), r"key timestamp: holds 'now'"),
    ("no_labels", lambda f: f.pop("anns"), r"key anns: is missing; a log without labels"),
    (
        "unknown_class",
        lambda f: f["anns"]["gt_names"].__setitem__(0, "unicorn"),
        r"key gt_names\[0\]: unknown class 'unicorn', expected one of vehicle",
    ),
    (
        "nan_box",
        lambda f: f["anns"]["gt_boxes"].__setitem__((1, 2), np.nan),
        r"key gt_boxes: is NaN or infinite at index \[1, 2\]",
    ),
    (
        "lost_track",
        lambda f: f["anns"]["track_tokens"].pop(),
        r"key track_tokens: holds \d+ entries for \d+ boxes",
    ),
    (
        "track_twice",
        lambda f: f["anns"]["track_tokens"].__setitem__(1, f["anns"]["track_tokens"][0]),
        r"key track_tokens: track \w+ occurs twice",
    ),
    ("lights", lambda f: set_key(f, "traffic_lights", [1]), r"key traffic_lights: expected a list"),
    ("route", lambda f: set_key(f, "roadblock_ids", "60011"), r"key roadblock_ids: holds str"),
    (
        "city",
        lambda f: set_key(f, "map_location", "atlantis"),
        r"map 'atlantis' is needed: .*no map called 'atlantis'; there are sg-one-north",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_a_broken_frame_is_told_with_file_frame_and_key(
    tmp_path: Path, frames: Frames, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    broken = copy.deepcopy(frames)
    change(broken[3])
    source = source_of(root_with(tmp_path, {"some_log": broken}), DENSE)
    with pytest.raises(DataError, match=rf"some_log\.pkl, frame 3.*{message}"):
        source.load(frames[3]["token"])


def test_a_dropped_frame_is_told(tmp_path: Path, frames: Frames) -> None:
    holed = frames[:6] + frames[7:]
    source = source_of(root_with(tmp_path, {"a": holed}))
    with pytest.raises(DataError, match=r"a\.pkl, frame 6: 1\.0\d+ s after the frame before it"):
        source.load(frames[3]["token"])


def test_a_log_without_labels_or_route_is_read_when_nothing_is_scored(
    tmp_path: Path, frames: Frames
) -> None:
    bare = [{k: v for k, v in f.items() if k != "anns"} | {"roadblock_ids": []} for f in frames]
    unscored = SceneFilter(num_future_frames=0, frame_interval=1, has_route=False)
    source = source_of(root_with(tmp_path, {"a": bare}), unscored)
    scene = source.load(source.scene_ids()[0])
    assert len(scene.tracks) == 0
    assert scene.frames == 4
    scored = SceneFilter(frame_interval=1, has_route=False)
    with pytest.raises(DataError, match="the route is empty"):
        source_of(tmp_path, scored).load(source.scene_ids()[0])


def test_a_truncated_log_is_told(tmp_path: Path) -> None:
    root = root_with(tmp_path, {"a": LOG.read_bytes()[:-1000]})
    with pytest.raises(DataError, match=r"a\.pkl: not a complete pickle.*fetch it again"):
        source_of(root).scene_ids()


def test_a_log_that_is_no_list_is_told(tmp_path: Path) -> None:
    root = root_with(tmp_path, {"a": pickle.dumps({"frames": []})})
    with pytest.raises(DataError, match="holds dict, expected a list of frames"):
        source_of(root).scene_ids()


def test_zero_scenes_are_an_error(tmp_path: Path, frames: Frames) -> None:
    with pytest.raises(DataError, match="no scene of split navmini in 1 logs"):
        source_of(root_with(tmp_path, {"a": frames[:5]})).scene_ids()


def test_missing_roots_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="or OPENSCENE_DATA_ROOT names no folder"):
        source_of(tmp_path / "nowhere")
    with pytest.raises(DataError, match="needs the folder navsim_logs/test; there is mini"):
        NavsimSource(DATA, MAPS, "navtest")
    with pytest.raises(DataError, match=r"no split called 'navtset'.*did you mean 'navtest'"):
        NavsimSource(DATA, MAPS, "navtset")
    with pytest.raises(DataError, match=r"no nuPlan maps here.*NUPLAN_MAPS_ROOT"):
        NavsimSource(DATA, tmp_path, "navmini")
    (tmp_path / "navsim_logs" / "mini").mkdir(parents=True)
    with pytest.raises(DataError, match="no log"):
        source_of(tmp_path)


def test_a_missing_map_is_told(tmp_path: Path, frames: Frames) -> None:
    shutil.copytree(MAPS, tmp_path / "maps")
    shutil.rmtree(tmp_path / "maps" / frames[0]["map_location"])
    root = root_with(tmp_path, {"a": frames})
    source = NavsimSource(root, tmp_path / "maps", "navmini", scene_filter=DENSE)
    with pytest.raises(DataError, match=r"the map of .* is missing"):
        source.load(source.scene_ids()[0])


def test_a_short_set_is_refused_unless_asked_for(tmp_path: Path, frames: Frames) -> None:
    tokens = (frames[3]["token"], "f" * 16)
    file = tmp_path / "navtest.yaml"
    listed = "\n".join(f"  - '{token}'" for token in tokens)
    file.write_text(f"num_history_frames: 4\nframe_interval: 1\ntokens:\n{listed}\n")
    root = root_with(tmp_path, {"a": frames})
    options = {"folder": "mini"}
    with pytest.raises(DataError, match=f"1 of 2 scenes of split navtest .*{'f' * 16}"):
        NavsimSource(root, MAPS, file, **options).scene_ids()
    partial = NavsimSource(root, MAPS, file, partial=True, **options)
    assert partial.scene_ids() == tokens[:1]
    assert (partial.data, partial.label) == ("partial", "navtest (partial: 1 of 2 scenes)")


def test_an_official_name_without_its_list_is_never_called_by_it(
    tmp_path: Path, frames: Frames
) -> None:
    root = root_with(tmp_path, {"a": frames})
    source = NavsimSource(root, MAPS, "navmini")
    assert source.data == "partial"
    assert "not the official split" in source.label
    assert source.provenance()["split_file"] == "no token list given"
    tokens = "\n".join(f"  - '{token}'" for token in source.scene_ids())
    (root / "train_test_split").mkdir()
    (root / "train_test_split" / "navmini.yaml").write_text(
        f"frame_interval: null\ntokens:\n{tokens}\n"
    )
    listed = NavsimSource(root, MAPS, "navmini")
    assert (listed.data, listed.label) == ("real", "navmini")
    assert listed.scene_ids() == source.scene_ids()
    assert listed.provenance()["split_file"].startswith("sha256:")


def test_tracks_stand_in_order_of_appearance_from_now_on(tmp_path: Path, frames: Frames) -> None:
    source = source_of(root_with(tmp_path, {"a": frames}))
    for token in source.scene_ids():
        scene = source.load(token)
        valid = scene.tracks.valid
        later = [int(np.argmax(v[scene.now :])) if v[scene.now :].any() else 99 for v in valid.T]
        assert later == sorted(later)
        static = np.isin(scene.tracks.kinds, STATIC_KINDS)
        velocities = scene.tracks.velocities[:, static]
        assert np.all(velocities[valid[:, static]] == 0)
        assert np.isnan(scene.tracks.poses[~valid]).all()


def test_sensor_paths_stay_inside_the_sensor_folder(tmp_path: Path, frames: Frames) -> None:
    changed = copy.deepcopy(frames)
    changed[3]["cams"]["CAM_F0"]["data_path"] = "../../secret.jpg"
    changed[3]["lidar_path"] = "/etc/passwd"
    root = root_with(tmp_path, {"a": changed})
    (root / "sensor_blobs" / "mini").mkdir(parents=True)
    sensors = source_of(root).load(frames[3]["token"]).sensors
    assert sensors is not None
    with pytest.raises(DataError, match="leaves the sensor folder"):
        sensors.camera("CAM_F0", 3)
    with pytest.raises(DataError, match="leaves the sensor folder"):
        sensors.lidar(3)
    with pytest.raises(DataError, match=r"the picture is missing"):
        sensors.camera("CAM_F0", 2)


def test_the_lidar_calibration_is_applied(tmp_path: Path, frames: Frames) -> None:
    turned = copy.deepcopy(frames)
    turned[3]["lidar2ego"] = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    root = root_with(tmp_path, {"a": turned})
    shutil.copytree(DATA / "sensor_blobs" / "mini", root / "sensor_blobs" / "mini")
    sensors = source_of(root).load(frames[3]["token"]).sensors
    plain = NavsimSource(DATA, MAPS, "navmini", scene_filter=DENSE).load(frames[3]["token"]).sensors
    assert sensors is not None
    assert plain is not None
    here, there = plain.lidar(3), sensors.lidar(3)
    np.testing.assert_allclose(there[:, 0], 1 - here[:, 1], atol=1e-5)
    np.testing.assert_allclose(there[:, 1], 2 + here[:, 0], atol=1e-5)
    np.testing.assert_array_equal(there[:, 3:], here[:, 3:])
