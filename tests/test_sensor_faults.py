"""Faults and status noise: each a pure function of what is clean and of the frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from drivelab.errors import ConfigError
from drivelab.sim.scenario.files import parse_scenario
from drivelab.sim.sensors.faults import FaultySensors, faults_of, status_noise
from drivelab.sim.sensors.picture_faults import blurred, dirty, overexposed
from drivelab.sim.sensors.status import StatusNoise, noisy_ego, noisy_observation
from drivelab.types import CameraFrame, Command, EgoTrajectory, Observation, SensorData

TIMES = tuple(round(0.1 * n - 0.3, 6) for n in range(20))  # three frames of history
CAMERAS = ("CAM_F0", "CAM_L0")


@dataclass(frozen=True)
class Clean:
    """Sensors whose pictures tell their frame: every pixel is 10 frame + camera."""

    cameras: tuple[str, ...] = CAMERAS
    has_lidar: bool = True

    def camera(self, name: str, frame: int) -> CameraFrame:
        image = np.full((24, 32, 3), 10 * frame + self.cameras.index(name), np.uint8)
        return CameraFrame(image, np.eye(3), np.zeros(3), np.eye(3), np.zeros(5))

    def lidar(self, frame: int) -> np.ndarray:
        around = np.radians(np.arange(0.5, 360))
        cloud = np.zeros((360, 6), np.float32)
        cloud[:, 0], cloud[:, 1] = np.cos(around), np.sin(around)
        return cloud


def sensors(*entries: dict[str, object], scene: str = "s") -> FaultySensors:
    return FaultySensors(Clean(), faults_of(entries, cameras=CAMERAS), TIMES, scene)


def shown(faulty: FaultySensors, frame: int, name: str = "CAM_F0") -> int:
    """The frame that a camera shows; -1 = black."""
    image = faulty.camera(name, frame).image
    assert (image == image[0, 0, 0]).all()
    value = int(image[0, 0, 0]) - CAMERAS.index(name)
    return value // 10 if image.any() else -1


def test_without_faults_nothing_changes() -> None:
    faulty = sensors()
    assert isinstance(faulty, SensorData)
    assert [shown(faulty, n) for n in range(1, 20)] == list(range(1, 20))
    assert len(faulty.lidar(0)) == 360


def test_a_fault_lasts_from_start_up_to_stop() -> None:
    faulty = sensors({"fault": "black", "start": 0.2, "stop": 0.5})
    seen = [shown(faulty, n) for n in range(1, 12)]
    assert seen == [1, 2, 3, 4, -1, -1, -1, 8, 9, 10, 11]


def test_a_fault_of_one_camera_spares_the_others() -> None:
    faulty = sensors({"fault": "black", "camera": "CAM_L0"})
    assert shown(faulty, 8, "CAM_L0") == -1
    assert shown(faulty, 8) == 8


def test_a_frozen_camera_repeats_its_last_picture() -> None:
    faulty = sensors({"fault": "frozen", "start": 0.2, "stop": 0.5})
    assert [shown(faulty, n) for n in range(3, 10)] == [3, 4, 4, 4, 4, 8, 9]
    from_the_start = sensors({"fault": "frozen", "start": 0.0})
    assert [shown(from_the_start, n) for n in range(2, 6)] == [2, 2, 2, 2]


def test_a_delayed_camera_shows_earlier_pictures() -> None:
    faulty = sensors({"fault": "delayed", "delay": 0.3, "start": 0.2})
    assert [shown(faulty, n) for n in range(3, 9)] == [3, 4, 2, 3, 4, 5]
    odd = sensors({"fault": "delayed", "delay": 0.25, "start": 0.0})
    assert shown(odd, 10) == 7


def test_dropped_pictures_leave_the_latest_that_came() -> None:
    faulty = sensors({"fault": "dropped", "share": 0.5, "start": 0.0})
    seen = [shown(faulty, n) for n in range(1, 20)]
    assert seen == sorted(seen)
    assert all(value <= n for n, value in enumerate(seen, 1))
    assert len(set(seen)) < len(seen)
    assert seen == [shown(faulty, n) for n in range(1, 20)]
    assert seen != [shown(replace(faulty, scene="t"), n) for n in range(1, 20)]
    none = sensors({"fault": "dropped", "share": 1.0, "start": -0.0})
    assert shown(none, 10) == 2  # the last one from before the scenario began


def test_where_no_picture_ever_came_it_is_black() -> None:
    clean = sensors({"fault": "dropped", "share": 1.0})
    faulty = replace(clean, times=tuple(0.1 * n for n in range(20)))
    assert shown(faulty, 9) == -1


def test_negative_frames_count_from_the_end() -> None:
    faulty = sensors({"fault": "frozen", "start": 0.2})
    assert shown(faulty, -1) == 4


def test_faults_add_up_in_their_order() -> None:
    faulty = sensors(
        {"fault": "frozen", "start": 0.2}, {"fault": "delayed", "delay": 0.2, "start": 0.2}
    )
    assert [shown(faulty, n) for n in (5, 6, 7, 9)] == [3, 4, 4, 4]


def test_blur_spreads_a_dot_and_keeps_its_light() -> None:
    image = np.zeros((61, 61, 3), np.uint8)
    image[30, 30] = 255
    soft = blurred(np.tile(image, (1, 1, 1)), 2.0).astype(float)
    assert soft.max() == pytest.approx(255 / (2 * np.pi * 4), abs=1.5)
    flat = np.full((20, 30, 3), 77, np.uint8)
    assert np.array_equal(blurred(flat, 5.0), flat)


def test_overexposure_multiplies_light_and_clips() -> None:
    image = np.array([[[0, 64, 255]]], np.uint8)
    expected = round(64 * 4 ** (1 / 2.2))
    assert overexposed(image, 4.0)[0, 0].tolist() == [0, expected, 255]


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_dirt_covers_its_share_and_stays(share: float) -> None:
    white = np.full((90, 160, 3), 255, np.uint8)
    spoilt = dirty(white, share, "s", "CAM_F0", 0)
    assert (spoilt[..., 0] < 160).mean() == pytest.approx(share, abs=0.03)
    assert np.array_equal(spoilt, dirty(white, share, "s", "CAM_F0", 0))
    assert not np.array_equal(spoilt, dirty(white, share, "s", "CAM_L0", 0))
    assert dirty(white, 0.0, "s") is white


def test_picture_faults_reach_the_picture() -> None:
    for entry in (
        {"fault": "blurred", "sigma": 2}, {"fault": "overexposed", "gain": 4},
        {"fault": "dirty", "share": 0.3},
    ):  # fmt: skip
        image = sensors(entry).camera("CAM_F0", 9).image
        assert image.shape == (24, 32, 3)
        assert image.dtype == np.uint8
        if entry["fault"] != "blurred":  # an even picture has nothing to blur
            assert not np.array_equal(image, Clean().camera("CAM_F0", 9).image)


def test_a_sparse_lidar_keeps_its_share() -> None:
    cloud = sensors({"fault": "sparse", "keep": 0.25}).lidar(5)
    assert 55 < len(cloud) < 125
    assert len(sensors({"fault": "sparse", "keep": 0}).lidar(5)) == 0


@pytest.mark.parametrize(
    ("begin", "end", "gone"), [(-30, 30, 60), (170, -170, 20), (0, 360, 360), (90, 180, 90)]
)
def test_a_blind_sector_returns_nothing(begin: float, end: float, gone: int) -> None:
    cloud = sensors({"fault": "blind", "from_deg": begin, "to_deg": end}).lidar(5)
    assert len(cloud) == 360 - gone
    inside = (np.degrees(np.arctan2(cloud[:, 1], cloud[:, 0])) - begin) % 360
    assert (inside > (end - begin) % 360).all() or not gone or gone == 360


def test_status_noise_is_that_of_the_moment() -> None:
    faults = faults_of(
        [{"fault": "noisy_status", "start": 1.0, "stop": 2.0, "heading_deg": 90}], cameras=()
    )
    assert status_noise(faults, 0.9) is None
    noise = status_noise(faults, 1.0)
    assert noise == StatusNoise(0.5, np.pi / 2, 0.3, 0.2)
    assert status_noise(faults, 2.0) is None


def test_faults_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="camera 'CAM_F1'; did you mean 'CAM_F0'"):
        faults_of([{"fault": "black", "camera": "CAM_F1"}], cameras=CAMERAS)
    with pytest.raises(ConfigError, match=r"sensor faults: .*blak"):
        faults_of([{"fault": "blak"}], cameras=CAMERAS)
    with pytest.raises(ConfigError, match="sigm"):
        faults_of([{"fault": "blurred", "sigm": 3}], cameras=CAMERAS)


def test_faults_come_from_the_yaml_of_a_scenario() -> None:
    words = (
        "black", "frozen", "blurred", "dirty", "overexposed", "delayed", "dropped", "sparse",
        "blind", "noisy_status",
    )  # fmt: skip
    listed = ", ".join(f"{{fault: {word}, start: {n}}}" for n, word in enumerate(words))
    text = (
        "id: faulty\nmap: straight\nduration: 12\nego: {lane: 0, s: 20, speed: 5}\n"
        f"sensors: {{faults: [{listed}]}}\n"
    )
    info = parse_scenario(text).episode().info
    faults = faults_of(info["sensor_faults"], cameras=CAMERAS)
    assert [fault.start for fault in faults] == list(range(10))
    assert [entry["fault"] for entry in info["sensor_faults"]] == list(words)


def drive(frames: int = 2000) -> EgoTrajectory:
    times = 100_000 * np.arange(frames)
    poses = np.stack([np.arange(frames), np.zeros(frames), np.full(frames, 3.1)], -1)
    return EgoTrajectory(times, poses, np.ones((frames, 2)), np.zeros((frames, 2)))


def test_status_noise_has_its_spreads() -> None:
    noise = StatusNoise(position=0.5, heading=0.1, speed=0.3, acceleration=0.2)
    clean, noisy = drive(), noisy_ego(drive(), noise, scene="s")
    away = noisy.poses - clean.poses
    away[:, 2] = (away[:, 2] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(away.std(0), [0.5, 0.5, 0.1], rtol=0.08)
    np.testing.assert_allclose((noisy.velocities - 1).std(0), 0.3, rtol=0.08)
    np.testing.assert_allclose(noisy.accelerations.std(0), 0.2, rtol=0.08)
    assert np.abs(noisy.poses[:, 2]).max() <= np.pi


def test_status_noise_is_the_same_in_any_cut_of_a_drive() -> None:
    noise = StatusNoise(position=0.5)
    whole = noisy_ego(drive(50), noise, scene="s")
    part = noisy_ego(drive(50).cut(20, 30), noise, scene="s")
    np.testing.assert_array_equal(whole.poses[20:30], part.poses)
    assert not np.array_equal(part.poses, noisy_ego(drive(50).cut(20, 30), noise, scene="t").poses)


def test_no_noise_changes_nothing_and_a_negative_one_is_refused() -> None:
    np.testing.assert_allclose(noisy_ego(drive(5), StatusNoise(), scene="s").poses, drive(5).poses)
    with pytest.raises(ValueError, match=r"StatusNoise\.speed is -1"):
        StatusNoise(speed=-1)


def test_an_observation_stays_relative_to_its_last_pose() -> None:
    poses = np.array([[-2.0, 0, 0], [-1, 0, 0], [0, 0, 0]])
    clean = Observation(
        "s", 10_000_000, Command.STRAIGHT, np.array([-0.2, -0.1, 0.0]), poses,
        np.full((3, 2), 5.0), np.zeros((3, 2)),
    )  # fmt: skip
    noisy = noisy_observation(clean, StatusNoise(0.3, 0.2, 0.1, 0.1))
    np.testing.assert_array_equal(noisy.ego_poses[-1], 0)
    assert not np.allclose(noisy.ego_poses[0], poses[0])
    again = noisy_observation(clean, StatusNoise(0.3, 0.2, 0.1, 0.1))
    np.testing.assert_array_equal(noisy.ego_poses, again.ego_poses)
    same = noisy_observation(clean, StatusNoise(0, 0, 0.1, 0))
    np.testing.assert_allclose(same.ego_poses, poses, atol=1e-12)
    np.testing.assert_array_equal(same.ego_velocities, noisy.ego_velocities)
