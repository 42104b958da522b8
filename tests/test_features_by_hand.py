"""Features and targets small enough to be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivelab.agents.features import (
    FULL,
    MINI,
    CameraOptions,
    FeatureOptions,
    LidarOptions,
    SemanticOptions,
    compact_features,
    expand,
    features_of,
    rig_of,
    targets_of,
)
from drivelab.agents.features.camera import camera_feature, shrunk
from drivelab.agents.features.lidar import lidar_feature
from drivelab.agents.features.raster import fill_polygon, thick_lines
from drivelab.agents.features.road_users import agent_targets
from drivelab.agents.features.semantic import SemanticClass, paint, to_pixels
from drivelab.agents.features.status import ego_mlp_status, status_feature
from drivelab.data.labmini import LabminiSource
from drivelab.errors import ConfigError, DataError
from drivelab.geometry.poses import compose
from drivelab.types import CameraFrame, Command, Observation, Scene

SMALL = CameraOptions(width=8, height=6, rows=1, columns=2, ratio=4)  # 4 x 16 px side by side
NAMES = SMALL.names


def frame(image: np.ndarray) -> CameraFrame:
    return CameraFrame(image, np.eye(3), np.zeros(3), np.eye(3), np.zeros(5))


def seen(**changes: object) -> Observation:
    plain = Observation(
        "s", 0, Command.LEFT, np.zeros(1), np.zeros((1, 3)), np.array([[5.0, 0.5]]),
        np.array([[1.0, -0.5]]),
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return LabminiSource().load("four_way-028-0")


def test_published_sizes() -> None:
    assert FULL.camera.size == (256, 1024)
    assert MINI.camera.size == (128, 512)
    assert rig_of(FULL).cameras == NAMES
    assert rig_of(FULL).lidar
    assert not rig_of(FeatureOptions(camera=None, lidar=None)).cameras


def test_a_pixel_is_the_mean_of_four_rounded_half_up() -> None:
    image = np.zeros((4, 4, 1), np.uint8)
    image[1:3, 1:3, 0] = [[1, 2], [3, 4]]  # their mean is 2.5
    image[0, 0] = 255  # outside of the middle: not looked at
    assert shrunk(image, 4).tolist() == [[[3]]]
    assert shrunk(image[1:3, 1:3], 2).tolist() == [[[3]]]
    assert shrunk(image, 1) is image


def test_left_front_and_right_stand_side_by_side_without_their_borders() -> None:
    images = {}
    for level, name in zip((10, 20, 30), NAMES, strict=True):
        image = np.full((6, 8, 3), level, np.uint8)
        image[[0, -1]] = 255  # the row cut off at the top and at the bottom
        if name != "CAM_F0":
            image[:, [0, 1, -2, -1]] = 255
        images[name] = [frame(np.zeros_like(image)), frame(image)]  # only the present counts
    feature = camera_feature(images, SMALL)
    assert feature.tolist() == [[[10, 20, 20, 30]]] * 3


def test_cells_of_the_histogram() -> None:
    options = LidarOptions(reach=2.0, cells=4)
    points = np.array(
        [
            [-2.0, -2.0, 1.0], [2.0, 2.0, 1.0],  # both outer edges count
            [0.0, -0.5, 1.0], [-1e-12, 0.0, 1.0],  # a lower edge belongs to its cell
            [2.000001, 0.0, 1.0], [0.0, -2.1, 1.0], [np.nan, 0.0, 1.0],  # beyond
            [0.5, 0.5, 0.2], [0.5, 0.5, 100.0], [0.5, 0.5, np.nan],  # ground, sky, broken
        ]
        + [[1.5, -1.5, 3.0]] * 7
    )  # fmt: skip
    wanted = np.zeros((4, 4), int)
    wanted[0, 0] = wanted[3, 3] = wanted[2, 1] = wanted[1, 2] = 1
    wanted[3, 0] = 5
    feature = lidar_feature([points[:1], points], options)
    assert feature.tolist() == [wanted.tolist()]
    both = lidar_feature([points], replace(options, ground=True))
    ground = np.zeros((4, 4), int)
    ground[2, 2] = 1
    assert both.tolist() == [ground.tolist(), wanted.tolist()]


def test_bytes_grow_to_shares() -> None:
    arrays = {"camera_feature": np.array([0, 255], np.uint8), "status_feature": np.ones(8)}
    arrays["lidar_feature"] = np.array([0, 1, 5], np.uint8)
    full = expand(arrays)
    assert full["camera_feature"].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(full["lidar_feature"], np.float32([0, 0.2, 1]))
    assert full["status_feature"] is arrays["status_feature"]
    assert full["lidar_feature"].dtype == full["camera_feature"].dtype == np.float32


def test_status_and_its_other_order() -> None:
    status = status_feature(seen())
    assert status.tolist() == [1, 0, 0, 0, 5, 0.5, 1, -0.5]
    assert ego_mlp_status(status).tolist() == [5, 0.5, 1, -0.5, 1, 0, 0, 0]
    assert status_feature(seen(command=Command.UNKNOWN))[:4].tolist() == [0, 0, 0, 1]


def test_vehicles_by_distance_within_the_square() -> None:
    boxes = np.array(
        [[30, 0, 0, 4, 2], [3, 4, 1, 5, 2], [32, -32, 0, 4, 2], [32.1, 0, 0, 4, 2], [1, 0, 0, 1, 1]]
    ).astype(float)
    kinds = ("vehicle", "vehicle", "vehicle", "vehicle", "pedestrian")
    states, labels = agent_targets(boxes, kinds, most=4)
    assert labels.tolist() == [True, True, True, False]
    assert states[:, 0].tolist() == [3, 30, 32, 0]
    assert agent_targets(boxes, kinds, most=1)[0].tolist() == [[3, 4, 1, 5, 2]]
    assert not agent_targets(boxes[:0], ())[1].any()


def test_polygons_cover_their_outline_and_what_is_inside() -> None:
    mask = np.zeros((5, 6), bool)
    fill_polygon(mask, np.array([[1, 1], [4, 1], [4, 3], [1, 3]]))
    wanted = np.zeros_like(mask)
    wanted[1:4, 1:5] = True
    np.testing.assert_array_equal(mask, wanted)
    beyond = np.zeros((5, 6), bool)
    fill_polygon(beyond, np.array([[-9, -9], [20, -9], [20, 20], [-9, 20]]))
    assert beyond.all()
    fill_polygon(mask, np.array([[-9, -9], [-5, -9], [-5, -5]]))
    np.testing.assert_array_equal(mask, wanted)


def test_a_line_of_two_pixels_is_three_wide_and_round() -> None:
    mask = np.zeros((7, 9), bool)
    thick_lines(mask, np.array([[2, 3], [6, 3]]), 2)
    assert mask.astype(int).tolist() == [
        [0] * 9, [0] * 9, [0, 0, 1, 1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 1, 1, 0, 0], [0] * 9, [0] * 9,
    ]  # fmt: skip
    thin = np.zeros((3, 5), bool)
    thick_lines(thin, np.array([[0, 1], [3, 1], [3, 1]]), 1)
    assert np.argwhere(thin).tolist() == [[1, 0], [1, 1], [1, 2], [1, 3]]


def test_pixels_are_cut_towards_zero_about_the_ego() -> None:
    options = SemanticOptions()
    points = np.array([[-0.2, 0.0], [0.3, -0.1], [31.99, 31.9], [0.0, -32.0]])
    assert to_pixels(points, options).tolist() == [[0, 128], [1, 127], [127, 255], [0, 0]]


def test_later_classes_cover_earlier_ones() -> None:
    options = SemanticOptions(rows=16, columns=32, pixel=1.0)
    square = np.array([[2.0, -6.0], [12.0, -6.0], [12.0, 6.0], [2.0, 6.0]])
    walkway = square + np.array([0.0, 9.0])
    line = np.array([[2.0, 0.0], [12.0, 0.0]])
    boxes = np.array([[6.0, 0.0, 0.0, 2.0, 2.0], [7.0, 0.0, 0.0, 2.0, 2.0], [9.0, -3.0, 0, 0, 0]])
    kinds = ("traffic_cone", "vehicle", "pedestrian")
    raster = paint(([square], [walkway], [line]), boxes, kinds, options)
    assert raster.shape == (16, 32)
    at = {(0, 0): 0, (3, 11): 1, (3, 20): 2, (3, 16): 3, (5, 16): 4, (7, 16): 5, (9, 13): 6}
    assert {place: int(raster[place]) for place in at} == at
    assert raster.max() == max(SemanticClass)


def test_targets_of_a_scene_are_in_its_present_ego_frame(scene: Scene) -> None:
    targets = targets_of(scene)
    trajectory = targets["trajectory"].astype(float)
    back = compose(scene.ego.poses[scene.now], trajectory)
    wanted = scene.ego.poses[scene.now + 1 : scene.now + 9]
    np.testing.assert_allclose(back[:, :2], wanted[:, :2], atol=1e-4)
    assert targets["agent_states"].shape == (30, 5)
    assert targets["agent_labels"].shape == (30,)
    raster = targets["bev_semantic_map"]
    assert raster.shape == (128, 256)
    assert raster[0, 128] in (1, 3)  # the ego is on a road
    nearest = targets["agent_states"][0]
    column, row = to_pixels(nearest[None, :2], FULL.semantic)[0]
    if 0 <= column < 128 and 0 <= row < 256:
        assert raster[column, row] == SemanticClass.VEHICLE


def test_a_record_that_ends_too_early_is_told(scene: Scene) -> None:
    with pytest.raises(DataError, match=r"no recorded pose at 0\.5 s .*leave the scene out"):
        targets_of(scene.without_future())


GOOD = {name: [frame(np.zeros((6, 8, 3), np.uint8))] for name in NAMES}
ECHO = [np.ones((3, 6), np.float32)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": {}}, "no picture of camera CAM_L0; there are: none.*choose a bench or a rig"),
        ({"images": {**GOOD, "CAM_R0": []}}, "no picture of camera CAM_R0"),
        (
            {"images": {**GOOD, "CAM_F0": [frame(np.zeros((7, 8, 3), np.uint8))]}},
            "CAM_F0 delivers 8 x 7 px of uint8.*expect 8 x 6 px.*Choose the rig",
        ),
        (
            {"images": {**GOOD, "CAM_F0": [frame(np.zeros((6, 8, 3)))]}},
            "CAM_F0 delivers 8 x 6 px of float64",
        ),
        ({"lidar": ()}, "no lidar sweep"),
        ({"lidar": [np.zeros((0, 6))]}, "the lidar sweep is empty; look at"),
        ({"lidar": [np.zeros((6, 2))]}, r"of shape \(6, 2\)"),
        ({"ego_velocities": np.array([[np.nan, 0.0]])}, "not finite: vx is nan. Repair the log"),
        ({"ego_accelerations": np.array([[0.0, np.inf]])}, "ay is inf"),
        ({"command": 7}, "command 7: expected one of 0 left, 1 straight"),
    ],
)
def test_bad_input_is_told_with_what_to_do(changes: dict[str, object], said: str) -> None:
    options = FeatureOptions(camera=SMALL)
    good = {"images": GOOD, "lidar": ECHO}
    assert set(features_of(seen(**good), options)) == {
        "camera_feature", "lidar_feature", "status_feature",
    }  # fmt: skip
    with pytest.raises(DataError, match=said) as told:
        compact_features(seen(**{**good, **changes}), options)
    assert "scene s" in str(told.value)


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="ratio=3"):
        CameraOptions(ratio=3)
    with pytest.raises(ConfigError, match="no multiple"):
        CameraOptions(width=9, height=6, rows=1, columns=2, ratio=4)
    with pytest.raises(ConfigError, match="nothing is left"):
        CameraOptions(width=8, height=6, rows=3, columns=2)
    with pytest.raises(ConfigError, match="cells=0"):
        LidarOptions(cells=0)
