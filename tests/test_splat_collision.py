"""Collisions with the scene itself: counts against brute force, the rule's borders, events."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats import collision
from drivelab.sim.splats.collision import (
    StaticCollision,
    StaticWatch,
    actor_boxes,
    collision_events,
    collision_points,
    hits,
)
from drivelab.sim.splats.labels import GROUND, NUMBER
from drivelab.sim.splats.scene import Actor, Moment, Splats, SplatScene
from drivelab.sim.world import events as world_events
from drivelab.types import PACIFICA, VehicleParameters

HERE = np.eye(4)
MAP = np.array([[0, -1, 0, 664_000.5], [1, 0, 0, 3_998_000.25], [0, 0, 1, 12.0], [0, 0, 0, 1]])


def scene(means, labels, opacities=0.95, map_from_scene=HERE) -> SplatScene:
    n = len(means)
    gaussians = Gaussians(
        np.asarray(means, np.float32).reshape(n, 3),
        np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        np.full((n, 3), 0.05, np.float32),
        np.broadcast_to(np.float32(opacities), n).copy(),
        np.zeros((n, 1, 3), np.float32),
    )
    labels = np.broadcast_to(np.uint8(labels), n).copy()
    return SplatScene("s", Splats(gaussians, labels), map_from_scene=map_from_scene)


def wall(x: float, count: int = 400) -> np.ndarray:
    """Points across the way at x, 0.3 to 1.4 m high, 2 m to both sides."""
    draw = np.random.default_rng(0)
    return np.column_stack([
        np.full(count, x), draw.uniform(-1, 1, count), draw.uniform(0.3, 1.4, count)
    ])  # fmt: skip


def in_box(point: np.ndarray, pose: np.ndarray, vehicle: VehicleParameters) -> bool:
    """Written from the vehicle's description: from the rear axle, bumper to bumper."""
    to = complex(*(point[:2] - pose[:2])) * np.exp(-1j * pose[2])
    return (
        -vehicle.rear_length <= to.real <= vehicle.front_length
        and abs(to.imag) <= vehicle.width / 2
    )


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 80), spread=st.floats(1, 40))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_brute_force(seed, count, spread):
    draw = np.random.default_rng(seed)
    means = draw.uniform([-spread, -spread, -0.5], [spread, spread, 2.5], (count, 3))
    labels = draw.choice([NUMBER["road"], NUMBER["building"], NUMBER["pole"]], count)
    made = scene(means, labels, draw.choice([0.5, 0.8, 0.9], count), MAP)
    poses = np.column_stack([
        MAP[0, 3] + draw.uniform(-spread, spread, 7), MAP[1, 3] + draw.uniform(-spread, spread, 7),
        draw.uniform(-4, 4, 7),
    ])  # fmt: skip
    floor = np.full(7, 12.0)
    found = hits(collision_points(made), poses, floor=floor)
    there = made.static.gaussians.means.astype(float) @ MAP[:3, :3].T + MAP[:3, 3]
    solid = ~np.isin(labels, GROUND) & (made.static.gaussians.opacities > 0.8)
    tall = (there[:, 2] - 12 >= 0.2) & (there[:, 2] - 12 <= 1.6)
    wanted = [sum(in_box(point, pose, PACIFICA) for point in there[solid & tall]) for pose in poses]
    np.testing.assert_array_equal(found, wanted)


def test_single_steps_and_batches_agree():
    index = collision_points(scene(wall(5.0), NUMBER["building"]))
    poses = np.random.default_rng(1).uniform([-2, -1, -1], [8, 1, 1], (3, 200, 3))
    found = hits(index, poses)
    assert found.shape == (3, 200)
    assert found.max() > 0
    np.testing.assert_array_equal(found[1, 7], hits(index, poses[1, 7]))


@pytest.mark.parametrize(("count", "hit"), [(100, False), (101, True)])
def test_more_than_a_hundred(count, hit):
    index = collision_points(scene(wall(2.0, count), NUMBER["building"]))
    assert hits(index, np.zeros(3)) == count
    assert bool(collision_events(index, np.zeros((1, 3)), np.ones(1))) is hit


def test_opacity_counts_above_only():
    index = collision_points(scene(wall(2.0), NUMBER["building"], 0.8))
    assert hits(index, np.zeros(3)) == 0, "0.8 itself does not count"
    assert hits(collision_points(scene(wall(2.0), NUMBER["building"], 0.79)), np.zeros(3)) == 0
    rule = StaticCollision(opacity=0.5)
    assert hits(collision_points(scene(wall(2.0), 7, 0.79), rule), np.zeros(3)) == 400


def test_ground_and_what_hangs_above_are_passed():
    for label in GROUND:
        assert hits(collision_points(scene(wall(2.0), label)), np.zeros(3), floor=np.zeros(1)) == 0
    bridge, kerb = wall(2.0), wall(2.0)
    bridge[:, 2] += 4.0
    kerb[:, 2] *= 0.1
    for points in (bridge, kerb):
        assert hits(collision_points(scene(points, NUMBER["kerb"])), np.zeros(3)) == 0
    low = StaticCollision(low=0.0)
    assert hits(collision_points(scene(kerb, NUMBER["kerb"]), low), np.zeros(3)) == 400


