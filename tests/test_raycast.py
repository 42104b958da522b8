"""Ray casting: cases by hand, the plain definition, and what must hold everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from drivelab.kernels.raycast import (
    BOX,
    GROUND,
    NONE,
    SPLAT,
    Boxes,
    HeightGrid,
    Plane,
    Voxels,
    cast,
    voxelise,
)
from drivelab.kernels.raycast.ref import cast_boxes_ref

FAR = 100.0


def box(x: float, y: float, z: float, size: tuple[float, float, float], yaw: float = 0) -> Boxes:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    pose[:3, 3] = [x, y, z]
    return Boxes(pose[None], np.array([size]) / 2)


def unit(*direction: float) -> np.ndarray:
    return np.array([direction]) / np.linalg.norm(direction)


def many_boxes(rng: np.random.Generator, count: int) -> Boxes:
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, rng=rng).as_matrix()
    poses[:, :3, 3] = rng.uniform(-20, 20, (count, 3)) * [1, 1, 0.2]
    return Boxes(poses, rng.uniform(0.1, 3, (count, 3)))


def many_rays(rng: np.random.Generator, count: int) -> np.ndarray:
    rays = rng.normal(size=(count, 3))
    rays[:6] = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def hills(rng: np.random.Generator, n: int = 24) -> HeightGrid:
    heights = rng.uniform(-1, 1, (n + 1, n + 1))
    return HeightGrid(-12.0, -9.0, 0.9, heights, np.zeros((n, n), np.uint8))


def heights_at(grid: HeightGrid, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    px, py = (x - grid.x) / grid.cell, (y - grid.y) / grid.cell
    i = np.clip(px.astype(int), 0, grid.heights.shape[0] - 2)
    j = np.clip(py.astype(int), 0, grid.heights.shape[1] - 2)
    u, v = px - i, py - j
    a, b = grid.heights[i, j], grid.heights[i + 1, j]
    c, d = grid.heights[i, j + 1], grid.heights[i + 1, j + 1]
    return np.where(u >= v, a + (b - a) * u + (d - b) * v, a + (d - c) * u + (c - a) * v)


def wall(x: float, size: float = 0.2) -> Voxels:
    """Thin discs that face the x axis, 8 m wide and 4 m high."""
    y, z = np.meshgrid(np.arange(-4, 4, 0.1) + 0.05, np.arange(-2, 2, 0.1) + 0.05)
    means = np.stack([np.full(y.size, x), y.ravel(), z.ravel()], -1)
    count = len(means)
    return voxelise(
        means, np.tile(np.eye(3), (count, 1, 1)), np.tile([0.005, 0.07, 0.07], (count, 1)),
        np.ones(count), np.full(count, 7, np.uint8), size=size,
    )  # fmt: skip


def test_a_box_ten_metres_ahead() -> None:
    hits = cast(np.zeros(3), unit(1, 0, 0), max_range=FAR, boxes=box(12, 0, 0, (4, 2, 2)))
    assert hits.distances.tolist() == [10.0]
    assert (hits.kinds[0], hits.indices[0], hits.cosines[0]) == (BOX, 0, 1.0)


def test_a_turned_box_is_met_at_its_edge_and_under_its_angle() -> None:
    turned = box(10, 0, 0, (2, 2, 2), yaw=np.pi / 4)
    hits = cast(np.zeros(3), unit(1, 0.001, 0), max_range=FAR, boxes=turned)
    assert hits.distances[0] == pytest.approx(10 - np.sqrt(2), abs=0.02)
    assert hits.cosines[0] == pytest.approx(np.sqrt(0.5), abs=1e-3)


def test_the_nearer_of_two_hides_the_other() -> None:
    far, near = box(20, 0, 0, (2, 9, 9)), box(10, 0, 0, (2, 2, 2))
    both = Boxes(np.concatenate([far.poses, near.poses]), np.concatenate([far.halves, near.halves]))
    rays = np.concatenate([unit(1, 0, 0), unit(1, 0.2, 0)])
    hits = cast(np.zeros(3), rays, max_range=FAR, boxes=both)
    assert hits.indices.tolist() == [1, 0]
    assert hits.distances == pytest.approx([9, 19 * np.hypot(1, 0.2)])


def test_a_ray_from_inside_meets_the_far_side() -> None:
    hits = cast(np.zeros(3), unit(0, 1, 0), max_range=FAR, boxes=box(1, 0, 0, (8, 6, 2)))
    assert hits.distances.tolist() == [3.0]


def test_nothing_behind_and_nothing_beyond_the_range() -> None:
    boxes = box(12, 0, 0, (4, 2, 2))
    behind = cast(np.zeros(3), unit(-1, 0, 0), max_range=FAR, boxes=boxes)
    short = cast(np.zeros(3), unit(1, 0, 0), max_range=9.99, boxes=boxes)
    for hits in (behind, short, cast(np.zeros(3), unit(1, 0, 0), max_range=FAR)):
        assert (hits.distances[0], hits.kinds[0], hits.indices[0]) == (np.inf, NONE, -1)


@pytest.mark.parametrize("degrees", [-0.5, -5, -30, -89.9])
def test_level_ground_is_height_over_sine_away(degrees: float) -> None:
    angle = np.radians(degrees)
    ray = unit(np.cos(angle), 0.3 * np.cos(angle), np.sin(angle) * np.hypot(1, 0.3))
    level = HeightGrid(-300, -300, 1.0, np.zeros((601, 601)), np.zeros((600, 600), np.uint8))
    for ground in (Plane(), level):
        hits = cast(np.array([0, 0, 1.8]), ray, max_range=400, ground=ground)
        assert hits.distances[0] == pytest.approx(1.8 / np.sin(-angle), rel=1e-9)
        assert hits.cosines[0] == pytest.approx(np.sin(-angle), rel=1e-6)
        assert hits.kinds[0] == GROUND


def test_a_ray_upwards_misses_the_ground_and_a_slope_catches_it() -> None:
    rising = unit(1, 0, 0.1)
    assert cast(np.array([0, 0, 1.0]), rising, max_range=FAR, ground=Plane()).kinds[0] == NONE
    slope = cast(np.array([0, 0, 1.0]), rising, max_range=FAR, ground=Plane(slope_x=0.2))
    assert slope.distances[0] == pytest.approx(10 * np.hypot(1, 0.1))


def test_ground_with_a_hole_lets_rays_through() -> None:
    heights = np.zeros((11, 11))
    heights[4:7, 4:7] = np.nan
    grid = HeightGrid(0, 0, 1.0, heights, np.zeros((10, 10), np.uint8))
    for x, met in ((1.5, True), (5.5, False), (4.5, False), (20.5, False)):
        hits = cast(np.array([x, x, 1.0]), unit(0, 0, -1), max_range=FAR, ground=grid)
        assert (hits.kinds[0] == GROUND) == met


def test_a_box_hides_the_ground_behind_it() -> None:
    angle = np.radians(-5)
    ray = unit(np.cos(angle), 0, np.sin(angle))
    boxes = box(10, 0, 1, (2, 2, 2))
    hits = cast(np.array([0, 0, 1.8]), ray, max_range=FAR, boxes=boxes, ground=Plane())
    assert hits.kinds[0] == BOX
    assert hits.distances[0] == pytest.approx(9 / np.cos(angle))


def test_a_wall_of_splats_has_no_gaps_and_lies_where_its_discs_are() -> None:
    voxels = wall(10.03)
    angles = np.stack(np.meshgrid(np.linspace(-0.35, 0.35, 83), np.linspace(-0.18, 0.18, 41)), -1)
    flat = angles.reshape(-1, 2)
    rays = np.concatenate([np.ones((len(flat), 1)), flat], 1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    hits = cast(np.zeros(3), rays, max_range=FAR, voxels=voxels)
    assert (hits.kinds == SPLAT).all()
    np.testing.assert_allclose(hits.distances * rays[:, 0], 10.03, atol=1e-4)
    np.testing.assert_allclose(hits.cosines, rays[:, 0], rtol=1e-5)
    assert (voxels.labels[hits.indices] == 7).all()


def test_rays_pass_beside_a_wall_and_stop_at_its_back() -> None:
    voxels = wall(10)
    rays = np.concatenate([unit(10, 5, 0), unit(10, 0, 4), unit(-1, 0, 0)])
    assert (cast(np.zeros(3), rays, max_range=FAR, voxels=voxels).kinds == NONE).all()
    back = cast(np.array([15.0, 0.5, 0.5]), unit(-1, 0, 0), max_range=FAR, voxels=voxels)
    assert back.distances[0] == pytest.approx(5, abs=1e-3)


def test_a_thick_splat_is_met_at_its_voxels() -> None:
    ball = voxelise(
        np.array([[8.0, 0, 0]]), np.eye(3)[None], np.full((1, 3), 0.5), np.ones(1),
        np.ones(1, np.uint8), size=0.1, reach=2.0,
    )  # fmt: skip
    hits = cast(np.zeros(3), unit(1, 0, 0), max_range=FAR, voxels=ball)
    assert hits.distances[0] == pytest.approx(7.0, abs=0.11)
    assert hits.cosines[0] == 1


def test_the_splat_that_weighs_most_owns_a_voxel() -> None:
    labels = np.array([3, 9, 5], np.uint8)
    voxels = voxelise(
        np.zeros((3, 3)), np.tile(np.eye(3), (3, 1, 1)), np.full((3, 3), 0.01),
        np.array([0.6, 0.9, 0.7]), labels, size=0.5,
    )  # fmt: skip
    owner = set(np.unique(voxels.bricks)) - {-1}
    assert {int(voxels.labels[s]) for s in owner} == {9}


def test_too_many_voxels_are_refused_with_the_number() -> None:
    far = np.array([[0.0, 0, 0], [9e4, 9e4, 9e4]])
    with pytest.raises(ValueError, match="larger voxels or fewer splats"):
        voxelise(far, np.tile(np.eye(3), (2, 1, 1)), np.ones((2, 3)), np.ones(2), np.ones(2, "u1"))


def test_no_splats_make_empty_voxels() -> None:
    none = voxelise(
        np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0, "u1")
    )
    assert cast(np.zeros(3), unit(1, 0, 0), max_range=FAR, voxels=none).kinds[0] == NONE


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 30))
def test_boxes_are_met_as_the_plain_definition_says(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, rays, origin = many_boxes(rng, count), many_rays(rng, 300), rng.uniform(-5, 5, 3)
    hits = cast(origin, rays, max_range=np.inf, boxes=boxes)
    distances, indices, cosines = cast_boxes_ref(origin, rays, boxes)
    np.testing.assert_allclose(hits.distances, distances, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(hits.indices, indices)
    np.testing.assert_allclose(hits.cosines, cosines, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_hit_lies_on_what_it_names_and_within_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, grid, voxels = many_boxes(rng, 6), hills(rng), wall(float(rng.uniform(4, 9)))
    rays, origin = many_rays(rng, 300), rng.uniform(-3, 3, 3)
    hits = cast(origin, rays, max_range=15, boxes=boxes, ground=grid, voxels=voxels)
    assert (hits.distances[hits.kinds != NONE] < 15).all()
    points = origin + rays * np.where(np.isfinite(hits.distances), hits.distances, 0)[:, None]
    for point, kind, index in zip(points, hits.kinds, hits.indices, strict=True):
        if kind == BOX:
            local = boxes.poses[index, :3, :3].T @ (point - boxes.poses[index, :3, 3])
            assert np.abs(np.abs(local) - boxes.halves[index]).min() < 1e-7
            assert (np.abs(local) <= boxes.halves[index] + 1e-7).all()
        elif kind == GROUND:
            ground = heights_at(grid, point[0], point[1])
            assert point[2] == pytest.approx(ground, abs=1e-6)
        elif kind == SPLAT:
            assert voxels.normals[index] @ point == pytest.approx(voxels.offsets[index], abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_hills_are_met_as_a_fine_march_meets_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid, rays = hills(rng), many_rays(rng, 40)
    origin = np.array([*rng.uniform(-4, 4, 2), 2.5])
    hits = cast(origin, rays, max_range=30, ground=grid)
    along = np.linspace(0, 30, 6001)
    for ray, distance in zip(rays, hits.distances, strict=True):
        x, y, z = origin[:, None] + ray[:, None] * along
        inside = (x >= -12) & (x <= 9.6) & (y >= -9) & (y <= 12.6)
        crossed = inside & (z < heights_at(grid, x, y))
        first = along[crossed.argmax()] if crossed.any() else np.inf
        if np.isfinite(distance):
            assert distance <= first + 1e-6  # a march may step over a crest, a ray may not
        else:
            assert first == np.inf


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_distances_do_not_change_when_everything_moves_rigidly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, rays, origin = many_boxes(rng, 8), many_rays(rng, 100), rng.uniform(-5, 5, 3)
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = Rotation.random(rng=rng).as_matrix(), rng.uniform(-50, 50, 3)
    moved = cast(
        motion[:3, :3] @ origin + motion[:3, 3], rays @ motion[:3, :3].T, max_range=FAR,
        boxes=Boxes(motion @ boxes.poses, boxes.halves),
    )  # fmt: skip
    still = cast(origin, rays, max_range=FAR, boxes=boxes)
    same = np.isclose(moved.distances, still.distances, atol=1e-6)
    assert same.mean() > 0.98  # rays that graze an edge may tip over


@pytest.mark.parametrize(
    ("origin", "rays", "told"),
    [
        (np.zeros(2), np.ones((1, 3)), r"expected \(3,\), \(n, 3\)"),
        (np.zeros(3), np.ones((1, 3)), "unit length"),
        (np.full(3, np.nan), np.eye(3), "not finite"),
        (np.zeros(3), np.full((1, 3), np.nan), "unit length"),
    ],
)
def test_rays_that_are_none_are_refused(origin: np.ndarray, rays: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        cast(origin, rays, max_range=FAR)


def test_worlds_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Boxes(np.eye(4)[None], np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"expected \(1, 3\)"):
        Boxes(np.eye(4)[None], np.ones((2, 3)))
    with pytest.raises(ValueError, match="not finite"):
        Boxes(np.full((1, 4, 4), np.nan), np.ones((1, 3)))
    with pytest.raises(ValueError, match="of 1 or more"):
        HeightGrid(0, 0, 1, np.zeros((1, 3)), np.zeros((0, 2), np.uint8))
