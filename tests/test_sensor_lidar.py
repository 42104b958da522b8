"""Lidar sweeps: points by hand, losses, intensity, scenes of splats."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from drivelab.kernels.raycast import Boxes, Plane
from drivelab.kernels.splat import Gaussians
from drivelab.sim.sensors.lidar import REFLECTIVITY, directions_of, loss, sweep
from drivelab.sim.sensors.lidar_world import (
    LidarWorld,
    ground_of,
    lidar_world,
    standing,
    with_actors,
)
from drivelab.sim.sensors.meshes import Mesh, MeshCaster
from drivelab.sim.sensors.rig import load_rig
from drivelab.sim.sensors.specs import LidarSpec
from drivelab.sim.splats.labels import LABELS, NUMBER
from drivelab.sim.splats.scene import Actor, Moment, Splats, SplatScene

HEIGHT = 1.8


def lidar(**more: object) -> LidarSpec:
    mount = np.eye(4)
    mount[2, 3] = HEIGHT
    spec = LidarSpec("TOP", mount, np.radians([-10.0, -5.0, 0.0]), 360, 100.0)
    return replace(spec, **more)  # type: ignore[arg-type]


def box_world(x: float) -> LidarWorld:
    pose = np.eye(4)
    pose[:3, 3] = [x + 2, 0, 0.8]
    boxes = Boxes(pose[None], np.array([[2.0, 1, 0.8]]))
    return LidarWorld(Plane(), boxes=boxes, box_labels=np.array([NUMBER["vehicle"]], np.uint8))


def discs(means: np.ndarray, label: str, thin: int, radius: float = 0.15) -> Splats:
    """Opaque discs that are thin along one axis."""
    count = len(means)
    scales = np.full((count, 3), radius, np.float32)
    scales[:, thin] = 0.005
    return Splats(
        Gaussians(
            means.astype(np.float32), np.tile(np.array([2, 0, 0, 0], np.float32), (count, 1)),
            scales, np.full(count, 0.95, np.float32), np.zeros((count, 1, 3), np.float32),
        ),
        np.full(count, NUMBER[label], np.uint8),
    )  # fmt: skip


def joined(*parts: Splats) -> Splats:
    fields = [
        np.concatenate([getattr(part.gaussians, name) for part in parts])
        for name in ("means", "quats", "scales", "opacities", "sh")
    ]
    return Splats(Gaussians(*fields), np.concatenate([part.labels for part in parts]))


def street() -> SplatScene:
    """Ground at z = 0.3 with one bright line, a wall at y = 6, a car at x = 12."""
    x, y = np.meshgrid(np.arange(-5, 40, 0.2), np.arange(-8, 8, 0.2))
    ground = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.3)], -1)
    line = np.stack([np.arange(-5, 40, 0.1), np.full(450, -2.0), np.full(450, 0.305)], -1)
    x, z = np.meshgrid(np.arange(0, 30, 0.2), np.arange(0.4, 5, 0.2))
    wall = np.stack([x.ravel(), np.full(x.size, 6.0), z.ravel()], -1)
    static = joined(discs(ground, "road", 2), discs(line, "marking", 2), discs(wall, "building", 1))
    car = Actor("car", "vehicle", (4.0, 2.0, 1.5), discs(np.zeros((1, 3)), "vehicle", 0))
    return SplatScene("street", static, {"car": car})


def car_ahead(x: float) -> Moment:
    pose = np.eye(4)
    pose[:3, 3] = [x, 0, 0.3]
    return Moment({"car": pose})


def seen(world: LidarWorld, spec: LidarSpec, pose: np.ndarray | None = None) -> np.ndarray:
    return sweep([spec], world, np.eye(4) if pose is None else pose, scene="s", frame=0)


def test_a_box_and_the_ground_by_hand() -> None:
    cloud = seen(box_world(10.0), lidar())
    assert cloud.dtype == np.float32
    ahead = cloud[(np.abs(cloud[:, 1]) < 1e-6) & (cloud[:, 0] > 0)]
    assert ahead[:, 4].tolist() == [0, 1]  # the level beam passes over the box and meets nothing
    angle = np.radians(5)
    np.testing.assert_allclose(ahead[1, :3], [10, 0, HEIGHT - 10 * np.tan(angle)], atol=1e-5)
    # 10 degrees down: 1.8 / sin reaches 10.2 m, the front of the box is nearer.
    np.testing.assert_allclose(ahead[0, :3], [10, 0, HEIGHT - 10 * np.tan(2 * angle)], atol=1e-5)
    back = cloud[(np.abs(cloud[:, 1]) < 1e-4) & (cloud[:, 0] < 0)]
    np.testing.assert_allclose(
        np.linalg.norm(back[:, :3] - [0, 0, HEIGHT], axis=1),
        HEIGHT / np.sin([2 * angle, angle]), rtol=1e-5,
    )  # fmt: skip


def test_intensity_is_reflectivity_times_incidence() -> None:
    cloud = seen(box_world(10.0), lidar())
    ahead = cloud[(np.abs(cloud[:, 1]) < 1e-6) & (cloud[:, 0] > 0)]
    expected = 255 * REFLECTIVITY["vehicle"] * np.cos(np.radians([10, 5]))
    np.testing.assert_allclose(ahead[:, 3], np.rint(expected))
    carla = seen(box_world(10.0), lidar(intensity="attenuation", attenuation=0.01))
    ahead = carla[(np.abs(carla[:, 1]) < 1e-6) & (carla[:, 0] > 0)]
    np.testing.assert_allclose(
        ahead[:, 3], np.exp(-0.01 * 10 / np.cos(np.radians([10, 5]))), rtol=1e-6
    )


def test_points_are_in_the_ego_frame_wherever_the_ego_stands() -> None:
    scene_from_ego = np.eye(4)
    scene_from_ego[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    scene_from_ego[:3, 3] = [100, -50, 0]
    world = box_world(10.0)
    assert world.boxes is not None
    moved = replace(world, boxes=Boxes(scene_from_ego @ world.boxes.poses, world.boxes.halves))
    np.testing.assert_allclose(
        seen(moved, lidar(), scene_from_ego), seen(world, lidar()), atol=1e-4
    )


def test_ranges_never_pass_the_limits() -> None:
    spec = lidar(range_noise=0.5, max_range=12.0, min_range=10.3)
    cloud = seen(box_world(10.0), spec)
    ranges = np.linalg.norm(cloud[:, :3] - [0, 0, HEIGHT], axis=1)
    assert len(cloud) > 20
    assert ranges.max() <= 12 + 1e-5
    assert ranges.min() >= 10.3 - 1e-5


def test_noise_has_its_spread_and_belongs_to_scene_lidar_and_frame() -> None:
    spec = lidar(range_noise=0.05, azimuths=4000)
    clean, noisy = seen(LidarWorld(Plane()), replace(spec, range_noise=0)), None
    noisy = seen(LidarWorld(Plane()), spec)
    away = [np.linalg.norm(cloud[:, :3] - [0, 0, HEIGHT], axis=1) for cloud in (clean, noisy)]
    assert np.std(away[1] - away[0]) == pytest.approx(0.05, rel=0.05)
    again = sweep([spec], LidarWorld(Plane()), np.eye(4), scene="s", frame=0)
    other = sweep([spec], LidarWorld(Plane()), np.eye(4), scene="s", frame=1)
    assert np.array_equal(noisy, again)
    assert not np.array_equal(noisy, other)


def test_losses_grow_with_range_darkness_and_grazing() -> None:
    spec = lidar(dropout=0.1, fade=0.05)
    ranges = np.array([0.0, 20, 50, 100])
    lost = loss(ranges, np.full(4, 0.1), spec)
    assert lost[0] == pytest.approx(0.1)
    assert (np.diff(lost) > 0).all()
    assert (loss(ranges[1:], np.full(3, 0.01), spec) > lost[1:]).all()
    assert lost.max() <= 1


def test_dropout_loses_its_share() -> None:
    all_of_them = seen(LidarWorld(Plane()), lidar(azimuths=4000))
    some = seen(LidarWorld(Plane()), lidar(azimuths=4000, dropout=0.3))
    assert len(some) / len(all_of_them) == pytest.approx(0.7, abs=0.03)


def test_a_street_of_splats_is_scanned_where_it_stands() -> None:
    scene = street()
    world = with_actors(lidar_world(scene), scene, car_ahead(12.0))
    spec = lidar(elevations=np.radians(np.linspace(-25, 10, 24)))
    ego = np.eye(4)
    ego[2, 3] = 0.3
    cloud = seen(world, spec, ego)
    x, y, z = cloud[:, :3].T
    ground = np.abs(z) < 0.02
    assert ground.sum() > 1000
    car = (np.abs(x - 10) < 0.01) & (np.abs(y) < 1.01)
    assert car.sum() > 10
    assert (z[car] < 1.51).all()
    behind = (x > 14.5) & (np.abs(y) < 0.5) & (z < 0.1)
    assert not (behind & (x < 20)).any()  # hidden by the car
    building = (np.abs(y - 6) < 0.02) & (x > 1) & (x < 25)
    assert building.sum() > 200
    assert not ((y > 6.3) & (x > 2) & (x < 20) & (z < 3)).any()  # nothing shines through
    on_line = ground & (np.abs(y + 2) < 0.05) & (np.abs(x) < 8)
    beside = ground & (np.abs(y + 3) < 0.3) & (np.abs(x) < 8)
    assert cloud[on_line, 3].mean() > 2 * cloud[beside, 3].mean()


def test_who_carries_the_lidar_can_be_left_out() -> None:
    scene = street()
    world = with_actors(LidarWorld(), scene, car_ahead(0.0), without=("car",))
    assert world.boxes is not None
    assert len(world.boxes) == 0


def test_the_box_of_an_actor_stands_on_its_floor() -> None:
    scene = street()
    world = with_actors(LidarWorld(), scene, car_ahead(3.0))
    assert world.boxes is not None
    np.testing.assert_allclose(world.boxes.poses[0, :3, 3], [3, 0, 0.3 + 0.75])
    np.testing.assert_allclose(world.boxes.halves, [[2, 1, 0.75]])
    assert world.box_labels.tolist() == [NUMBER["vehicle"]]


def test_faint_splats_backdrops_and_sky_return_nothing() -> None:
    spot = discs(np.array([[5.0, 0, 1]]), "building", 0)
    faint = Splats(replace(spot.gaussians, opacities=np.full(1, 0.2, np.float32)), spot.labels)
    huge = Splats(replace(spot.gaussians, scales=np.full((1, 3), 90, np.float32)), spot.labels)
    sky = discs(np.array([[5.0, 0, 1]]), "sky", 0)
    for nothing in (faint, huge, sky):
        assert standing(nothing) is None
    assert standing(spot) is not None


def test_ground_bridges_small_gaps_only() -> None:
    x = np.concatenate([np.arange(0, 5, 0.2), np.arange(6, 10, 0.2), np.arange(20, 25, 0.2)])
    x, y = np.meshgrid(x, np.arange(0, 4, 0.2))
    means = np.stack([x.ravel(), y.ravel(), 0.1 * x.ravel()], -1)
    grid = ground_of(discs(means, "road", 2))
    assert grid is not None

    def height(at: float) -> float:
        return float(grid.heights[round((at - grid.x) / grid.cell), 8])

    assert height(3.0) == pytest.approx(0.3, abs=0.03)
    assert height(5.5) == pytest.approx(0.55, abs=0.08)
    assert np.isnan(height(15.0))
    assert ground_of(discs(means, "building", 2)) is None


def test_every_label_has_a_reflectivity() -> None:
    assert set(REFLECTIVITY) == set(LABELS)
    assert all(0 <= value <= 1 for value in REFLECTIVITY.values())


@pytest.mark.parametrize("name", ["nuscenes", "bench2drive", "rad", "navsim_nominal"])
def test_the_lidars_of_the_rigs_see_the_ground(name: str) -> None:
    rig = load_rig(name)
    cloud = sweep(rig.lidars.values(), LidarWorld(Plane()), np.eye(4), scene="s", frame=0)
    assert set(np.unique(cloud[:, 5])) == set(range(len(rig.lidars)))
    near = np.hypot(cloud[:, 0], cloud[:, 1]) < 20
    assert np.abs(cloud[near, 2]).max() < 0.15
    for spec in rig.lidars.values():
        beams = directions_of(spec)
        np.testing.assert_allclose(np.linalg.norm(beams, axis=1), 1)
        assert cloud[cloud[:, 5] == spec.id, 4].max() < len(spec.elevations)


def test_no_lidar_is_an_empty_sweep() -> None:
    assert sweep([], LidarWorld(), np.eye(4), scene="s", frame=0).shape == (0, 6)


@pytest.mark.skipif(find_spec("open3d") is not None, reason="open3d is installed")
def test_meshes_without_open3d_name_the_pip_line() -> None:
    with pytest.raises(ImportError, match=r"pip install 'drivelab\[open3d\]'"):
        MeshCaster([])


@pytest.mark.skipif(find_spec("open3d") is None, reason="needs the extra open3d")
def test_a_mesh_is_met_where_its_triangle_is() -> None:
    corners = np.array([[10.0, -5, -5], [10, 5, -5], [10, 0, 9]])
    mesh = MeshCaster([Mesh(corners, np.array([[0, 1, 2]]), NUMBER["building"])])
    cloud = seen(LidarWorld(mesh=mesh), lidar())
    assert len(cloud) > 20
    np.testing.assert_allclose(cloud[:, 0], 10, atol=1e-4)
