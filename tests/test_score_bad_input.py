"""Numbers that no score can be made of: one clear error, never a crash or a silent score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import shapely
from golden_worlds import archive, golden_scene

from drivelab.errors import DataError, PlanError
from drivelab.kernels.polygons import polygon_contains, ring_meets_polygon
from drivelab.maps.drivable import polygon_arrays
from drivelab.metrics.metric import Metric
from drivelab.metrics.metric_names import find_metric
from drivelab.metrics.navsim.prepared import human_plan
from drivelab.metrics.navsim.rules import PLAN_DT
from drivelab.metrics.registry import METRICS
from drivelab.types import Scene

STRAIGHT = np.stack([np.arange(1.0, 9.0), np.zeros(8), np.zeros(8)], 1)


@pytest.fixture(params=sorted(METRICS))
def metric(request: pytest.FixtureRequest) -> Metric:
    return find_metric(request.param)


@pytest.fixture
def scene() -> Scene:
    """The first golden scene with at least one box now."""
    indices = (case["scene_index"] for case in archive().cases)
    scenes = (golden_scene(index) for index in indices)
    return next(scene for scene in scenes if scene.tracks.valid[scene.now].any())


@pytest.mark.parametrize("value", [np.nan, 1e150, 1e200, 1e300])
def test_plan_that_overflows_is_refused(metric: Metric, scene: Scene, value: float) -> None:
    with pytest.raises(PlanError, match="plan 1 cannot be simulated"):
        metric.score(metric.prepare(scene), np.stack([STRAIGHT, STRAIGHT * value]), PLAN_DT)


@pytest.mark.parametrize(
    ("plans", "dt"),
    [
        (np.zeros((1, 0, 3)), PLAN_DT),
        (np.zeros((1, 8, 4)), PLAN_DT),
        (np.zeros((8, 3)), PLAN_DT),
        (STRAIGHT[None], 0.0),
        (STRAIGHT[None], -0.5),
        (STRAIGHT[None], np.nan),
    ],
)
def test_plan_of_another_form_is_refused(
    metric: Metric, scene: Scene, plans: np.ndarray, dt: float
) -> None:
    with pytest.raises(PlanError, match="plans have shape"):
        metric.score(metric.prepare(scene), plans, dt)


def _ego(field: str, offset: int) -> Callable[[Scene], Scene]:
    def spoil(scene: Scene) -> Scene:
        values = getattr(scene.ego, field).copy()
        values[scene.now + offset, 0] = np.nan
        return replace(scene, ego=replace(scene.ego, **{field: values}))

    return spoil


def _track(field: str, value: float) -> Callable[[Scene], Scene]:
    def spoil(scene: Scene) -> Scene:
        values = getattr(scene.tracks, field).copy()
        track = int(np.argmax(scene.tracks.valid[scene.now]))
        place = track if field == "sizes" else (scene.now, track)
        values[place] = value
        return replace(scene, tracks=replace(scene.tracks, **{field: values}))

    return spoil


def _spacing(dt: float) -> Callable[[Scene], Scene]:
    return lambda scene: replace(scene, tracks=replace(scene.tracks, dt=dt))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_ego("poses", 0), "ego state is not finite"),
        (_ego("poses", 2), "ego state is not finite"),
        (_ego("velocities", -1), "ego state is not finite"),
        (_track("poses", np.nan), "pose of track .* is not finite"),
        (_track("velocities", np.inf), "velocity of track .* is not finite"),
        (_track("sizes", np.nan), "size of track"),
        (_track("sizes", np.inf), "size of track"),
        (_track("sizes", -1.0), "size of track"),
        (_spacing(0.05), "0.05 s apart"),
        (_spacing(0.2), "0.2 s apart"),
        (_spacing(1.0), "1 s apart"),
    ],
)
def test_scene_with_broken_numbers_is_refused(
    metric: Metric, scene: Scene, spoil: Callable[[Scene], Scene], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        metric.prepare(spoil(scene))


@pytest.mark.parametrize("point", [(np.nan, 0.5), (0.5, np.nan), (np.nan, np.nan), (np.inf, 0.5)])
def test_no_polygon_holds_a_point_that_is_none(point: tuple[float, float]) -> None:
    circle = shapely.Point(0.0, 0.0).buffer(1.0, quad_segs=64)
    polygons = polygon_arrays([circle], np.zeros(2))
    assert not polygon_contains(polygons, 0, *point)
    assert not ring_meets_polygon(polygons, 0, np.full((4, 2), np.nan))


def test_scene_without_a_recorded_ego_is_scored_without_the_human(
    metric: Metric, scene: Scene
) -> None:
    fields = ("poses", "velocities", "accelerations")
    ego = replace(scene.ego, **{name: getattr(scene.ego, name).copy() for name in fields})
    for name in fields:
        getattr(ego, name)[scene.now + 1 :] = np.nan
    unknown = replace(scene, ego=ego)
    assert human_plan(scene) is not None
    assert human_plan(unknown) is None
    score = metric.score(metric.prepare(unknown), STRAIGHT[None], PLAN_DT)[0]
    assert np.isfinite(score.score)
