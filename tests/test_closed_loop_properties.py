"""What holds for every score of a driven episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from closed_loop_road import (
    LEFT,
    ONCOMING,
    RIGHT,
    car,
    junction,
    moving,
    rollout,
    scene,
    straight_road,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rigid_motion import moved_scene

from drivelab.errors import DataError
from drivelab.evaluation.summary import metric_version
from drivelab.geometry.poses import compose, rotate
from drivelab.metrics.metric import SceneScore
from drivelab.metrics.registry import METRICS, ROLLOUT_METRICS
from drivelab.metrics.rollout_metric import RolloutMetric
from drivelab.registry import load_object
from drivelab.types import Rollout, Scene, Tracks

quick = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
motions = st.tuples(st.floats(-1e5, 1e6), st.floats(-1e5, 1e6), st.floats(-np.pi, np.pi)).map(
    np.array
)
seeds = st.integers(0, 10_000)
STEPS = 81


@pytest.fixture(params=sorted(ROLLOUT_METRICS))
def metric(request: pytest.FixtureRequest) -> RolloutMetric:
    return load_object(ROLLOUT_METRICS[request.param])()


def episode(seed: int) -> tuple[Scene, Rollout]:
    """A swerving ego among others, with events: most rules find something in some of them."""
    rng = np.random.default_rng(seed)
    ego = moving(rng.uniform(0.0, 12.0), STEPS, y=rng.choice([RIGHT, LEFT]))
    ego[:, 1] += rng.uniform(0.0, 3.0) * np.sin(np.linspace(0, rng.uniform(0, 6), STEPS))
    ego[:, 2] = np.arctan2(np.gradient(ego[:, 1]), np.maximum(np.gradient(ego[:, 0]), 1e-3))
    ego[:, 5] = rng.normal(scale=1.5, size=STEPS)
    ego[:, 9] = np.gradient(ego[:, 2], 0.1)
    kinds = ("vehicle", "pedestrian", "bicycle", "traffic_cone")
    actors = {
        f"actor{n}": car(
            rng.uniform(-20, 80),
            0.0 if n == 3 else rng.uniform(0, 12),
            y=rng.choice([RIGHT, LEFT, ONCOMING]) + rng.normal(),
            yaw=rng.choice([0.0, 3.0]),
            kind=kinds[n % 4],
        )
        for n in range(8)
    }
    plans = np.zeros((9, 8, 3))
    plans[..., 0] = rng.uniform(0, 8, size=(9, 1)) * 0.5 * np.arange(1, 9)
    kinds_of_event = rng.choice(["red_light", "stop_sign", "kerb", "scenario_timeout"], 2)
    events = [{"kind": str(kind), "step": int(rng.integers(STEPS))} for kind in kinds_of_event]
    hit = {"kind": "collision", "actor_kind": "pedestrian", "ego_speed": 3.0, "impact_speed": 3.0}
    events.append({**hit, "step": int(rng.integers(STEPS)), "actor": "actor1"})
    world = scene(straight_road([junction(60.0)]))
    facts: dict[str, Any] = {
        "off_lane": rng.random(STEPS) < 0.1,
        "route_completion": rng.uniform(),
        "v_ref": 10.0,
        "scenario_kinds": ("SignalizedJunctionLeftTurn",),
    }
    steps = tuple(range(0, STEPS, 9))
    driven = rollout(
        ego,
        actors,
        expert=moving(8.0, STEPS + 20),
        plans=plans,
        plan_steps=steps,
        events=events,
        **facts,
    )
    return world, driven


def moved_rollout(driven: Rollout, motion: np.ndarray) -> Rollout:
    ego = driven.ego.copy()
    ego[:, :3] = compose(motion, ego[:, :3])
    tracks = driven.tracks
    info = {**driven.info, "expert": compose(motion, np.asarray(driven.info["expert"]))}
    moved = replace(
        tracks,
        poses=compose(motion, tracks.poses),
        velocities=rotate(tracks.velocities, float(motion[2])),
    )
    route = None if driven.route is None else compose(motion, driven.route)
    return replace(driven, ego=ego, tracks=moved, info=info, route=route)


def assert_equal(here: SceneScore, there: SceneScore) -> None:
    assert there.score == pytest.approx(here.score, abs=1e-6)
    for name, value in here.subscores.items():
        assert there.subscores[name] == pytest.approx(value, abs=1e-5, nan_ok=True), name


@quick
@given(seed=seeds, motion=motions)
def test_rigid_motion_changes_no_score(
    metric: RolloutMetric, seed: int, motion: np.ndarray
) -> None:
    world, driven = episode(seed)
    here = metric.score(world, driven)
    there = metric.score(moved_scene(world, motion), moved_rollout(driven, motion))
    assert_equal(here, there)
    assert [(e.kind, e.step, e.actor) for e in there.events] == [
        (e.kind, e.step, e.actor) for e in here.events
    ]


@quick
@given(seed=seeds)
def test_order_of_tracks_and_far_actors_change_nothing(metric: RolloutMetric, seed: int) -> None:
    world, driven = episode(seed)
    here = metric.score(world, driven)
    order = np.random.default_rng(seed).permutation(len(driven.tracks))
    assert_equal(here, metric.score(world, replace(driven, tracks=driven.tracks.reorder(order))))
    assert_equal(here, metric.score(world, replace(driven, tracks=with_far_actor(driven.tracks))))


def with_far_actor(tracks: Tracks) -> Tracks:
    frames = len(tracks.valid)
    pose, velocity = np.full((frames, 1, 3), 5000.0), np.zeros((frames, 1, 2))
    return Tracks(
        (*tracks.ids, "far"),
        (*tracks.kinds, "vehicle"),
        np.vstack([tracks.sizes, [[4.0, 2.0]]]),
        np.concatenate([tracks.poses, pose], 1),
        np.concatenate([tracks.velocities, velocity], 1),
        np.concatenate([tracks.valid, np.ones((frames, 1), bool)], 1),
        tracks.dt,
    )


def test_absent_boxes_are_not_there(metric: RolloutMetric) -> None:
    world, driven = episode(1)
    gone = driven.tracks.valid.copy()
    gone[:, :4] = False
    tracks = replace(driven.tracks, valid=gone)
    kept = driven.tracks.take(np.arange(len(driven.tracks)) >= 4)
    with_gaps = metric.score(world, replace(driven, tracks=tracks))
    assert_equal(with_gaps, metric.score(world, replace(driven, tracks=kept)))


def test_scoring_twice_gives_the_same_and_changes_nothing(metric: RolloutMetric) -> None:
    world, driven = episode(2)
    before = driven.ego.copy(), driven.tracks.poses.copy()
    first, second = metric.score(world, driven), metric.score(world, driven)
    assert first.score == second.score
    assert first.events == second.events
    np.testing.assert_array_equal(driven.ego, before[0])
    np.testing.assert_array_equal(driven.tracks.poses, before[1])
    assert first.states is driven.ego


def test_registry_names_metrics_as_they_call_themselves() -> None:
    assert not ROLLOUT_METRICS.keys() & METRICS.keys()
    for name, target in ROLLOUT_METRICS.items():
        metric = load_object(target)()
        assert isinstance(metric, RolloutMetric)
        assert metric.name == name
        assert metric_version(name)


def test_rows_aggregate(metric: RolloutMetric) -> None:
    rows = []
    for seed in range(3):
        world, driven = episode(seed)
        result = metric.score(world, driven)
        assert tuple(result.subscores) == metric.subscores
        assert not set(result.details) & {*metric.subscores, "score"}
        rows.append(
            {"scene": f"{seed}", "score": result.score, **result.subscores, **result.details}
        )
    assert metric.finish(rows, lambda scene: np.zeros((1, 11))) == rows
    run = metric.aggregate(rows)
    assert run["score"] == pytest.approx(np.mean([row["score"] for row in rows]))
    assert set(metric.subscores) <= set(run)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_short_episodes_have_a_score(metric: RolloutMetric, count: int) -> None:
    ego = moving(8.0, count)
    plan = np.zeros((1, 8, 3))
    plan[0, :, 0] = 4.0 * np.arange(1, 9)
    cut = rollout(ego, expert=moving(8.0, STEPS), plans=plan, plan_steps=(0,), v_ref=8.0)
    result = metric.score(scene(), cut)
    assert np.isfinite(result.score)
    assert result.events == ()


def test_missing_inputs_are_named(metric: RolloutMetric) -> None:
    world, driven = episode(3)
    for name in metric.inputs:
        if name in ("plans", "route"):
            bare = replace(driven, **{name: None})
        else:
            kept: Mapping[str, Any] = {k: v for k, v in driven.info.items() if k != name}
            bare = replace(driven, info=kept)
        with pytest.raises(DataError, match=f"{metric.name} needs '{name}'"):
            metric.score(world, bare)


def test_rollouts_that_cannot_be_read_are_refused(metric: RolloutMetric) -> None:
    world, driven = episode(4)
    with pytest.raises(DataError, match="the scene 'other'"):
        metric.score(replace(world, id="other"), driven)


@pytest.mark.parametrize("name", ["nuplan_cls_nr_v1.2", "rad9_v2", "alpasim_v1", "hugsim_hd_v1"])
def test_broken_states_are_refused(name: str) -> None:
    metric = load_object(ROLLOUT_METRICS[name])()
    world, driven = episode(5)
    slow = replace(driven, times=2 * driven.times)
    with pytest.raises(DataError, match="10 Hz"):
        metric.score(world, slow)
    ego = driven.ego.copy()
    ego[7, 3] = np.nan
    with pytest.raises(DataError, match="step 7"):
        metric.score(world, replace(driven, ego=ego))
    poses = driven.tracks.poses.copy()
    poses[4, 2] = np.inf
    with pytest.raises(DataError, match="actor2"):
        metric.score(world, replace(driven, tracks=replace(driven.tracks, poses=poses)))
