"""Reactive vehicles: they brake for the ego, keep the recording otherwise, and stop at red."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from drivelab.metrics.metric_names import find_metric
from drivelab.metrics.navsim.observation import recorded_objects
from drivelab.metrics.navsim.reactive import find_drivers, reactive_objects
from drivelab.types import Block, EgoTrajectory, Lane, LaneMap, Scene, Tracks

FRAMES, NOW = 14, 3


def straight_scene(follower_speed: float, red: bool = False) -> Scene:
    """A 400 m lane along x, the ego standing at x = 100, a car 40 m behind it."""

    def lane(name: str, x0: float, x1: float, connector: bool) -> Lane:
        x = np.arange(x0, x1 + 1.0)
        return Lane(
            name,
            np.column_stack([x, 0 * x, 0 * x]),
            shapely.box(x0, -2, x1, 2),
            connector=connector,
            block=f"block_{name}",
            speed_limit=15.0,
            successors=("b",) if name == "a" else (),
            predecessors=("a",) if name == "b" else (),
        )

    lanes = {"a": lane("a", 0.0, 80.0, False), "b": lane("b", 80.0, 400.0, True)}
    blocks = {
        f"block_{n}": Block(f"block_{n}", (n,), part.polygon, part.connector)
        for n, part in lanes.items()
    }
    times = 500_000 * (np.arange(FRAMES) - NOW)
    ego = np.tile([100.0, 0.0, 0.0], (FRAMES, 1))
    seconds = times * 1e-6
    poses = np.zeros((FRAMES, 1, 3))
    poses[:, 0, 0] = 60.0 + follower_speed * seconds
    velocities = np.zeros((FRAMES, 1, 2))
    velocities[..., 0] = follower_speed
    return Scene(
        id="straight",
        source="test",
        log="straight",
        map=LaneMap("straight", lanes, blocks),
        ego=EgoTrajectory(times, ego, np.zeros((FRAMES, 2)), np.zeros((FRAMES, 2))),
        now=NOW,
        tracks=Tracks(
            ("car",),
            ("vehicle",),
            np.array([[4.0, 2.0]]),
            poses,
            velocities,
            np.ones((FRAMES, 1), bool),
            0.5,
        ),
        route=("block_a", "block_b"),
        red_lights=tuple(("b",) if red else () for _ in range(FRAMES)),
    )


def simulate(scene: Scene) -> np.ndarray:
    origin = np.zeros(2)
    objects = recorded_objects(scene, 4.0, origin)
    drivers = find_drivers(scene, objects, origin)
    ego = np.tile([101.461, 0.0, 1.0, 0.0, 2.588, 1.1485], (41, 1))
    return reactive_objects(objects, drivers, ego).boxes


def test_a_follower_brakes_for_the_ego_that_the_recording_runs_into() -> None:
    scene = straight_scene(12.0)
    recorded = recorded_objects(scene, 4.0, np.zeros(2)).boxes
    assert recorded[-1, 0, 0] + 2.0 > 100.0  # the recording drives through the ego
    boxes = simulate(scene)
    gap = 101.461 - 2.588 - (boxes[:, 0, 0] + 2.0)
    assert (gap > 0.0).all()
    assert (np.diff(boxes[:, 0, 0]) >= 0.0).all()


def test_a_red_light_stops_the_follower_before_the_connector() -> None:
    boxes = simulate(straight_scene(5.0, red=True))
    assert boxes[-1, 0, 0] + 2.0 <= 80.0
    free = simulate(straight_scene(5.0, red=False))
    assert free[-1, 0, 0] > boxes[-1, 0, 0]


def test_a_parked_car_keeps_its_recording() -> None:
    scene = straight_scene(0.0)
    np.testing.assert_array_equal(simulate(scene)[:, 0], np.tile([60, 0, 1, 0, 2, 1], (41, 1)))


def test_reactive_epdms_judges_what_replay_punishes() -> None:
    """Rear-ended by the replayed car the standing ego is not at fault, so compare moving ones."""
    scene = straight_scene(12.0)
    metric = find_metric("epdms_v2.2_reactive")
    score = metric.score(metric.prepare(scene), np.zeros((1, 8, 3)), 0.5)[0]
    assert score.details["smallest_gap"] > 0.0
    replay = find_metric("epdms_v2.2")
    hit = replay.score(replay.prepare(scene), np.zeros((1, 8, 3)), 0.5)[0]
    assert hit.details["smallest_gap"] < 0.0
    assert score.subscores["time_to_collision_within_bound"] == pytest.approx(1.0)
