"""Second-stage scenes of NAVSIM v2, from pickles made here of plain values."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivelab.data.navsim.source import NavsimSource
from drivelab.errors import DataError, UnsafePickleError
from drivelab.types import Command

DATA = (
    Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
    / "nuplan_format"
    / "data"
)
CITY = "sg-one-north"
NOW, BEFORE = f"{7:017x}", f"{8:017x}"


def boxes_at(x: float) -> dict[str, Any]:
    """One vehicle x metres ahead of the ego, driving at 3 m/s in the ego's direction."""
    return {
        "boxes": np.array([[x, 1.0, 0.5, 4.6, 1.9, 1.6, 0.25]]),
        "names": ["vehicle"],
        "velocity_3d": np.array([[3.0, 0.0, 0.0]]),
        "instance_tokens": ["i"],
        "track_tokens": ["car"],
    }


def frame(index: int) -> dict[str, Any]:
    return {
        "token": NOW if index == 3 else f"{index:016x}",
        "timestamp": 1_000_000 + 500_000 * index,
        "roadblock_ids": ["60011"],
        "traffic_lights": [(63201, True), (63202, False)],
        "annotations": boxes_at(10.0 + index),
        "ego_status": {
            "ego_pose": np.array([100.0, 200.0 + index, np.pi / 2]),
            "ego_velocity": np.array([2.1, 0.0]),
            "ego_acceleration": np.array([0.1, 0.0]),
            "driving_command": np.array([0, 0, 1, 0]),
            "in_global_frame": True,
        },
        "lidar_path": None,
        "camera_dict": {},
    }


def scene(**changes: Any) -> dict[str, Any]:
    content = {
        "scene_metadata": {
            "log_name": "a_log",
            "scene_token": "s",
            "map_name": CITY,
            "initial_token": NOW,
            "num_history_frames": 4,
            "num_future_frames": 0,
        },
        "frames": [frame(index) for index in range(4)],
        "extended_traffic_light_data": None,
        "extended_detections_tracks": [boxes_at(15.0), boxes_at(17.0)],
    }
    return content | changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "navsim_logs").mkdir()
    (tmp_path / "navsim_logs" / "test").symlink_to(DATA / "navsim_logs" / "mini")
    (tmp_path / "navhard_two_stage" / "synthetic_scene_pickles").mkdir(parents=True)
    first = NavsimSource(DATA, DATA / "maps", "navmini").scene_ids()
    (tmp_path / "navhard_two_stage.yaml").write_text(
        f"data_split: test\nnum_future_frames: 8\nframe_interval: 1\ntokens: ['{first[0]}']\n"
        f"reactive_all_mapping: [['{first[0]}', '{first[0]}', [['{NOW}', '{BEFORE}']]]]\n"
    )
    return tmp_path


def put(root: Path, content: Any) -> NavsimSource:
    file = root / "navhard_two_stage" / "synthetic_scene_pickles" / f"{NOW}.pkl"
    file.write_bytes(pickle.dumps(content, protocol=4))
    return NavsimSource(root, DATA / "maps", "navhard_two_stage")


def test_a_synthetic_scene_is_read_beside_the_real_ones(root: Path) -> None:
    source = put(root, scene())
    assert source.scene_ids()[1:] == (NOW, BEFORE)
    assert not source.load(source.scene_ids()[0]).synthetic
    found = source.load(NOW)
    assert found.synthetic
    assert (found.id, found.log, found.now, found.frames) == (NOW, "a_log", 3, 6)
    assert found.command is Command.RIGHT
    assert found.route == ("60011",)
    assert found.red_lights[found.now] == ("63201",)
    np.testing.assert_array_equal(found.ego.poses[3], [100.0, 203.0, np.pi / 2])
    assert found.ego.velocities[3, 0] == float(np.float32(2.1))


def test_its_boxes_are_in_the_map_frame_and_go_on_after_now(root: Path) -> None:
    found = put(root, scene()).load(NOW)
    assert found.tracks.ids == ("car",)
    # The ego looks north: x ahead is y of the map, and 1 m to the left is -1 m in x.
    np.testing.assert_allclose(found.tracks.poses[3, 0], [99.0, 216.0, np.pi / 2 + 0.25])
    np.testing.assert_allclose(found.tracks.poses[4:, 0, 1], [203 + 15, 203 + 17])
    np.testing.assert_allclose(found.tracks.velocities[3, 0], [0.0, 3.0], atol=1e-12)
    assert found.ego.times[5] - found.ego.times[3] == 1_000_000


def test_pickled_objects_of_other_packages_are_refused_by_name(root: Path) -> None:
    source = put(root, scene(extended_detections_tracks=[Path("x")]))
    with pytest.raises(UnsafePickleError, match=rf"{NOW}\.pkl: names pathlib"):
        source.load(NOW)


def test_wrong_content_is_told(root: Path) -> None:
    with pytest.raises(DataError, match="key frames: expected a list of frames"):
        put(root, scene(frames=[])).load(NOW)
    both = frame(3)
    both["ego_status"]["driving_command"] = np.array([1, 1, 0, 0])
    with pytest.raises(DataError, match=r"key driving_command: \[1.0, 1.0, .*expected one-hot"):
        put(root, scene(frames=[*(frame(i) for i in range(3)), both])).load(NOW)
    other = scene()["scene_metadata"] | {"initial_token": BEFORE}
    with pytest.raises(DataError, match=f"initial_token: is {BEFORE}, frame 3 is {NOW}"):
        put(root, scene(scene_metadata=other)).load(NOW)
    with pytest.raises(DataError, match=f"the synthetic scene {BEFORE} is missing"):
        put(root, scene()).load(BEFORE)
