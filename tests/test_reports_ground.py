"""Plans on the ground of camera pictures: where points land, what is cut off, how they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest
from reports_scenes import straight_scene

from drivelab.errors import DataError
from drivelab.reports.camera_strip import WIDEST, camera_strip, left_to_right
from drivelab.reports.camera_view import plan_view
from drivelab.reports.ground_paint import OnGround, on_ground, paint_ground, ribbon
from drivelab.reports.ground_view import NEAR, ground_view
from drivelab.types import CameraFrame

HEIGHT, FOCAL, CENTRE = 1.5, 100.0, (100.0, 60.0)
LENS = (-0.3561, 0.1725, -0.00021, 0.00046, -0.0523)  # folds back about 51 deg off its axis
AHEAD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # columns: right, down, forward


def camera(yaw: float = 0.0, *, distortion=(0.0,) * 5, colour=(90, 90, 90), size=(120, 200)):
    """A level camera above the ego's origin that looks `yaw` [rad] to the left."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    return CameraFrame(
        np.full((*size, 3), colour, np.uint8),
        turn @ AHEAD,
        np.array([0.0, 0.0, HEIGHT]),
        np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1.0]]),
        np.array(distortion, float),
    )


def test_points_ahead_land_where_similar_triangles_say() -> None:
    (line,) = ground_view(camera()).lines(np.array([[10.0, 0.0], [20.0, 0.0], [20.0, 4.0]]))
    expected = [(100.0, 60 + 15.0), (100.0, 60 + 7.5), (100 - 20.0, 60 + 7.5)]
    np.testing.assert_allclose(line, expected, atol=1e-9)


def test_a_turned_camera_sees_what_lies_to_the_left_in_its_middle() -> None:
    (line,) = ground_view(camera(np.pi / 2)).lines(np.array([[0.0, 10.0], [1.0, 10.0]]))
    np.testing.assert_allclose(line, [(100.0, 75.0), (110.0, 75.0)], atol=1e-9)


def test_what_is_behind_is_cut_off() -> None:
    view = ground_view(camera())
    assert view.lines(np.array([[-20.0, 0.0], [-5.0, 1.0]])) == []
    assert view.area(np.array([[-9.0, 1], [-1, 1], [-1, -1], [-9, -1]])).shape == (0, 2)
    (line,) = view.lines(np.array([[-50.0, 0.0], [10.0, 0.0]]))
    np.testing.assert_allclose(line[-1], (100.0, 75.0), atol=1e-9)
    assert line[0, 0] == pytest.approx(100.0)
    assert 120.0 <= line[0, 1] <= 123.0  # at the lower border, not beyond the horizon


def test_nothing_nearer_than_the_near_plane_is_drawn() -> None:
    low = replace(
        camera(),
        ego_from_cam_rotation=np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]]),  # straight down
        ego_from_cam_translation=np.array([0.0, 0.0, 0.9 * NEAR]),
    )
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    assert len(ground_view(low).area(square)) == 0
    high = replace(low, ego_from_cam_translation=np.array([0.0, 0.0, 1.1 * NEAR]))
    assert len(ground_view(high).area(square)) == 4


def test_an_area_is_cut_to_the_picture() -> None:
    pixels = ground_view(camera()).area(np.array([[-90.0, -90], [90, -90], [90, 90], [-90, 90]]))
    low, high = pixels.min(0), pixels.max(0)
    assert (np.abs(low - [0.0, 60 + 150 / 90]) <= 2.5).all()
    assert (np.abs(high - [200.0, 120.0]) <= 2.5).all()


def test_a_small_area_keeps_its_corners() -> None:
    pixels = ground_view(camera()).area(np.array([[10.0, 1], [20, 1], [20, -1], [10, -1]]))
    expected = {(90.0, 75.0), (95.0, 67.5), (105.0, 67.5), (110.0, 75.0)}
    assert {tuple(np.round(point, 6)) for point in pixels} == expected


def test_a_lens_bends_points_by_its_polynomial() -> None:
    k1, k2 = -0.2, 0.05
    view = ground_view(camera(distortion=(k1, k2, 0, 0, 0)))
    (line,) = view.lines(np.array([[5.0, 0.0], [5.0, 2.0]]))
    x, y = -2 / 5, HEIGHT / 5
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2 * r2
    np.testing.assert_allclose(line[-1], (100 + 100 * x * radial, 60 + 100 * y * radial))
    straight = line[0] + np.linspace(0, 1, len(line))[:, None] * (line[-1] - line[0])
    assert len(line) > 4
    assert np.abs(line - straight).max() > 0.2  # it bends on the way


def test_a_lens_does_not_fold_what_is_outside_into_the_picture() -> None:
    from drivelab.sim.sensors.lens import bend

    long = np.array([[160.0, 0, 100], [0, 160, 60], [0, 0, 1]])
    frame = replace(camera(distortion=LENS), intrinsic=long)
    away = np.array([6.0, -9.9])  # 59 deg to the right of the axis
    x, y = -away[1] / away[0], HEIGHT / away[0]
    folded = 160 * bend(np.array([x, y]), frame.distortion) + CENTRE
    assert 0 < folded[0] < 200  # the bare polynomial would put it into the picture
    assert 0 < folded[1] < 120
    assert ground_view(frame).lines(np.stack([away, 2 * away])) == []


