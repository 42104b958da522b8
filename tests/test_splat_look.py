"""Pictures of a world: fog by hand, the sky by direction and lens, rain by frame."""

from dataclasses import replace

import numpy as np
import pytest

from drivelab.kernels.splat import Cameras, Gaussians
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.look import look
from drivelab.sim.splats.scene import Air, Sky, Splats, SplatScene

LENS = np.array([[[20.0, 0, 10], [0, 20, 10], [0, 0, 1]]])
AHEAD = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])[None]  # along +x


def wall(distance: float, opacity: float) -> Splats:
    """White, square to the x axis, as wide as a house; it covers at most 0.999."""
    gaussians = Gaussians(
        np.array([[distance, 0, 0]], np.float32), np.array([[1, 0, 0, 0]], np.float32),
        np.array([[0.01, 500, 500]], np.float32), np.array([opacity], np.float32),
        np.full((1, 1, 3), 0.5 / 0.28209479177387814, np.float32),
    )  # fmt: skip
    return Splats(gaussians, np.array([NUMBER["building"]], np.uint8))


def sky() -> Sky:
    """A colour for each face."""
    faces = np.zeros((6, 4, 4, 3), np.float32)
    faces[0], faces[2], faces[3], faces[4], faces[5] = (1, 0, 0), (0, 1, 0), (0, 0, 1), 0.5, 0.2
    return Sky(faces)


def seen(scene: SplatScene, model: str = "pinhole", frame: int = 0) -> np.ndarray:
    cameras = Cameras(AHEAD, LENS, 20, 20, model)
    return look(scene, scene.static, cameras, frame=frame).images[0]


def test_fog_takes_light_by_distance_and_gives_its_own():
    air = Air(fog=0.05, fog_colour=(0.2, 0.4, 0.6), exposure=0.5)
    scene = SplatScene("wall", wall(10.0, 1.0), air=air)
    picture = seen(scene)
    for row, column in ((10, 10), (2, 17)):
        x, y = (column + 0.5 - 10) / 20, (row + 0.5 - 10) / 20
        passed = np.exp(-0.05 * 10.0 * np.sqrt(1 + x * x + y * y))
        wanted = 0.5 * 0.999 * (passed + (1 - passed) * np.array([0.2, 0.4, 0.6]))
        np.testing.assert_allclose(picture[row, column], wanted, atol=2e-3)


def test_the_sky_shows_through_what_is_left_free():
    half = SplatScene("half", wall(10.0, 0.5), sky=sky())
    np.testing.assert_allclose(seen(half)[10, 10], [1.0, 0.5, 0.5], atol=2e-3)


@pytest.mark.parametrize(
    ("model", "focal", "place", "colour"),
    [
        ("pinhole", 20.0, (10, 10), (1, 0, 0)),
        ("pinhole", 4.0, (10, 1), (0, 1, 0)),  # 65 degrees to the left
        ("fisheye", 6.0, (10, 1), (0, 1, 0)),  # 1.42 rad to the left
        ("fisheye", 4.0, (10, 18), (0, 0, 1)),  # 2.13 rad to the right
        ("fisheye", 6.0, (18, 10), (0.2, 0.2, 0.2)),
        ("ortho", 1.0, (10, 1), (1, 0, 0)),  # all rays are parallel
    ],
)
def test_each_lens_sees_the_sky_where_its_rays_go(model, focal, place, colour):
    lens = LENS.copy()
    lens[0, [0, 1], [0, 1]] = focal
    scene = SplatScene("sky", wall(-10.0, 1.0), sky=sky())
    picture = look(scene, scene.static, Cameras(AHEAD, lens, 20, 20, model)).images[0]
    np.testing.assert_allclose(picture[place], colour, atol=1e-3)


def test_depths_and_labels_know_the_sky():
    scene = SplatScene("behind", wall(-10.0, 1.0), sky=sky())
    found = look(scene, scene.static, Cameras(AHEAD, LENS, 20, 20), show=("depths", "labels"))
    assert np.isinf(found.depths).all()
    assert (found.labels == NUMBER["sky"]).all()
    scene = replace(scene, static=wall(7.0, 0.9))
    found = look(scene, scene.static, Cameras(AHEAD, LENS, 20, 20), show=("depths", "labels"))
    np.testing.assert_allclose(found.depths, 7.0, rtol=1e-5)
    assert (found.labels == NUMBER["building"]).all()


def test_rain_falls_anew_in_every_frame_and_alike_in_the_same():
    scene = SplatScene("rain", wall(10.0, 1.0), air=Air(rain=1.0, exposure=0.1))
    lens = LENS * [[[8, 1, 8], [1, 8, 8], [1, 1, 1]]]
    cameras = Cameras(AHEAD, lens, 160, 160)
    one, same, other = (look(scene, scene.static, cameras, frame=n).images for n in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert 0.002 < (one[0, ..., 0] > 0.15).mean() < 0.3


def test_what_is_not_there_to_be_shown_is_refused():
    scene = SplatScene("wall", wall(10.0, 1.0))
    with pytest.raises(ValueError, match="normals"):
        look(scene, scene.static, Cameras(AHEAD, LENS, 20, 20), show=("normals",))
