"""Image formation: lens, light, noise, JPEG."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.errors import ConfigError
from drivelab.kernels.splat import Gaussians, render
from drivelab.sim.sensors.camera import camera_frame, compress, expose, form, to_uint8
from drivelab.sim.sensors.draws import draws_for
from drivelab.sim.sensors.lens import bend, distort, straighten, undistorted_camera
from drivelab.sim.sensors.rig import load_rig, rig_cameras
from drivelab.sim.sensors.specs import CameraSpec, Noise

INTRINSIC = np.array([[80.0, 0, 51], [0, 82.0, 34], [0, 0, 1]])
BARREL = np.array([-0.3561, 0.1725, -0.00021, 0.00046, -0.0523])


def camera(**more: object) -> CameraSpec:
    return replace(CameraSpec("A", 100, 60, INTRINSIC), **more)  # type: ignore[arg-type]


def wave(spec: CameraSpec) -> np.ndarray:
    """A smooth picture of the directions that a straight camera looks in."""
    rows, columns = np.mgrid[: spec.height, : spec.width] + 0.5
    x = (columns - spec.intrinsic[0, 2]) / spec.intrinsic[0, 0]
    y = (rows - spec.intrinsic[1, 2]) / spec.intrinsic[1, 1]
    return of_directions(x, y)


def of_directions(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([0.5 + 0.3 * np.sin(3 * x), 0.5 + 0.3 * np.cos(2 * y), 0.5 + 0.2 * x * y], -1)


@settings(max_examples=60, deadline=None)
@given(
    k1=st.floats(-0.3, 0.3), k2=st.floats(-0.05, 0.1), p1=st.floats(-0.01, 0.01),
    p2=st.floats(-0.01, 0.01), k3=st.floats(-0.02, 0.02),
)  # fmt: skip
def test_straighten_undoes_bend(k1: float, k2: float, p1: float, p2: float, k3: float) -> None:
    numbers = np.array([k1, k2, p1, p2, k3])
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.4, 0.4, 7))
    straight = np.stack([x, y], -1)
    np.testing.assert_allclose(straighten(bend(straight, numbers), numbers), straight, atol=1e-7)


def test_bend_by_hand() -> None:
    one = np.array([[0.5, 0.0]])
    np.testing.assert_allclose(bend(one, np.array([0.1, 0, 0, 0, 0])), [[0.5 * 1.025, 0]])
    np.testing.assert_allclose(bend(one, np.array([0, 0, 0.01, 0, 0])), [[0.5, 0.0025]])
    np.testing.assert_allclose(bend(one, np.array([0, 0, 0, 0.01, 0])), [[0.5075, 0]])


def test_a_bent_picture_shows_every_direction_where_the_lens_puts_it() -> None:
    spec = camera(distortion=BARREL)
    drawn = undistorted_camera(spec)
    assert not drawn.distorted
    assert drawn.width > spec.width
    picture = distort(wave(drawn).astype(np.float32), spec)
    assert picture.shape == (60, 100, 3)
    rows, columns = np.mgrid[:60, :100] + 0.5
    bent = np.stack([(columns - 51) / 80, (rows - 34) / 82], -1)
    x, y = np.moveaxis(straighten(bent, BARREL), -1, 0)
    np.testing.assert_allclose(picture, of_directions(x, y), atol=2e-4)


def test_labels_are_bent_without_mixing() -> None:
    spec = camera(distortion=BARREL)
    drawn = undistorted_camera(spec)
    labels = (np.indices((drawn.height, drawn.width)).sum(0) % 2 * 7).astype(np.uint8)
    bent = distort(labels, spec, nearest=True)
    assert bent.dtype == np.uint8
    assert set(np.unique(bent)) == {0, 7}


def test_a_straight_lens_changes_nothing() -> None:
    spec = camera()
    picture = wave(spec)
    assert undistorted_camera(spec) is spec
    assert distort(picture, spec) is picture


def test_a_lens_that_folds_is_refused_and_a_wrong_size_told() -> None:
    with pytest.raises(ConfigError, match=r"camera A: .*folds"):
        undistorted_camera(camera(distortion=np.array([-3.0, 0, 0, 0, 0])))
    with pytest.raises(ValueError, match="100 x 60 px; expected"):
        distort(np.zeros((60, 100, 3)), camera(distortion=BARREL))


def test_a_gaussian_is_drawn_through_the_lens_where_opencv_would_put_it() -> None:
    rig = load_rig("navsim_nominal", scale=0.25)
    spec = rig.camera("CAM_L0")
    (group,) = rig_cameras(rig, ["CAM_L0"], np.eye(4))
    place = spec.ego_from_cam @ [2.5, -1.0, 6.0, 1]
    dot = Gaussians(
        place[None, :3].astype(np.float32), np.array([[1, 0, 0, 0]], np.float32),
        np.full((1, 3), 0.02, np.float32), np.ones(1, np.float32),
        np.full((1, 1, 3), 1.7, np.float32),
    )  # fmt: skip
    picture = distort(render(dot, group.cameras).rgb[0], spec)[..., 0]
    rows, columns = np.mgrid[: spec.height, : spec.width] + 0.5
    found = np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()
    expected = bend(np.array([2.5, -1.0]) / 6, spec.distortion)
    expected = expected * spec.intrinsic[[0, 1], [0, 1]] + spec.intrinsic[:2, 2]
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_bytes_are_rounded_and_cut() -> None:
    values = np.array([-1, 0, 0.001, 0.5, 1, 7])
    assert to_uint8(values).tolist() == [0, 0, 0, 128, 255, 255]


def test_a_plain_camera_passes_colours_unchanged() -> None:
    picture = wave(camera())
    assert np.array_equal(form(picture, camera(), scene="s", frame=0), to_uint8(picture))


def test_exposure_doubles_the_light() -> None:
    grey = np.full((4, 4, 3), 0.5)
    brighter = expose(grey, camera(exposure=2.0), draws_for("s"))
    np.testing.assert_allclose(brighter, 0.5 * 2 ** (1 / 2.2), rtol=1e-5)


def test_noise_has_the_said_spread_in_light() -> None:
    spec = camera(noise=Noise(read=0.01, shot=0.0004))
    grey = np.full((200, 200, 3), 0.5)
    light = expose(grey, spec, draws_for("s")).astype(float) ** 2.2
    assert light.mean() == pytest.approx(0.5**2.2, abs=3e-4)
    assert light.std() == pytest.approx(np.sqrt(0.01**2 + 0.0004 * 0.5**2.2), rel=0.02)


def test_noise_belongs_to_scene_camera_and_frame() -> None:
    spec = camera(noise=Noise(read=0.05))
    grey = np.full((60, 100, 3), 0.5)
    first = form(grey, spec, scene="s", frame=3)
    assert np.array_equal(first, form(grey, spec, scene="s", frame=3))
    for other in (
        form(grey, spec, scene="t", frame=3),
        form(grey, spec, scene="s", frame=4),
        form(grey, replace(spec, name="B"), scene="s", frame=3),
    ):
        assert not np.array_equal(first, other)


def test_jpeg_loses_more_at_lower_quality() -> None:
    picture = draws_for("jpeg").integers(0, 256, (60, 100, 3)).astype(np.uint8)
    errors = [np.abs(compress(picture, q).astype(int) - picture).mean() for q in (95, 20)]
    assert 0 < errors[0] < errors[1]
    assert compress(picture, None) is picture
    assert np.array_equal(compress(picture, 20), compress(picture, 20))


def test_a_frame_carries_the_calibration() -> None:
    spec = load_rig("navsim_nominal", scale=0.1).camera("CAM_R1")
    frame = camera_frame(np.zeros((108, 192, 3), np.uint8), spec)
    assert frame.intrinsic is spec.intrinsic
    assert frame.distortion is spec.distortion
    np.testing.assert_array_equal(frame.ego_from_cam_translation, [0.9, -0.5, 1.6])
