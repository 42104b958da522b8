"""HUGSIM's HD-Score: the golden case, and plans whose score can be worked out by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closed_loop_road import RIGHT, car, moving, rollout, scene, straight_plan

from drivelab.metrics.closed_loop.hugsim import corrected, frame_score, hd_score, published
from drivelab.metrics.metric import SceneScore

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
CASES = json.loads((GOLDEN / "closed_loop" / "cases.json").read_text())


def test_golden_hd_score() -> None:
    case = CASES["hugsim_hdscore"]
    frames = [[float(value) for value in frame] for frame in case["frames(nc,dac,ttc,c)"]]
    mean = np.mean([frame_score(*frame) for frame in frames])
    assert mean == pytest.approx(case["mean_pdms"], abs=1e-6)
    assert hd_score(frames, case["rc"]) == pytest.approx(case["hdscore"], abs=1e-6)


def test_hd_score_of_a_free_road() -> None:
    # Two plans at 8 m/s, all free; half of the route driven: 0.5 / 0.9 of what counts as all.
    plans = np.stack([straight_plan(8.0)] * 2)
    free = rollout(moving(8.0, 81), plans=plans, plan_steps=(0, 40), route_completion=0.5)
    result = published().score(scene(), free)
    assert result.score == pytest.approx(0.5 / 0.9)
    assert result.events == ()


def test_hd_score_of_plans_into_a_car() -> None:
    # A car's tail stands at 28 m. Plan 0 reaches the bumper position 4.049 + 32 m: hits, 0.
    # Plan 1, made at step 0 as well, ends after 4 x 0.5 s at 4.049 + 8 x 2 = 20.049 m; pushed on
    # by 1 s of 8 m/s it is at 28.049 m: NC 1, TTC 0, so 2/7. Mean 1/7.
    stand = np.array([[4.0, 0, 0], [8.0, 0, 0], [12.0, 0, 0], [16.0, 0, 0]])
    braking = np.concatenate([stand, np.repeat(stand[-1:], 4, 0)])
    actors = {"car": car(30.0)}
    both = rollout(
        moving(1.0, 81), actors, plans=np.stack([straight_plan(8.0), braking]), plan_steps=(0, 0)
    )
    result = published().score(scene(), both)
    assert result.subscores["nc"] == 0.5
    assert result.subscores["ttc"] == 0.0
    # The second plan stops from 8 m/s within 0.5 s: -16 m/s^2, not comfortable either: 0.
    assert result.subscores["comfort"] == 0.5
    assert result.score == 0.0
    # Without the stop (half the horizon) comfort holds: s = (5 x 0 + 2 x 1) / 7.
    short = rollout(moving(1.0, 81), actors, plans=stand[None], plan_steps=(0,))
    assert published().score(scene(), short).score == pytest.approx(2 / 7)


@pytest.mark.parametrize(("y", "dac"), [(RIGHT, 1.0), (-3.0, 1.0), (-4.0, 1.0), (-4.2, 0.0)])
def test_hd_score_counts_cells_with_ground(y: float, dac: float) -> None:
    # The cells' centres lie 1.1485 / 2 = 0.574 m beside the axle, the border at y = -3.5. Astride
    # of it half the cells have ground (1/2 is not below 0.5); from y = -4.07 on none has.
    ego = moving(8.0, 81, y=y)
    result = published().score(
        scene(), rollout(ego, plans=straight_plan(8.0)[None], plan_steps=(0,))
    )
    assert result.subscores["dac"] == dac


def test_hd_score_never_sees_lateral_acceleration_as_published() -> None:
    # 10 m/s on an arc of 0.6 rad/s is 6 m/s^2 across: above 4.89, the yaw rate below 0.95.
    yaw = 0.3 * np.arange(9)
    plan = np.zeros((9, 3))
    plan[:, 0], plan[:, 1], plan[:, 2] = np.sin(yaw) / 0.06, (1 - np.cos(yaw)) / 0.06, yaw
    turning = rollout(moving(1.0, 81), plans=plan[None, 1:], plan_steps=(0,))
    assert published().score(scene(), turning).subscores["comfort"] == 1.0
    assert corrected().score(scene(), turning).subscores["comfort"] == 0.0


def plan_of(speeds: Sequence[float], rates: Sequence[float] = ()) -> np.ndarray:
    """A plan of poses 0.5 s apart with these speeds [m/s] and yaw rates [rad/s] in between."""
    yaw = 0.5 * np.cumsum(np.resize(rates or [0.0], len(speeds)))
    steps = 0.5 * np.array(speeds)[:, None] * np.column_stack([np.cos(yaw), np.sin(yaw)])
    return np.column_stack([np.cumsum(steps, axis=0), yaw])


def judged(*plans: np.ndarray, **info: Any) -> SceneScore:
    """Plans made at the first step of a drive on the free road."""
    driven = rollout(moving(1.0, 81), plans=np.stack(plans), plan_steps=(0,) * len(plans), **info)
    return published().score(scene(), driven)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (plan_of([8.0, 9.15, 10.3]), plan_of([8.0, 9.25, 10.5])),  # 2.3 and 2.5 of 2.40 m/s^2
        (plan_of([8.0, 6.0, 4.0]), plan_of([8.0, 5.95, 3.9])),  # -4.0 and -4.1 of -4.05 m/s^2
        # From 0 and from 0.3 to -4.0 m/s^2: 8.0 and 8.6 of 8.37 m/s^3
        (plan_of([8.0, 8.0, 6.0]), plan_of([8.0, 8.15, 6.15])),
        (plan_of([2.0] * 3, [0.94]), plan_of([2.0] * 3, [0.96])),  # of 0.95 rad/s
        # From 0 and from -0.1 to 0.9 rad/s: 1.8 and 2.0 of 1.93 rad/s^2
        (plan_of([2.0] * 3, [0.0, 0.9, 0.9]), plan_of([2.0] * 3, [-0.1, 0.9, 0.9])),
    ],
    ids=["speeding up", "braking", "jerk", "yaw rate", "yaw acceleration"],
)
def test_hd_score_asks_five_things_of_a_comfortable_plan(
    within: np.ndarray, beyond: np.ndarray
) -> None:
    assert judged(within).score == 1.0
    assert judged(beyond).score == pytest.approx(5 / 7)  # TTC alone


@pytest.mark.parametrize(("ahead", "comfort"), [(0.98, 1.0), (1.02, 0.0)])
def test_hd_score_takes_no_headings_of_plans_that_stand(ahead: float, comfort: float) -> None:
    # 1 rad within 0.5 s is too much, but a plan that ends within 1 m keeps its first heading.
    plan = np.array([[ahead / 2, 0.0, 1.0], [ahead, 0.0, 1.0]])
    assert judged(plan).subscores["comfort"] == comfort


def test_hd_score_counts_nine_tenths_of_the_route_as_all() -> None:
    plan = straight_plan(8.0)
    assert judged(plan, route_completion=0.89).score == pytest.approx(0.89 / 0.9)
    assert judged(plan, route_completion=0.95).score == 1.0


def test_hd_score_takes_the_worst_pose_of_each_plan() -> None:
    # The second plan drifts by 2.45 m to y = -4.2, where no cell has ground: 0. The mean is 1/2.
    aside = straight_plan(8.0)
    aside[:, 1] = -2.45 * np.arange(1, 9) / 8
    result = judged(straight_plan(8.0), aside)
    assert (result.subscores["dac"], result.subscores["comfort"]) == (0.5, 1.0)
    assert result.score == pytest.approx(0.5)


@pytest.mark.parametrize(("x", "ttc"), [(10.0, 0.0), (7.3 + 10.0, 1.0)])
def test_hd_score_looks_half_a_second_ahead_too(x: float, ttc: float) -> None:
    # A box of 1 m is there from 0.5 s on. The plan is then at 4 m, its bumper at 8.049 m; pushed on
    # by 0.5 s it covers 6.873 to 12.049 m, by 1 s 10.873 to 16.049 m.
    box = {"box": car(x, size=(1.0, 1.0))}
    late = rollout(moving(1.0, 81), box, plans=straight_plan(8.0, 1)[None], plan_steps=(0,))
    late.tracks.valid[:5] = False
    parts = published().score(scene(), late).subscores
    assert (parts["nc"], parts["ttc"]) == (1.0, ttc)
