"""Scenes of one moment: golden pictures of moving actors, colours that turn, lamps, times."""

from __future__ import annotations

from dataclasses import replace

import golden_splats as golden
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivelab.kernels.splat import Cameras, Gaussians, render
from drivelab.kernels.splat.harmonics import basis
from drivelab.sim.splats.compose import compose, join, moment_at, place, quaternion
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor, Lamp, Moment, Splats, SplatScene
from drivelab.sim.splats.sh_rotation import rotate_sh, turn_matrices

CASE = golden.load("dynamic")
SIZE = (4.0, 2.0, 1.5)


def stored(prefix: str) -> Splats:
    gaussians = Gaussians(*(CASE[f"{prefix}_{name}"] for name in golden.FIELDS))
    return Splats(gaussians, np.zeros(len(gaussians), np.uint8))


@pytest.fixture(scope="module")
def scene() -> SplatScene:
    poses = CASE["actor_poses"]
    return SplatScene(
        "dynamic",
        stored("bg"),
        actors={
            name: Actor(name, "vehicle", SIZE, stored(name), poses[:, n])
            for n, name in enumerate(("actor0", "actor1"))
        },
        times=np.array([0.0, 0.5, 1.0]),
    )


@pytest.mark.parametrize("frame", range(3))
@pytest.mark.parametrize(("colours", "name"), [("scene", "world"), ("actor", "object")])
def test_golden_dynamic(scene, frame, colours, name):
    width, height = (int(n) for n in CASE["size"])
    cameras = Cameras(CASE["viewmat"][None], CASE["K"][None], width, height)
    moment = moment_at(scene, scene.times[frame])
    gaussians = compose(scene, moment, colours=colours).gaussians
    found = render(gaussians, cameras, settings=golden.settings_of(CASE))
    alpha = found.alpha[0]
    rgb = found.rgb[0] + (1 - alpha[..., None]) * CASE["sky_rgb"]
    wanted = CASE[f"rgb_dirs_{name}"][frame]
    brightest = max(1.0, float(wanted.max()))
    for ours, theirs, near, flip in (
        (rgb, wanted, 1e-5, brightest / 255),
        (alpha, CASE["alpha"][frame], 1e-5, 1 / 255),
        (found.depth_sum[0], CASE["depth_sum"][frame], 1e-4 * CASE["depth_sum"].max(), None),
    ):
        off = np.abs(ours - theirs)
        assert (off > near).mean() <= 1e-3
        assert flip is None or off.max() <= flip


def test_the_golden_pictures_tell_the_two_apart():
    assert np.abs(CASE["rgb_dirs_world"] - CASE["rgb_dirs_object"]).max() > 0.05


def turned(quat: np.ndarray) -> np.ndarray:
    w, x, y, z = quat / np.linalg.norm(quat)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


@given(seed=st.integers(0, 2**32 - 1), rank=st.sampled_from([1, 4, 9, 16]))
def test_turned_colours_are_seen_along_turned_directions(seed, rank):
    draw = np.random.default_rng(seed)
    rotation, degree = turned(draw.normal(size=4)), int(rank**0.5) - 1
    sh = draw.normal(size=(3, rank, 3)).astype(np.float32)
    directions = draw.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    before = np.einsum("kd,nkc->ndc", basis(*directions.T, degree), sh)
    after = np.einsum(
        "kd,nkc->ndc", basis(*(directions @ rotation.T).T, degree), rotate_sh(sh, rotation)
    )
    np.testing.assert_allclose(after, before, atol=2e-5)


def test_turn_matrices_are_orthogonal():
    """And turns in a row multiply: the least squares have an exact solution."""
    one, two = turned(np.array([1.0, 2, 3, 4])), turned(np.array([-1.0, 0.5, 0, 2]))
    for a, b, ab in zip(*(turn_matrices(r, 3) for r in (one, two, one @ two)), strict=True):
        np.testing.assert_allclose(a @ b, ab, atol=1e-12)
        np.testing.assert_allclose(a @ a.T, np.eye(len(a)), atol=1e-12)


@given(quat=st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 1e-3))
def test_quaternion(quat):
    np.testing.assert_allclose(turned(quaternion(turned(np.array(quat)))), turned(np.array(quat)),
                               atol=1e-9)  # fmt: skip


def test_a_place_and_back(scene):
    pose = CASE["actor_poses"][1, 0]
    car = scene.actors["actor0"].splats
    back = place(place(car, pose, turn_colours=True), np.linalg.inv(pose), turn_colours=True)
    np.testing.assert_allclose(back.gaussians.means, car.gaussians.means, atol=1e-5)
    np.testing.assert_allclose(back.gaussians.sh, car.gaussians.sh, atol=1e-5)


def test_who_is_there(scene):
    base = len(scene.static)
    assert len(compose(scene, Moment())) == base
    assert len(compose(scene, Moment({"nobody": np.eye(4)}))) == base
    assert len(compose(scene, moment_at(scene, 0.4))) == base + 600
    absent = replace(scene.actors["actor1"], valid=np.array([True, False, True]))
    driven = replace(scene.actors["actor0"], poses=None)
    other = replace(scene, actors={"actor0": driven, "actor1": absent})
    assert set(moment_at(other, 0.0).poses) == {"actor1"}
    assert not moment_at(other, 0.3).poses
    assert not moment_at(replace(scene, times=np.zeros(0)), 0.0).poses


def test_a_lamp_is_lit_in_its_phase(scene):
    def labelled(name: str) -> Splats:
        return replace(scene.static, labels=np.full(len(scene.static), NUMBER[name], np.uint8))

    dark, lit = labelled("pole"), labelled("traffic_light")
    light = replace(scene, lamps=(Lamp(("a", "b"), "red", dark, lit),))
    for signals, wanted in (({"b": "red"}, lit), ({"b": "green"}, dark), ({}, dark)):
        found = compose(light, Moment({}, signals))
        assert found.labels[-1] == wanted.labels[-1]


def test_joined_colours_of_different_degree(scene):
    flat = replace(scene.static.gaussians, sh=scene.static.gaussians.sh[:, :1])
    found = join([replace(scene.static, gaussians=flat), scene.static])
    assert found.gaussians.sh.shape[1] == 16
    assert not found.gaussians.sh[0, 1:].any()


def test_no_such_colours(scene):
    with pytest.raises(ValueError, match="colours='world'; expected scene or actor"):
        compose(scene, Moment(), colours="world")
