"""NAVSIM logs: scenes as the official reader returned them for the files of the synthetic set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivelab.data.navsim.log import NavsimLog
from drivelab.data.navsim.scene_filter import SceneFilter
from drivelab.data.navsim.source import NavsimSource
from drivelab.geometry.poses import relative, wrap_angle
from drivelab.types import STATIC_KINDS, Command

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "nuplan_format"
DATA = ROOT / "data"
EXPECTED = json.loads((ROOT / "expected" / "navsim_expected.json").read_text())
SPLIT = next(iter(sorted((DATA / "split").glob("*.yaml"))))
FOLDERS = sorted(path.name for path in (DATA / "navsim_logs").iterdir())
SCENES = [
    pytest.param(folder, scene, id=f"{folder}-{scene['token']}")
    for folder in FOLDERS
    for scene in EXPECTED["scenes"]
]
PICTURES = [pytest.param(scene, id=scene["token"]) for scene in EXPECTED["scenes"]]
NUMBERS = 1e-6


def source(folder: str | None = None, scene_filter: SceneFilter | None = None) -> NavsimSource:
    return NavsimSource(DATA, DATA / "maps", SPLIT, folder=folder, scene_filter=scene_filter)


@pytest.fixture(scope="module")
def sources() -> dict[str, NavsimSource]:
    return {folder: source(folder) for folder in FOLDERS}


def same_angles(found: Any, expected: Any) -> bool:
    return np.abs(wrap_angle(np.asarray(found) - np.asarray(expected))).max(initial=0) < NUMBERS


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", EXPECTED["filters"])
def test_filter_finds_the_official_tokens(folder: str, name: str) -> None:
    expected = EXPECTED["filters"][name]
    chosen = None if name == "yaml" else SceneFilter(**expected["args"])
    assert set(source(folder, chosen).scene_ids()) == set(expected["tokens"])


def test_split_file_gives_the_official_arguments() -> None:
    found = source().filter
    for key, value in EXPECTED["filters"]["yaml"]["args"].items():
        assert getattr(found, key) == value, key


@pytest.mark.parametrize(("folder", "scene"), SCENES)
def test_frames_of_a_scene(
    sources: dict[str, NavsimSource], folder: str, scene: dict[str, Any]
) -> None:
    found = sources[folder].load(scene["token"])
    metadata = scene["metadata"]
    assert found.id == scene["token"]
    assert (found.log, found.map.name) == (metadata["log_name"], metadata["map_name"])
    assert found.now == metadata["num_history_frames"] - 1
    assert found.frames == metadata["num_history_frames"] + metadata["num_future_frames"]
    assert found.ego.times.tolist() == scene["timestamps"]
    assert list(found.route) == scene["roadblock_ids"]
    red = [str(connector) for connector, is_red in scene["traffic_lights"] if is_red]
    assert list(found.red_lights[found.now]) == red
    assert found.command == Command(int(np.argmax(scene["driving_command"])))
    poses = np.array(scene["ego_global"])
    np.testing.assert_allclose(found.ego.poses[:, :2], poses[:, :2], rtol=0, atol=NUMBERS)
    assert same_angles(found.ego.poses[:, 2], poses[:, 2])


@pytest.mark.parametrize(("folder", "scene"), SCENES)
def test_log_keeps_tokens_and_scene_token(
    sources: dict[str, NavsimSource], folder: str, scene: dict[str, Any]
) -> None:
    log = NavsimLog(sources[folder].log_folder / f"{scene['metadata']['log_name']}.pkl")
    tokens = [log.frame(index).token for index in range(len(log))]
    start = tokens.index(scene["frame_tokens"][0])
    assert tokens[start : start + len(scene["frame_tokens"])] == scene["frame_tokens"]
    current = log.frame(tokens.index(scene["token"]))
    assert current.scene_token == scene["metadata"]["scene_token"]


@pytest.mark.parametrize(("folder", "scene"), SCENES)
def test_ego_status_of_the_history(
    sources: dict[str, NavsimSource], folder: str, scene: dict[str, Any]
) -> None:
    found = sources[folder].load(scene["token"])
    history = relative(found.ego.poses[found.now], found.ego.poses[: found.now + 1])
    for index, expected in enumerate(scene["agent_input"]):
        np.testing.assert_array_equal(found.ego.velocities[index], expected["velocity"])
        np.testing.assert_array_equal(found.ego.accelerations[index], expected["acceleration"])
        np.testing.assert_allclose(history[index], expected["pose"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(history, scene["history_trajectory"], rtol=0, atol=NUMBERS)
    future = relative(found.ego.poses[found.now], found.ego.poses[found.now + 1 :])
    expected = np.array(scene["future_trajectory"])
    np.testing.assert_allclose(future[: len(expected)], expected, rtol=0, atol=NUMBERS)


@pytest.mark.parametrize(("folder", "scene"), SCENES)
@pytest.mark.parametrize(("key", "step"), [("objects_now", 0), ("objects_2s", 4)])
def test_objects_of_a_scene(
    sources: dict[str, NavsimSource], folder: str, scene: dict[str, Any], key: str, step: int
) -> None:
    found = sources[folder].load(scene["token"])
    tracks, frame = found.tracks, found.now + step
    present = {tracks.ids[i] for i in np.flatnonzero(tracks.valid[frame])}
    assert present == {row["track_token"] for row in scene[key]}
    for row in scene[key]:
        column = tracks.ids.index(row["track_token"])
        assert tracks.kinds[column] == row["type"].lower()
        x, y, yaw = tracks.poses[frame, column]
        np.testing.assert_allclose([x, y], [row["x"], row["y"]], rtol=0, atol=NUMBERS)
        assert same_angles(yaw, row["heading"])
        velocity = [0.0, 0.0] if tracks.kinds[column] in STATIC_KINDS else row["velocity"]
        np.testing.assert_allclose(tracks.velocities[frame, column], velocity, rtol=0, atol=NUMBERS)
        if step == 0:
            assert tracks.sizes[column].tolist() == [row["length"], row["width"]]


@pytest.mark.parametrize("scene", PICTURES)
def test_pictures_of_a_scene(sources: dict[str, NavsimSource], scene: dict[str, Any]) -> None:
    found = sources[source().split.folder].load(scene["token"])
    assert found.sensors is not None
    assert {name.lower() for name in found.sensors.cameras} == set(scene["cameras"])
    for name, expected in scene["cameras"].items():
        picture = found.sensors.camera(name.upper(), found.now)
        assert list(picture.image.shape) == expected["shape"]
        mean = picture.image.reshape(-1, 3).mean(0)
        np.testing.assert_allclose(mean, expected["mean_rgb"], rtol=0, atol=0.5)  # JPEG decoders
        np.testing.assert_allclose(
            picture.ego_from_cam_translation, expected["sensor2lidar_translation"], atol=NUMBERS
        )
        assert picture.intrinsic[0, 0] == pytest.approx(expected["fx"], abs=NUMBERS)
        np.testing.assert_allclose(picture.distortion, expected["distortion"], atol=NUMBERS)


@pytest.mark.parametrize("scene", PICTURES)
def test_point_cloud_of_a_scene(sources: dict[str, NavsimSource], scene: dict[str, Any]) -> None:
    found = sources[source().split.folder].load(scene["token"])
    assert found.sensors is not None
    cloud, expected = found.sensors.lidar(found.now), scene["lidar"]
    assert list(cloud.T.shape) == expected["shape"]
    assert str(cloud.dtype) == expected["dtype"]
    np.testing.assert_allclose(cloud.mean(0), expected["mean"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(cloud[0], expected["first_point"], rtol=0, atol=1e-4)


def test_both_pickle_protocols_give_the_same_scenes(sources: dict[str, NavsimSource]) -> None:
    first, *others = (sources[folder] for folder in FOLDERS)
    for other in others:
        for token in first.scene_ids():
            a, b = first.load(token), other.load(token)
            np.testing.assert_array_equal(a.ego.poses, b.ego.poses)
            np.testing.assert_array_equal(a.tracks.poses, b.tracks.poses)
            assert a.tracks.ids == b.tracks.ids