def test_a_lens_that_folds_its_picture_leaves_it_as_it_is() -> None:
    frame = camera(distortion=(-3.0, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="folds"):
        ground_view(frame)
    ground = OnGround(np.array([[20.0, 0, 0]]), 2.0, np.zeros((1, 2)))
    np.testing.assert_array_equal(np.asarray(paint_ground(frame, ground, 120)), frame.image)


def test_the_ribbon_is_as_wide_as_the_vehicle_and_turns_with_it() -> None:
    plan = np.array([[4.0, 0.0, 0.0], [8.0, 0.0, np.pi / 2]])
    pieces, along = ribbon(plan, 2.0, step=0.5)
    assert pieces.shape == (16, 4, 2)
    np.testing.assert_allclose(np.hypot(*(pieces[:, 0] - pieces[:, 3]).T), 2.0)
    np.testing.assert_allclose(pieces[0], [[0, 1], [0.5, 1], [0.5, -1], [0, -1]])
    np.testing.assert_allclose(pieces[-1, 1:3], [[7, 0], [9, 0]], atol=1e-12)
    np.testing.assert_allclose(pieces[1:, 0], pieces[:-1, 1])  # no gaps
    np.testing.assert_allclose(along, 0.25 + 0.5 * np.arange(16))


def test_the_ribbon_lies_ahead_and_fades() -> None:
    ground = OnGround(np.array([[60.0, 0.0, 0.0]]), 2.0, np.zeros((1, 2)))
    bare = np.asarray(paint_ground(camera(), None, 120)).astype(int)
    drawn = np.asarray(paint_ground(camera(), ground, 120)).astype(int)
    changed = np.abs(drawn - bare).sum(-1)
    assert not changed[:60].any()  # nothing above the horizon
    assert changed[110, 100] > changed[70, 100] > 0
    assert not changed[110, :50].any()  # 2 m wide, 3 m away: 33 px to each side
    side = np.asarray(paint_ground(camera(np.pi / 2), ground, 120)).astype(int)
    assert np.abs(side - bare).sum() < np.abs(drawn - bare).sum() / 10


def test_the_recorded_drive_reaches_as_far_as_the_plan() -> None:
    scene = straight_scene(speed=8.0)  # recorded for 4 s more
    np.testing.assert_allclose(on_ground(scene, None, 2.0).driven[-1], [16.0, 0.0])
    np.testing.assert_allclose(on_ground(scene, None, 9.0).driven[-1], [32.0, 0.0])
    assert on_ground(scene, None, 2.0).width == scene.vehicle.width


YAWS = {"left": 55, "front": 0, "right": -55, "back_left": 140, "back": 180, "back_right": -140}
ORDER = ("back_left", "left", "front", "right", "back_right", "back")


@dataclass(frozen=True)
class Colours:
    """A camera a colour; satisfies `SensorData`."""

    frames: dict

    has_lidar = False

    @property
    def cameras(self):
        return tuple(self.frames)

    def camera(self, name, frame):
        if self.frames[name] is None:
            raise DataError("the picture is missing", file="a.jpg")
        return self.frames[name]


def test_cameras_stand_from_left_to_right_whatever_they_are_called() -> None:
    frames = {name: camera(np.radians(yaw)) for name, yaw in YAWS.items()}
    for names in list(permutations(frames))[::37]:
        assert left_to_right({name: frames[name] for name in names}) == ORDER


def test_pictures_are_stitched_in_that_order() -> None:
    red, green, blue = (220, 20, 20), (20, 220, 20), (20, 20, 220)
    frames = {
        "right": camera(np.radians(-55), colour=blue),
        "front": camera(colour=green, size=(240, 400)),
        "left": camera(np.radians(55), colour=red),
    }
    scene = replace(straight_scene(), sensors=Colours(frames))
    strip = camera_strip(scene, ["front", "right", "left"], on_ground(scene, None, 4.0))
    assert strip.size == (400 * 3 + 2 * 4, 240)
    for third, colour in enumerate((red, green, blue)):
        assert strip.getpixel((404 * third + 200, 40)) == colour
    many = {f"{name}{k}": frames[name] for name in frames for k in range(2)}
    scene = replace(scene, sensors=Colours(many))
    strip = camera_strip(scene, list(many), on_ground(scene, None, 4.0))
    assert strip.width <= WIDEST
    assert [strip.getpixel((30 + 404 * k, row)) for row in (40, 290) for k in range(3)] == [
        red, red, green, green, blue, blue,
    ]  # fmt: skip


def test_only_cameras_that_are_there_are_shown_and_a_lost_picture_is_told() -> None:
    bare = straight_scene()
    plan = np.array([[10.0, 0.0, 0.0]])
    assert plan_view(bare, ("front",), plan, 4.0) is None
    scene = replace(bare, sensors=Colours({"front": camera(), "lost": None}))
    assert plan_view(scene, (), plan, 4.0) is None
    shown = plan_view(scene, ("front", "rear"), plan, 4.0)
    assert shown is not None
    assert 'alt="what the agent saw: front"' in shown
    with pytest.raises(DataError, match="missing"):
        plan_view(scene, ("front", "lost"), plan, 4.0)
