"""HUGSIM's HD-Score, NeuroNCAP and AlpaSim: golden cases and episodes worked out by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from closed_loop_road import FRONT, REAR, RIGHT, car, moving, rollout, scene

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.alpasim import AlpaSim
from drivelab.metrics.closed_loop.hugsim import corrected, frame_score, hd_score, published
from drivelab.metrics.closed_loop.neuroncap import NeuroNcap, ncap_score

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
CASES = json.loads((GOLDEN / "closed_loop" / "cases.json").read_text())


def test_golden_hd_score() -> None:
    case = CASES["hugsim_hdscore"]
    frames = [[float(value) for value in frame] for frame in case["frames(nc,dac,ttc,c)"]]
    mean = np.mean([frame_score(*frame) for frame in frames])
    assert mean == pytest.approx(case["mean_pdms"], abs=1e-6)
    assert hd_score(frames, case["rc"]) == pytest.approx(case["hdscore"], abs=1e-6)


@pytest.mark.parametrize("index", range(len(CASES["neuroncap"])))
def test_golden_ncap_scores(index: int) -> None:
    case = CASES["neuroncap"][index]
    speed, reference = float(case["v_impact"]), float(case["v_ref"])
    # A standing car 20 m ahead is met at the impact speed; without a collision it stands aside.
    actors = {"car": car(20.0, y=RIGHT if case["collided"] else RIGHT + 5.0)}
    start = 18.0 - FRONT if case["collided"] and speed == 0.0 else 0.0
    ego = moving(speed, 81, x=start)
    result = NeuroNcap().score(scene(), rollout(ego, actors, v_ref=reference))
    assert result.score == pytest.approx(case["score"], abs=1e-6)
    if case["collided"]:
        assert ncap_score(speed, reference) == pytest.approx(case["score"], abs=1e-6)


def test_ncap_measures_the_relative_speed() -> None:
    # 8 m/s into the tail of a car that drives 5 m/s: impact 3 m/s, 4 (1 - 3/10) = 2.8.
    lead = rollout(moving(8.0, 81), {"lead": car(15.0, 5.0)}, v_ref=10.0)
    result = NeuroNcap().score(scene(), lead)
    assert result.score == pytest.approx(2.8)
    assert result.subscores == {"collision_rate": 1.0, "impact_speed": pytest.approx(3.0)}
    # Head on: 8 + 5 = 13 m/s, more than the reference: 0.
    ghost = rollout(moving(8.0, 81), {"ghost": car(40.0, 5.0, yaw=np.pi)}, v_ref=10.0)
    assert NeuroNcap().score(scene(), ghost).score == 0.0
    # Pedestrians and cones are not looked at.
    cone = rollout(moving(8.0, 81), {"cone": car(20.0, kind="traffic_cone")}, v_ref=10.0)
    assert NeuroNcap().score(scene(), cone).score == 5.0
    with pytest.raises(DataError, match="above 0"):
        NeuroNcap().score(scene(), rollout(moving(8.0, 81), v_ref=0.0))


def straight_plan(speed: float, count: int = 8, dt: float = 0.5) -> np.ndarray:
    plan = np.zeros((count, 3))
    plan[:, 0] = speed * dt * np.arange(1, count + 1)
    return plan


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


def plans_of(ego: np.ndarray, speed: float, count: int = 50, dt: float = 0.1) -> dict[str, object]:
    steps = tuple(range(0, len(ego), 5))
    plans = np.stack([straight_plan(speed, count, dt)] * len(steps))
    return {"plans": plans, "plan_steps": steps, "plan_dt": dt}


def test_alpasim_of_a_perfect_replay() -> None:
    ego = moving(8.0, 81)
    result = AlpaSim().score(scene(), rollout(ego, {"far": car(100.0)}, **plans_of(ego, 8.0)))
    assert result.score == 1.0
    parts = result.subscores
    assert parts["relative_progress"] == pytest.approx(1.0)
    # The far car's tail at 98 m, the bumper at the end at 64 + 4.049 m.
    assert parts["min_distance_to_obstacle"] == pytest.approx(98.0 - 64.0 - FRONT)
    assert parts["distance_to_recorded_path"] == pytest.approx(0.0)
    for name in ("min_ade_0.5s", "min_ade_5s", "plan_deviation", "open_loop_collision"):
        assert parts[name] == pytest.approx(0.0, abs=1e-9)


def test_alpasim_progress_and_plans() -> None:
    # The ego drives 4 m/s, the record 8 m/s: 32 of 64 m = 0.5; 0.5 / 0.8 = 0.625.
    ego = moving(4.0, 81)
    plans = plans_of(ego, 8.0)
    result = AlpaSim().score(scene(), rollout(ego, expert=moving(8.0, 81), **plans))
    assert result.score == pytest.approx(0.625)
    parts = result.subscores
    # Plans of 8 m/s against 4 m/s driven: 0.4 m apart after 0.1 s, 0.8, ...: mean over n steps is
    # 0.4 (n + 1) / 2.
    assert parts["min_ade_0.5s"] == pytest.approx(0.4 * 6 / 2)
    assert parts["min_ade_5s"] == pytest.approx(0.4 * 51 / 2)
    # Each plan starts 2 m (0.5 s x 4 m/s) ahead, the one before would be 4 m ahead: 2 m apart.
    assert parts["plan_deviation"] == pytest.approx(2.0)
    assert parts["distance_to_recorded_place"] == pytest.approx(32.0)


def test_alpasim_failures() -> None:
    ego = moving(8.0, 81)
    wall = rollout(ego, {"wall": car(30.0)}, **plans_of(ego, 8.0))
    result = AlpaSim().score(scene(), wall)
    assert result.score == 0.0
    assert result.subscores["collision_front"] == result.subscores["collision_at_fault"] == 1.0
    assert result.events[0].step == 30
    # Plans at steps 0, 5, ..., 30 (the contact): within 3 s the bumper covers 24 m of the 23.951 m
    # to the tail, so all seven run into it.
    assert result.subscores["open_loop_collision"] == 1.0
    # Hit from behind: not at fault, but nothing counts afterwards. The nose at -8 m closes 0.4 m a
    # step on the tail at -1.127 m: step 18 (7.2 m > 6.873 m). Progress 18 x 0.8 = 14.4 of 64 m.
    rear = rollout(ego, {"late": car(-10.0, 12.0)}, **plans_of(ego, 8.0))
    behind = AlpaSim().score(scene(), rear)
    assert behind.subscores["collision_rear"] == 1.0
    assert behind.subscores["collision_at_fault"] == 0.0
    assert 18 * 0.4 > 8.0 - REAR > 17 * 0.4
    assert behind.score == pytest.approx(14.4 / 64 / 0.8)
    # Off the road by 0.3 m: zero.
    off = moving(8.0, 81, y=-3.5 + 1.1485 - 0.3)
    lost = AlpaSim().score(scene(), rollout(off, **plans_of(off, 8.0)))
    assert (lost.score, lost.subscores["offroad"]) == (0.0, 1.0)
    # A record that moved 4 m (< 5 m) asks for no progress.
    still = moving(0.0, 81)
    short = rollout(still, expert=moving(0.5, 81), **plans_of(still, 0.0))
    assert AlpaSim().score(scene(), short).score == 1.0
