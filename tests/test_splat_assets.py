"""Assets: they fill their boxes, keep within them, differ by seed, and refuse nonsense."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from splat_views import camera

from drivelab.errors import ConfigError
from drivelab.kernels.splat import render
from drivelab.sim.splats.assets import ROLES, asset
from drivelab.sim.splats.assets.surfaces import DC
from drivelab.sim.splats.compose import place
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor
from drivelab.sim.splats.weather import Weather

SIZES = {
    "car": (4.7, 1.95), "van": (5.6, 2.1), "truck": (8.2, 2.45), "bus": (11.5, 2.5),
    "emergency": (5.9, 2.1), "motorcycle": (2.1, 0.8), "pedestrian": (0.7, 0.7),
    "cyclist": (1.8, 0.6), "cone": (0.4, 0.4), "barrier": (0.5, 2.0), "czone_sign": (0.3, 1.0),
    "generic_object": (1.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("role", sorted(ROLES))
def test_an_actor_covers_its_projected_box(role: str) -> None:
    for seed in (0, 3):
        actor = asset(ROLES[role], SIZES[role], role=role, seed=seed)
        shares = [covered(actor, away, turn) for away in (12.0, 38.0)
                  for turn in np.arange(0.0, 6.2, np.pi / 4)]  # fmt: skip
        assert min(shares) >= 0.6, (seed, shares)


def covered(actor: Actor, away: float, turn: float) -> float:
    """Share of the silhouette of an actor's box that more than half opaque pixels fill."""
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    pose[0, 3] = away
    focal = 70.0 if away < 20.0 else 25.0
    cam = camera((0.0, 0.0, 0.0), (640, 384), focal)
    half = np.array([*actor.size, 2.0]) / 2
    corners = np.array([[x, y, z, 1.0] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)])
    seen = (corners * half) @ pose.T @ cam.views[0].T
    pixels = seen[:, :3] @ cam.intrinsics[0].T
    hull = shapely.MultiPoint(pixels[:, :2] / pixels[:, 2:]).convex_hull
    body = place(actor.splats, pose)
    alpha = np.asarray(render(body.gaussians, cam).alpha)[0]
    rows, columns = np.mgrid[: cam.height, : cam.width] + 0.5
    inside = shapely.contains_xy(hull, columns, rows)
    return float((alpha[inside] > 0.5).mean())


@pytest.mark.parametrize("role", sorted(ROLES))
def test_an_actor_keeps_within_its_box(role: str) -> None:
    actor = asset(ROLES[role], SIZES[role], role=role, seed=2)
    length, width, height = actor.size
    body = actor.splats.gaussians.means[actor.splats.labels != NUMBER["road"]]
    assert (np.abs(body[:, 0]) <= 0.5 * length + 0.05).all()
    assert (np.abs(body[:, 1]) <= 0.5 * width + 0.05).all()
    assert (body[:, 2] >= -0.05).all()
    assert (body[:, 2] <= height + 0.05).all()
    assert body[:, 2].max() > 0.85 * height


def test_cars_have_so_many_gaussians_and_several_looks() -> None:
    cars = [asset("vehicle", (4.7, 1.95), seed=seed) for seed in range(12)]
    assert all(1500 <= len(one.splats) <= 4000 for one in cars)
    looks = {tuple(np.round(one.splats.gaussians.sh[:, 0].mean(axis=0), 2)) for one in cars}
    assert len(looks) >= 6
    again = asset("vehicle", (4.7, 1.95), seed=3)
    np.testing.assert_array_equal(again.splats.gaussians.sh, cars[3].splats.gaussians.sh)


def test_labels_say_what_it_is() -> None:
    for role, label in (("motorcycle", "vehicle"), ("pedestrian", "pedestrian"),
                        ("cyclist", "bicycle"), ("cone", "obstacle")):  # fmt: skip
        labels = set(asset(ROLES[role], SIZES[role], role=role).splats.labels.tolist())
        assert labels == {NUMBER[label], NUMBER["road"]}  # and its shadow on the road


def test_roles_follow_from_the_size_where_none_is_given() -> None:
    sizes = ((4.7, 1.95), (5.6, 2.1), (8.2, 2.45), (12.0, 2.5), (2.1, 0.8))
    heights = [asset("vehicle", size, seed=1).size[2] for size in sizes]
    assert heights == [1.52, 2.2, 3.2, 3.1, 1.55]
    assert asset("vehicle", (4.0, 1.7, 1.4), id="7").size == (4.0, 1.7, 1.4)


def test_headlights_shine_at_night() -> None:
    night = asset("vehicle", (4.7, 1.95), seed=1, weather=Weather("night")).splats.gaussians
    colours = 0.5 + DC * night.sh[:, 0]
    front = night.means[:, 0] > 2.0
    assert colours[front].max() > 0.9
    assert colours.mean() < 0.25


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"kind='vehicel'.*vehicle"):
        asset("vehicel", (4.0, 2.0))
    with pytest.raises(ConfigError, match="a pedestrian is one of pedestrian"):
        asset("pedestrian", (0.7, 0.7), role="car")
    for size in ((4.0, -2.0), (4.0,), (np.nan, 1.0), (0.0, 1.0, 1.0)):
        with pytest.raises(ValueError, match="asset 'ghost': size="):
            asset("vehicle", size, id="ghost")
