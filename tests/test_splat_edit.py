"""Edited scenes: actors in, out, exchanged and painted; cropping; merging what is far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.errors import ConfigError
from drivelab.kernels.splat import Cameras, Gaussians, render
from drivelab.kernels.splat.harmonics import C0
from drivelab.sim.splats.edit import (
    crop,
    crop_scene,
    insert_actor,
    painted,
    recolour,
    recolour_actor,
    remove_actor,
    replace_actor,
)
from drivelab.sim.splats.merge import covariances, mass, merge, merge_far, quaternions
from drivelab.sim.splats.scene import Actor, Lamp, Splats, SplatScene

GREEN, RED = (0.1, 0.6, 0.2), (0.8, 0.1, 0.1)


def splats(count: int, seed: int = 0, reach: float = 10.0, rank: int = 4) -> Splats:
    draw = np.random.default_rng(seed)
    gaussians = Gaussians(
        draw.uniform(-reach, reach, (count, 3)).astype(np.float32),
        draw.normal(size=(count, 4)).astype(np.float32),
        draw.uniform(0.01, 0.3, (count, 3)).astype(np.float32),
        draw.uniform(0.05, 0.9, count).astype(np.float32),
        draw.normal(0, 0.2, (count, rank, 3)).astype(np.float32),
    )
    return Splats(gaussians, draw.integers(0, 4, count).astype(np.uint8))


def coloured(colours: np.ndarray) -> Splats:
    found = splats(len(colours), rank=1)
    sh = ((np.asarray(colours) - 0.5) / C0)[:, None].astype(np.float32)
    return replace(found, gaussians=replace(found.gaussians, sh=sh))


def rgb(found: Splats) -> np.ndarray:
    return 0.5 + C0 * found.gaussians.sh[:, 0]


def car(name: str = "car", **more) -> Actor:
    return Actor(name, "vehicle", (4.5, 1.9, 1.5), splats(9), **more)


@pytest.fixture
def scene() -> SplatScene:
    poses = np.tile(np.eye(4), (2, 1, 1))
    return SplatScene("s", splats(20), actors={"car": car(poses=poses)}, times=np.array([0.0, 1]))


def test_actors_in_and_out(scene):
    more = insert_actor(scene, car("van"))
    assert list(more.actors) == ["car", "van"]
    assert list(scene.actors) == ["car"], "the first scene stays as it was"
    assert more.static is scene.static
    assert list(remove_actor(more, "car").actors) == ["van"]


def test_an_actor_looks_like_another(scene):
    walker = Actor("w", "pedestrian", (0.5, 0.5, 1.8), splats(3))
    found = replace_actor(scene, "car", walker).actors["car"]
    assert (found.id, found.kind, found.size) == ("car", "pedestrian", (0.5, 0.5, 1.8))
    assert found.splats is walker.splats
    assert found.poses is scene.actors["car"].poses


def test_refused_edits(scene):
    with pytest.raises(ConfigError, match="has an actor 'car' already"):
        insert_actor(scene, car())
    with pytest.raises(ConfigError, match="'van' has 5 poses; expected 2"):
        insert_actor(scene, car("van", poses=np.tile(np.eye(4), (5, 1, 1))))
    with pytest.raises(ConfigError, match=r"no actor 'cat'; did you mean 'car'\? \(it has: car\)"):
        remove_actor(scene, "cat")
    with pytest.raises(ValueError, match="expected replace or multiply"):
        recolour(splats(3), RED, mode="mix")
    with pytest.raises(ValueError, match=r"expected red, green, blue in 0\.\.1"):
        recolour(splats(3), (255.0, 0.0, 0.0))
    with pytest.raises(ValueError, match=r"cell=0\.0; expected metres above 0"):
        merge_far(splats(3), np.zeros((1, 2)), 1.0, 0.0)


def test_paint_keeps_shade_and_spares_the_rest():
    """A green body in light and shade, black tyres, one red lamp becomes a blue body."""
    shade = np.array([0.4, 0.7, 1.0, 1.0, 1.3])
    body = shade[:, None] * GREEN
    found = coloured(np.concatenate([body, [[0.02, 0.02, 0.02], [0.9, 0.05, 0.05]]]))
    np.testing.assert_array_equal(painted(found), [1, 1, 1, 1, 1, 0, 0])
    blue = np.array([0.1, 0.2, 0.7])
    after = rgb(recolour(found, tuple(blue)))
    np.testing.assert_allclose(after[:5], shade[:, None] * blue, atol=1e-5)
    np.testing.assert_array_equal(after[5:], rgb(found)[5:])


def test_paint_by_factors():
    found = coloured(np.array([[0.8, 0.6, 0.4], [0.4, 0.3, 0.2]]))
    after = rgb(recolour(found, (0.5, 1.0, 0.0), mode="multiply"))
    np.testing.assert_allclose(after, [[0.4, 0.6, 0], [0.2, 0.3, 0]], atol=1e-6)


def test_paint_of_chosen_ones_and_of_nothing(scene):
    found = splats(6)
    which = np.arange(6) < 2
    after = recolour(found, RED, which=which).gaussians.sh
    np.testing.assert_array_equal((after != found.gaussians.sh).any((1, 2)), which)
    assert recolour(found, RED, which=np.zeros(6, bool)) is found
    assert len(recolour(splats(0), RED)) == 0
    after = recolour_actor(scene, "car", RED).actors["car"].splats
    assert (after.gaussians.sh != scene.actors["car"].splats.gaussians.sh).any()


def test_crop():
    found = splats(300)
    path = np.array([[0.0, 0.0], [3.0, 0.0]])
    kept = crop(found, path, 2.0)
    off = np.linalg.norm(found.gaussians.means[:, None, :2] - path, axis=-1).min(1)
    np.testing.assert_array_equal(kept.gaussians.means, found.gaussians.means[off <= 2.0])
    assert len(crop(found, np.array([100.0, 0.0]), 1.0)) == 0


def test_crop_of_a_scene(scene):
    near, far = splats(2, reach=0.1), splats(2, reach=0.1)
    away = replace(far, gaussians=replace(far.gaussians, means=far.gaussians.means + 50))
    lit = replace(scene, lamps=(Lamp(("a",), "red", near, near), Lamp(("b",), "red", away, away)))
    found = crop_scene(lit, np.zeros((1, 2)), 5.0)
    assert [lamp.lanes for lamp in found.lamps] == [("a",)]
    assert 0 < len(found.static) < len(scene.static)
    assert found.actors == scene.actors


@given(seed=st.integers(0, 999), count=st.integers(1, 60), cell=st.floats(0.5, 30))
@settings(max_examples=60, deadline=None)
def test_merging_keeps_the_moments(seed, count, cell):
    found = splats(count, seed)
    merged = merge(found, cell)
    assert len(merged) <= count
    assert set(merged.labels) == set(found.labels)
    keys = np.column_stack([np.floor(found.gaussians.means.astype(float) / cell), found.labels])
    assert len(merged) == len(np.unique(keys, axis=0))
    # Per label: mass (but for what would be denser than opaque), centre of mass, colour.
    for label in set(found.labels):
        old, new = (part.labels == label for part in (found, merged))
        before, after = mass(found.gaussians)[old], mass(merged.gaussians)[new]
        dense = merged.gaussians.opacities[new] > 0.998
        assert after.sum() <= before.sum() * 1.0001
        if dense.any():
            continue
        np.testing.assert_allclose(after.sum(), before.sum(), rtol=1e-4)
        for field in ("means", "sh"):
            was = np.average(getattr(found.gaussians, field)[old], axis=0, weights=before)
            is_ = np.average(getattr(merged.gaussians, field)[new], axis=0, weights=after)
            np.testing.assert_allclose(is_, was, atol=1e-4)


def test_a_merged_gaussian_has_the_covariance_of_the_mixture():
    found = replace(splats(6, 3, reach=1.0), labels=np.zeros(6, np.uint8))
    shifted = replace(found, gaussians=replace(found.gaussians, means=found.gaussians.means + 50))
    merged = merge(shifted, 100.0)
    assert len(merged) == 1
    share = mass(shifted.gaussians) / mass(shifted.gaussians).sum()
    means = shifted.gaussians.means.astype(float)
    away = means - share @ means
    wanted = np.einsum("n,nij->ij", share, covariances(shifted.gaussians))
    wanted += np.einsum("n,ni,nj->ij", share, away, away)
    np.testing.assert_allclose(covariances(merged.gaussians)[0], wanted, atol=1e-5)


def test_near_and_lone_ones_are_not_touched():
    found = splats(500, 5, reach=30.0)
    merged = merge_far(found, np.zeros((1, 2)), 15.0, 4.0)
    near = np.linalg.norm(found.gaussians.means[:, :2], axis=1) <= 15.0
    count = int(near.sum())
    np.testing.assert_array_equal(merged.gaussians.means[:count], found.gaussians.means[near])
    assert len(merged) < len(found)
    same = merge(found, 1e-4)
    np.testing.assert_array_equal(same.gaussians.sh, found.gaussians.sh[_order(found, same)])
    assert len(merge(splats(0), 1.0)) == 0


def _order(found: Splats, same: Splats) -> np.ndarray:
    rows = {tuple(mean): n for n, mean in enumerate(found.gaussians.means.tolist())}
    return np.array([rows[tuple(mean)] for mean in same.gaussians.means.tolist()])


@given(seed=st.integers(0, 999))
def test_quaternions_give_their_rotation_back(seed):
    draw = np.random.default_rng(seed)
    turns, _ = np.linalg.qr(draw.normal(size=(5, 3, 3)))
    turns[..., 0] *= np.sign(np.linalg.det(turns))[:, None]
    turns[0] = np.diag([1.0, -1.0, -1.0])
    scales = draw.uniform(0.5, 2, (5, 3))
    zeros = np.zeros((5, 3))
    shown = Gaussians(zeros, quaternions(turns), scales, zeros[:, 0], zeros[:, None])
    wanted = np.einsum("nij,nj,nkj->nik", turns, scales**2, turns)
    np.testing.assert_allclose(covariances(shown), wanted, atol=1e-9)


def test_a_merged_wall_looks_alike_from_afar():
    """A wall of 3600 flat Gaussians seen from 60 m, before and after merging to a ninth."""
    y, z = (axis.ravel() for axis in np.meshgrid(np.arange(60) * 0.2, np.arange(60) * 0.2))
    n = len(y)
    colour = 0.5 + 0.4 * np.sin(np.stack([y, z, y + z], -1) / 2)
    wall = Gaussians(
        np.stack([np.full(n, 60.0), y - 6, z - 6], -1).astype(np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        np.tile(np.array([0.005, 0.1, 0.1], np.float32), (n, 1)),
        np.full(n, 0.8, np.float32),
        ((colour - 0.5) / C0)[:, None].astype(np.float32),
    )
    found = Splats(wall, np.full(n, 7, np.uint8))
    merged = merge_far(found, np.zeros((1, 2)), 40.0, 0.6)
    assert len(merged) <= n / 8
    view = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    camera = Cameras(view[None], np.array([[[200, 0, 48], [0, 200, 32], [0, 0, 1.0]]]), 96, 64)
    one, two = (render(part.gaussians, camera).rgb for part in (found, merged))
    psnr = -10 * np.log10(np.mean((one - two) ** 2))
    assert psnr > 28
