"""What an agent sees: 2 Hz rows from any log, and no more truth than it asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivelab.data.observation import build_observation, check_rig
from drivelab.errors import ConfigError, DataError
from drivelab.types import Privilege, Scene, SensorRig, Tracks


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parent / "toys")
    import evaluation_toys

    return evaluation_toys


@pytest.mark.parametrize("dt", [0.5, 0.1])
def test_history_rows_are_half_seconds_apart(toys: Any, dt: float) -> None:
    seen = build_observation(toys.straight_scene("a", dt=dt, offset=7.0), SensorRig(history=4))
    np.testing.assert_allclose(seen.ego_times, [-1.5, -1.0, -0.5, 0.0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(seen.ego_poses[:, 0], [-15.0, -10.0, -5.0, 0.0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(seen.ego_velocities, np.tile([10.0, 0.0], (4, 1)))
    assert seen.scene is None


def test_too_short_a_history_is_refused(toys: Any) -> None:
    scene = toys.straight_scene("a", history=1.0)
    with pytest.raises(DataError, match=r"scene a: no recorded ego frame .* -1\.5 s"):
        build_observation(scene, SensorRig(history=4))


def test_privilege_decides_what_of_the_scene_is_seen(toys: Any) -> None:
    scene = toys.straight_scene("a")
    state = build_observation(scene, SensorRig(privilege=Privilege.STATE)).scene
    future = build_observation(scene, SensorRig(privilege=Privilege.FUTURE)).scene
    assert state is not None
    assert state.frames == scene.now + 1
    assert state.tracks.poses.shape[0] == scene.now + 1
    assert future is scene
    for seen in (state, future):
        for array in (seen.ego.poses, seen.tracks.poses, seen.map.lanes["lane"].centreline):
            assert not array.flags.writeable


def test_an_actor_of_the_future_does_not_even_count(toys: Any) -> None:
    scene = toys.straight_scene("a")
    frames, later = scene.frames, scene.now + 1
    valid = np.zeros((frames, 2), bool)
    valid[:, 0], valid[later:, 1] = True, True
    tracks = Tracks(
        ("here", "later"),
        ("vehicle", "pedestrian"),
        np.ones((2, 2)),
        np.zeros((frames, 2, 3)),
        np.zeros((frames, 2, 2)),
        valid,
        scene.tracks.dt,
    )
    seen = build_observation(replace(scene, tracks=tracks), SensorRig(privilege=Privilege.STATE))
    assert seen.scene is not None
    assert seen.scene.tracks.ids == ("here",)


class Sensors:
    """Says which frames were asked for."""

    cameras = ("CAM_F0",)
    has_lidar = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def camera(self, name: str, frame: int) -> str:
        self.asked.append((name, frame))
        return f"{name}/{frame}"

    def lidar(self, frame: int) -> np.ndarray:
        self.asked.append(("lidar", frame))
        return np.zeros((1, 6), np.float32)


def _with_sensors(scene: Scene, sensors: Sensors) -> Scene:
    from dataclasses import replace

    return replace(scene, sensors=sensors)


def test_only_the_sensors_of_the_rig_are_loaded(toys: Any) -> None:
    sensors = Sensors()
    scene = _with_sensors(toys.straight_scene("a", dt=0.1), sensors)
    rig = SensorRig(cameras=("CAM_F0",), sensor_frames=2, privilege=Privilege.STATE)
    seen = build_observation(scene, rig)
    assert sensors.asked == [("CAM_F0", scene.now - 5), ("CAM_F0", scene.now)]
    assert len(seen.images["CAM_F0"]) == 2
    assert seen.lidar == ()
    assert seen.scene is not None
    assert seen.scene.sensors is None  # it would hand out later frames


def test_a_sensor_that_is_not_there_names_who_has_it(toys: Any) -> None:
    scene = toys.straight_scene("a")
    with pytest.raises(ConfigError, match=r"camera 'CAM_F0', which toys lacks .*Ask navsim"):
        check_rig(scene, SensorRig(cameras=("CAM_F0",)), bench="toys", who_has="Ask navsim")
    with pytest.raises(ConfigError, match="lidar, which toys lacks"):
        check_rig(scene, SensorRig(lidar=True), bench="toys", who_has="Ask navsim")
    equipped = _with_sensors(scene, Sensors())
    check_rig(equipped, SensorRig(cameras=("CAM_F0",), lidar=True), bench="toys", who_has="")
    with pytest.raises(ConfigError, match=r"did you mean 'CAM_F0'\?"):
        check_rig(equipped, SensorRig(cameras=("CAM_F",)), bench="toys", who_has="")