def test_the_box_stands_on_the_ground_where_it_is():
    """A road that climbs by 10 %, a wall upon it 40 m away and 4 m higher."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(0, 60, 0.5), np.arange(-3, 3, 0.5)))
    road, upon = np.column_stack([x, y, 0.1 * x]), wall(42.0)
    upon[:, 2] += 4.2
    labels = np.repeat([NUMBER["road"], NUMBER["building"]], [len(road), len(upon)])
    index = collision_points(scene(np.concatenate([road, upon]), labels))
    counts = hits(index, np.array([[0.0, 0, 0], [40.0, 0, 0]]))
    assert counts[0] == 0
    assert counts[1] > 300
    assert hits(index, np.array([40.0, 0, 0]), floor=np.zeros(1)) == 0


def test_nothing_to_hit():
    index = collision_points(scene(np.zeros((0, 3)), 0))
    np.testing.assert_array_equal(hits(index, np.zeros((4, 3))), 0)
    assert hits(index, np.zeros((0, 3))).shape == (0,)
    assert len(index) == 0


def test_a_point_far_out_costs_nothing():
    means = np.concatenate([wall(2.0), [[1e12, -1e12, 1.0]], [[3e8, 3e8, 1.0]]])
    index = collision_points(scene(means, NUMBER["building"]))
    assert hits(index, np.array([0.0, 0, 0])) == 400


def test_events_of_a_drive():
    """Into a wall, on within it, back out, into it again after a second."""
    index = collision_points(scene(wall(10.0), NUMBER["building"]))
    x = np.concatenate([np.linspace(0, 7, 15), np.linspace(7, 0, 15), np.linspace(0, 7, 15)])
    poses = np.column_stack([x, 0 * x, 0 * x])
    events = collision_events(index, poses, np.full(len(x), 3.0))
    touching = np.flatnonzero(hits(index, poses) > 100)
    assert [event["step"] for event in events] == [touching[0], touching[touching > 30][0]]
    first = events[0]
    assert (first["kind"], first["actor"], first["actor_kind"]) == ("collision", "", "static")
    assert (first["side"], first["at_fault"], first["ego_speed"]) == ("front", True, 3.0)
    assert first["time"] == pytest.approx(0.1 * first["step"])
    assert first["count"] > 100


@pytest.mark.parametrize(
    ("pose", "side"),
    [
        ((-3.9, 0, 0), "front"),
        ((1.0, 0, 0), "rear"),
        ((-1, -0.9, 0), "left"),
        ((-1, 0.9, 0), "right"),
    ],
)
def test_sides(pose, side):
    points = wall(0.0) * [1, 0.1, 1]
    watch = StaticWatch(collision_points(scene(points, NUMBER["pole"])))
    assert watch.look(0, np.array(pose), 0.0)["side"] == side
    assert watch.look(1, np.array(pose), 0.0) is None, "the same contact"
    assert watch.look(8, np.array(pose), 0.0)["at_fault"] is False, "it stands"


def test_the_vehicle_counts():
    index = collision_points(scene(wall(4.0), NUMBER["building"]))
    short = replace(PACIFICA, front_length=3.0)
    assert hits(index, np.zeros(3), PACIFICA) == 400
    assert hits(index, np.zeros(3), short) == 0


def test_contacts_end_and_begin_as_the_worlds_do():
    assert collision.APART == world_events.APART
    assert collision.STANDING == world_events.STANDING


def test_boxes_of_actors():
    empty = scene(np.zeros((0, 3)), 0, map_from_scene=MAP)
    car = Actor("car", "vehicle", (4.5, 1.9, 1.6), empty.static)
    pose = np.array([[0, -1, 0, 10.0], [1, 0, 0, 20.0], [0, 0, 1, 0], [0, 0, 0, 1]])
    made = replace(empty, actors={"car": car, "van": car})
    names, boxes = actor_boxes(made, Moment({"car": pose, "nobody": pose}))
    assert names == ("car",)
    np.testing.assert_allclose(boxes, [[663_980.5, 3_998_010.25, np.pi, 4.5, 1.9]])
    assert actor_boxes(made, Moment())[1].shape == (0, 5)


def test_refused_rules():
    with pytest.raises(ValueError, match="expected opacity in"):
        StaticCollision(opacity=1.5)
    with pytest.raises(ValueError, match="low below high"):
        StaticCollision(low=2.0)


def test_speed_of_a_street():
    """200k points: a rollout of 80 poses in much less than a picture takes."""
    draw = np.random.default_rng(0)
    means = draw.uniform([-100, -100, 0], [100, 100, 10], (200_000, 3))
    index = collision_points(scene(means, NUMBER["building"]))
    poses = draw.uniform([-90, -90, -3], [90, 90, 3], (80, 3))
    begin = time.perf_counter()
    hits(index, poses)
    assert time.perf_counter() - begin < 0.5
