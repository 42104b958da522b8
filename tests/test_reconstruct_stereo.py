"""A stereo pair: the left picture is learned, the right one held out beside a warped one."""

import json

import numpy as np
import pytest
from PIL import Image

from drivelab.data.stereo_pair import StereoPair, read_stereo_pair
from drivelab.errors import DataError
from drivelab.training.reconstruction.points import on_image
from drivelab.training.reconstruction.stereo import WARPED, filled_rows, stereo_capture, warped

pytestmark = pytest.mark.nn


def pair(high=24, wide=40, disparity=4.0):
    """A flat wall, far enough that the right picture is the left one moved by 4 pixels."""
    rng = np.random.default_rng(0)
    wall = rng.integers(0, 255, (high, wide + 8, 3), dtype=np.uint8)
    lens = np.array([[80.0, 0, wide / 2], [0, 80, high / 2], [0, 0, 1]])
    disparities = np.full((high, wide), disparity)
    disparities[5:9, 10:20] = 0.0  # not measured
    return StereoPair("wall", wall[:, :wide], wall[:, 4 : wide + 4], disparities, lens, 0.5)


def write(folder, calibration=None):
    folder.mkdir()
    found = pair()
    for side, picture in (("left", found.left), ("right", found.right)):
        name = f"a_stereo_front_{side}_rect_1.jpg"
        Image.fromarray(picture).save(folder / name, quality=100, subsampling=0)
    stored = Image.fromarray((found.disparities * 256).astype(np.uint16))
    stored.save(folder / "prediction_1_disparity_1.png")
    value = {
        "focal_length_x_px_": 80.0, "focal_length_y_px_": 80.0, "focal_center_x_px_": 20.0,
        "focal_center_y_px_": 12.0, "distortion_coefficients_": [],
    }  # fmt: skip
    cameras = [
        {"key": "image_raw_stereo_front_left_rect", "value": {**value, "Txf_": 0}},
        {"key": "image_raw_stereo_front_right_rect", "value": {**value, "Txf_": -40.0}},
    ]
    content = json.dumps({"camera_data_": cameras}) if calibration is None else calibration
    (folder / "a_vehicle_calibration_stereo_info.json").write_text(content)
    return folder


def test_a_pair_is_read_as_it_was_written(tmp_path):
    found, wanted = read_stereo_pair(write(tmp_path / "pair")), pair()
    np.testing.assert_allclose(found.disparities, wanted.disparities)
    np.testing.assert_allclose(found.intrinsic, wanted.intrinsic)
    assert found.baseline == pytest.approx(0.5)
    assert np.abs(found.right.astype(int) - wanted.right).mean() < 4


def test_points_lie_where_both_pictures_show_them():
    capture = stereo_capture(pair(), width=40, most=10_000, seed=0)
    capture.check()
    np.testing.assert_allclose(capture.points[:, 0], 10.0)  # 80 px * 0.5 m / 4 px
    assert capture.views.depths[0].max() == 0.0
    assert (capture.views.depths[1] > 0).sum() == 24 * 40 - 40
    columns = [np.full(len(capture.points), -1) for _ in range(2)]
    for n in range(2):
        which, at, _ = on_image(capture.points - [0, 1e-6, 0], capture.views.cameras, n)
        columns[n][which] = at[:, 1]
    both = (columns[0] >= 0) & (columns[1] >= 0)
    assert (columns[1] - columns[0])[both].tolist() == [4] * int(both.sum())
    np.testing.assert_allclose(capture.rivals[WARPED][0][:, :36], capture.views.images[0][:, :36])


def test_near_pixels_hide_far_ones_and_gaps_take_the_far_neighbour():
    left = np.zeros((1, 6, 3), np.float32)
    left[0, :, 0] = np.arange(6)
    disparities = np.array([[1.0, 1, 1, 3, 1, 1]])
    seen = warped(left, disparities)[0, :, 0]
    assert seen.tolist() == [3, 2, 2, 4, 5, 5]  # 0 leaves, 3 hides 1, the gap takes a neighbour
    known = np.array([[0.0, 5, 0, 2, 0]])
    assert filled_rows(known).tolist() == [[5, 5, 2, 2, 2]]


@pytest.mark.parametrize(
    ("text", "told"),
    [("{}", "camera_data_"), ('{"camera_data_": []}', "image_raw_stereo_front_left_rect: missing")],
)
def test_broken_pairs_are_refused(text, told, tmp_path):
    with pytest.raises(DataError, match=told):
        read_stereo_pair(write(tmp_path / "pair", text))
    (tmp_path / "pair" / "prediction_1_disparity_1.png").unlink()
    with pytest.raises(DataError, match="expected disparities"):
        read_stereo_pair(tmp_path / "pair")
    with pytest.raises(DataError, match="holds 0 files"):
        read_stereo_pair(tmp_path)
