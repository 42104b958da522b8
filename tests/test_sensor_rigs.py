"""Rigs: what YAML says, what it may not say, and cameras as the rasteriser takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivelab.errors import ConfigError
from drivelab.sim.sensors.rig import load_rig, rig_cameras, rig_names

CAMERA = "  A: {size: [100, 50], focal: [80, 80], position: [1, 0, 2]"


def written(folder: Path, text: str) -> Path:
    file = folder / "rig.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", rig_names())
def test_a_packaged_rig_is_sound(name: str) -> None:
    rig = load_rig(name)
    assert rig.name == name
    assert rig.note
    assert rig.lidars
    for spec in rig.cameras.values():
        turn = spec.ego_from_cam_rotation
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(turn) == pytest.approx(1, abs=1e-6)
        down = turn[:, 1]
        assert down[2] < -0.99  # pictures stand upright
        assert 1.0 < spec.ego_from_cam_translation[2] < 2.5
    assert [lidar.id for lidar in rig.lidars.values()] == list(range(len(rig.lidars)))


@pytest.mark.parametrize("name", rig_names())
def test_cameras_look_where_their_names_say(name: str) -> None:
    for camera, spec in load_rig(name).cameras.items():
        ahead, left = spec.ego_from_cam_rotation[:2, 2]
        if "LEFT" in camera or "_L" in camera:
            assert left > 0.3
        elif "RIGHT" in camera or "_R" in camera:
            assert left < -0.3
        else:
            assert ahead * (-1 if "_B" in camera else 1) > 0.99


def test_bench2drive_has_the_published_views() -> None:
    rig = load_rig("bench2drive")
    assert len(rig.cameras) == 6
    for name, spec in rig.cameras.items():
        half = np.degrees(np.arctan(spec.width / 2 / spec.intrinsic[0, 0]))
        assert 2 * half == pytest.approx(110 if name == "CAM_BACK" else 70)
        assert spec.jpeg_quality == 20
    lidar = rig.lidars["LIDAR_TOP"]
    assert len(lidar.elevations) == 64
    assert lidar.max_range == 85
    assert 64 * lidar.azimuths == pytest.approx(60_000, rel=0.001)


def test_the_rad_rig_is_small() -> None:
    sizes = {(spec.width, spec.height) for spec in load_rig("rad").cameras.values()}
    assert sizes == {(448, 256)}


def test_scaling_keeps_the_view() -> None:
    full, half = load_rig("navsim_nominal"), load_rig("navsim_nominal", scale=0.5)
    spec, small = full.camera("CAM_F0"), half.camera("CAM_F0")
    assert (small.width, small.height) == (960, 540)
    np.testing.assert_allclose(small.intrinsic[:2], spec.intrinsic[:2] / 2)
    odd = spec.scaled((448, 256))
    for pixel, full_pixel in (((0, 0), (0, 0)), ((448, 256), (1920, 1080))):
        ray = np.linalg.inv(odd.intrinsic) @ [*pixel, 1]
        np.testing.assert_allclose(ray, np.linalg.inv(spec.intrinsic) @ [*full_pixel, 1])
    with pytest.raises(ConfigError, match="more than 0"):
        spec.scaled(0.0)


def test_a_point_ahead_is_drawn_where_the_numbers_say() -> None:
    rig = load_rig("rad")
    scene_from_ego = np.eye(4)
    scene_from_ego[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # faces the scene's y
    scene_from_ego[:3, 3] = [100, 200, 3]
    (group,) = rig_cameras(rig, ["CAM_FRONT", "CAM_BACK"], scene_from_ego)
    assert group.names == ("CAM_FRONT", "CAM_BACK")
    assert (group.cameras.width, group.cameras.height) == (448, 256)
    # 10 m ahead of the front camera, 1 m to the left of and 2 m above it.
    point = scene_from_ego @ [1.70 + 10, 1.0, 1.55 + 2, 1]
    front = group.cameras.views[0] @ point
    np.testing.assert_allclose(front[:3], [-1, -2, 10], atol=1e-12)
    assert (group.cameras.views[1] @ point)[2] < 0


def test_cameras_are_grouped_by_what_is_drawn() -> None:
    rig = load_rig("navsim_nominal", scale=0.1)
    (group,) = rig_cameras(rig, list(rig.cameras), np.eye(4))
    assert len(group.cameras) == 8
    assert group.cameras.width > 192  # the lens bends more into the picture than a straight one has


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a\ncamera: {}\n", r"rig.yaml:2: \$\.camera: unknown key `camera`.*`cameras`"),
        (f"name: a\ncameras:\n{CAMERA}, fov: 3}}\n", r":3: \$\.cameras\.A\.fov.*`fov_deg`"),
        (f"name: a\ncameras:\n{CAMERA}, fov_deg: 70}}\n", "one of the keys `focal` and `fov_deg`"),
        (f"name: a\ncameras:\n{CAMERA}, yaw_deg: north}}\n", r"expected a number \[deg\]"),
        (f"name: a\ncameras:\n{CAMERA}, jpeg_quality: 100}}\n", "at most 95"),
        (f"name: a\ncameras:\n{CAMERA}, model: fishy}}\n", "did you mean `fisheye`"),
        (
            f"name: a\ncameras:\n{CAMERA}, rotation: [[1,0,0],[0,1,0],[0,0,2]]}}\n",
            "is no rotation",
        ),
        (
            f"name: a\ncameras:\n{CAMERA}, model: fisheye, distortion: [1,0,0,0,0]}}\n",
            "a fisheye .* takes none",
        ),
        ("name: a\ncameras: {A: {size: [1], focal: [1, 1]}}\n", "expected 2 entries"),
        (
            "name: a\nlidars: {L: {position: [0, 0, 0], beams: [0], azimuths: 1, max_range: 1, "
            "min_range: 2}}\n",
            "expected less than max_range",
        ),
        ("name: [", "is no YAML"),
        ("name: !!python/object:os.system x\n", "tag"),
    ],
)
def test_a_wrong_rig_is_told_by_line_key_and_expectation(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load_rig(written(tmp_path, text))


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'bench2drive'"):
        load_rig("bench2driv")
    with pytest.raises(ConfigError, match="no camera 'CAM_FONT'; did you mean 'CAM_FRONT'"):
        load_rig("rad").camera("CAM_FONT")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rig("nowhere/rig.yaml")


def test_yaw_turns_left_pitch_down_and_roll_right(tmp_path: Path) -> None:
    text = "name: a\ncameras:\n" + "".join(
        f"  {name}: {{size: [9, 9], fov_deg: 90, position: [0, 0, 0], {angle}}}\n"
        for name, angle in (("Y", "yaw_deg: 90"), ("P", "pitch_deg: 30"), ("R", "roll_deg: 90"))
    )
    rig = load_rig(written(tmp_path, text))
    np.testing.assert_allclose(rig.camera("Y").ego_from_cam_rotation[:, 2], [0, 1, 0], atol=1e-12)
    forward = rig.camera("P").ego_from_cam_rotation[:, 2]
    np.testing.assert_allclose(forward, [np.cos(np.pi / 6), 0, -0.5], atol=1e-12)
    np.testing.assert_allclose(rig.camera("R").ego_from_cam_rotation[:, 0], [0, 0, -1], atol=1e-12)
