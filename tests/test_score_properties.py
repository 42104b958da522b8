"""What must hold for any scene: rigid motion, batch = loop, fewer actors are never worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from golden_worlds import archive, golden_scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rigid_motion import moved_scene

from drivelab.errors import DataError
from drivelab.geometry.boxes import box_polygon, ego_boxes
from drivelab.geometry.poses import relative
from drivelab.metrics.metric import Metric
from drivelab.metrics.metric_names import find_metric
from drivelab.metrics.navsim.pdm_closed.forecast import HELD, forecast_objects
from drivelab.metrics.navsim.pdm_closed.planner import plan_pdm_closed
from drivelab.metrics.navsim.prepared import prepare
from drivelab.metrics.navsim.route_context import route_context
from drivelab.metrics.navsim.rules import EPDMS_V2_2, PDMS_V1_1, PLAN_DT, STATES, NavsimRules
from drivelab.metrics.navsim.subscores import score_states
from drivelab.metrics.registry import METRICS
from drivelab.types import EgoTrajectory, Scene

CASES = archive().cases
PLANS = archive().case_arrays["poses"]
cases = st.integers(0, len(CASES) - 1)
quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
motions = st.tuples(st.floats(-1e6, 5e6), st.floats(-1e6, 5e6), st.floats(-np.pi, np.pi)).map(
    np.array
)


@pytest.fixture(params=sorted(METRICS))
def metric(request: pytest.FixtureRequest) -> Metric:
    return find_metric(request.param)


@quick
@given(index=cases, motion=motions)
def test_rigid_motion_changes_no_score(metric: Metric, index: int, motion: np.ndarray) -> None:
    scene = golden_scene(CASES[index]["scene_index"])
    moved = moved_scene(scene, motion)
    plan = PLANS[index][None]
    here = metric.score(metric.prepare(scene), plan, PLAN_DT)[0]
    there = metric.score(metric.prepare(moved), plan, PLAN_DT)[0]
    same_reference = reference_moves_along(scene, moved, motion)
    for name, value in here.subscores.items():
        if name != "ego_progress" or same_reference:
            assert there.subscores[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    if same_reference:
        assert there.score == pytest.approx(here.score, abs=1e-6)
    assert [(e.kind, e.step, e.actor) for e in there.events] == [
        (e.kind, e.step, e.actor) for e in here.events
    ]


def reference_moves_along(scene: Scene, moved: Scene, motion: np.ndarray) -> bool:
    """Whether PDM-Closed makes the moved proposals; where not, the official tie rule must be why.

    Among objects at equal distance the official planner takes the first in the order of a spatial
    tree, which depends on the axes of the map. That needs two objects on top of the ego box.
    """
    before = plan_pdm_closed(scene, route_context(scene), PDMS_V1_1).proposals
    after = plan_pdm_closed(moved, route_context(moved), PDMS_V1_1).proposals
    gap = np.abs(relative(motion, after) - before)[..., :2].max(-1)
    differing = np.argwhere(gap > 1e-6)
    if not len(differing):
        return True
    box = ego_boxes(scene.ego.poses[scene.now], scene.vehicle)
    forecast = forecast_objects(scene, np.zeros(2), box[:2], box_polygon(box), [])
    # The five speeds of a path share one record of the leading object, so a tie reaches them all.
    for path in np.unique(differing[:, 0] // 5):
        overlaps = []
        for poses in before[5 * path : 5 * path + 5]:
            for step in range(2, STATES, 2):
                ego = box_polygon(ego_boxes(poses[step - 1], scene.vehicle))
                shapes = forecast.shapes[step // HELD][~forecast.ignored]
                overlaps.append(int(shapely.intersects(ego, shapes).sum()))
        assert max(overlaps) >= 2, f"path {path} moved without a tie"
    return False


@quick
@given(index=cases, others=st.lists(cases, min_size=1, max_size=5), at=st.integers(0, 5))
def test_a_batch_gives_what_a_loop_gives(
    metric: Metric, index: int, others: list[int], at: int
) -> None:
    prepared = metric.prepare(golden_scene(CASES[index]["scene_index"]))
    order = [*others[:at], index, *others[at:]]
    batch = metric.score(prepared, PLANS[order], PLAN_DT)
    for plan, together in zip(order, batch, strict=True):
        alone = metric.score(prepared, PLANS[plan][None], PLAN_DT)[0]
        assert alone.score == together.score
        np.testing.assert_equal(dict(alone.subscores), dict(together.subscores))
        np.testing.assert_array_equal(alone.states, together.states)
        np.testing.assert_equal(dict(alone.details), dict(together.details))


@pytest.mark.parametrize("rules", [PDMS_V1_1, EPDMS_V2_2], ids=["v1.1", "v2.2"])
@quick
@given(index=cases, data=st.data())
def test_removing_an_actor_never_lowers_nc_or_ttc(
    rules: NavsimRules, index: int, data: st.DataObject
) -> None:
    prepared = prepare(golden_scene(CASES[index]["scene_index"]), rules)
    around = prepared.around
    count = len(around.objects.ids)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    fewer = replace(around, objects=around.objects.take(keep), ignored=around.ignored[keep])
    states = prepared.simulate(PLANS[index][None], PLAN_DT)
    full, thinned = score_states(states, around, rules), score_states(states, fewer, rules)
    assert thinned.no_collision[0] >= full.no_collision[0]
    assert thinned.ttc[0] >= full.ttc[0]


def test_first_event_lies_where_the_golden_case_says() -> None:
    metric = find_metric("pdms_v1.1")
    hits = 0
    for index, case in enumerate(CASES):
        want = case["v1"]["collision_time_idx"]
        if want is None:
            continue
        prepared = metric.prepare(golden_scene(case["scene_index"]))
        score = metric.score(prepared, PLANS[index][None], PLAN_DT)[0]
        event = next(event for event in score.events if event.kind == "collision")
        assert event.step == want
        assert event.margin <= 0.0
        assert event.actor in dict(case["v1"]["collision_types"])
        hits += 1
    assert hits > 0


def test_an_empty_route_is_named() -> None:
    scene = replace(golden_scene(0), route=())
    with pytest.raises(DataError, match="route is empty"):
        prepare(scene, PDMS_V1_1)


def test_a_route_outside_the_map_is_named() -> None:
    scene = replace(golden_scene(0), route=("nowhere",))
    with pytest.raises(DataError, match="0 of them in the map"):
        prepare(scene, PDMS_V1_1)


def test_a_nan_ego_is_named() -> None:
    scene = golden_scene(0)
    poses = scene.ego.poses.copy()
    poses[scene.now, 1] = np.nan
    ego = EgoTrajectory(scene.ego.times, poses, scene.ego.velocities, scene.ego.accelerations)
    with pytest.raises(DataError, match=f"ego, frame {scene.now}"):
        prepare(replace(scene, ego=ego), PDMS_V1_1)


def test_a_scene_without_other_actors_scores() -> None:
    scene = golden_scene(0)
    alone = replace(scene, tracks=scene.tracks.take(np.zeros(len(scene.tracks), bool)))
    for name in METRICS:
        metric = find_metric(name)
        score = metric.score(metric.prepare(alone), PLANS[0][None], PLAN_DT)[0]
        assert score.subscores["no_at_fault_collisions"] == 1.0
        assert score.subscores["time_to_collision_within_bound"] == 1.0


def test_the_official_tie_rule_is_the_only_thing_that_turns_with_the_map() -> None:
    """Every golden scene under one motion: all proposals move along, or a tie is proven."""
    motion = np.array([1234.5, -987.6, 1.234])
    ties = 0
    for index in range(len(archive().scenes)):
        scene = golden_scene(index)
        ties += not reference_moves_along(scene, moved_scene(scene, motion), motion)
    assert ties <= len(archive().scenes) // 10
