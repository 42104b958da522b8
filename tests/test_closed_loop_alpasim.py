"""AlpaSim's scene score and scorers on episodes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from closed_loop_road import FRONT, REAR, RIGHT, car, moving, rollout, scene, straight_plan

from drivelab.metrics.closed_loop.alpasim import AlpaSim

SIDES = ("front", "lateral", "rear")


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
    assert parts["collision_any"] == parts["collision_at_fault"] == parts["offroad"] == 0.0
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
    # Off the road by 0.3 m after 56 of 64 m, which would be enough progress: zero.
    off = moving(8.0, 81)
    off[70:, 1] = -3.5 + 1.1485 - 0.3
    lost = AlpaSim().score(scene(), rollout(off, **plans_of(off, 8.0)))
    assert (lost.score, lost.subscores["offroad"]) == (0.0, 1.0)
    assert [(event.kind, event.step) for event in lost.events] == [("off_road", 70)]


@pytest.mark.parametrize(("speed", "score"), [(0.62, 1.0), (0.63, 0.0)])
def test_alpasim_asks_for_no_progress_of_short_records(speed: float, score: float) -> None:
    # Records of 8 x 0.62 = 4.96 m and of 5.04 m; less than 5 m count as standing.
    still = moving(0.0, 81)
    short = rollout(still, expert=moving(speed, 81), **plans_of(still, 0.0))
    assert AlpaSim().score(scene(), short).score == score


def test_alpasim_asks_for_the_progress_of_the_whole_time() -> None:
    # The drive ended after 8 of 10 s and 32 m; the record, 12 s long, was at 80 m then: 0.4 / 0.8.
    slow = moving(4.0, 81)
    ended = rollout(slow, expert=moving(8.0, 121), time_limit=10.0, **plans_of(slow, 4.0))
    assert AlpaSim().score(scene(), ended).score == pytest.approx(0.5)


def test_alpasim_of_a_push_from_the_side() -> None:
    # A car beside the ego, as fast as it, comes nearer by 0.05 m a step: the flanks, 1.1485 m and
    # 1 m from the middles, are 2.6 - 2.1485 = 0.4515 m apart and touch at step 10. A side contact
    # is the ego's fault, as a front contact is.
    ego = moving(8.0, 81)
    pushed = rollout(ego, {"pusher": car(1.461, 8.0, y=RIGHT + 2.6)}, **plans_of(ego, 8.0))
    pushed.tracks.poses[:, 0, 1] -= 0.05 * np.arange(81)
    result = AlpaSim().score(scene(), pushed)
    hits = {name: result.subscores[f"collision_{name}"] for name in ("any", *SIDES)}
    assert hits == {"any": 1.0, "front": 0.0, "lateral": 1.0, "rear": 0.0}
    assert (result.score, result.events[0].step) == (0.0, 10)


def test_alpasim_counts_until_four_metres_from_the_recorded_path() -> None:
    # 0.25 m to the left a step: 4 m at step 16, after 12.8 of 64 m: 0.2 / 0.8 = 0.25. The wall
    # beyond is never met. The flank stays on the road, whose border is y = 7.
    ego = moving(8.0, 81)
    ego[:, 1] = RIGHT + 0.25 * np.minimum(np.arange(81), 24)
    astray = rollout(ego, {"wall": car(60.0, y=4.25)}, expert=moving(8.0, 81), **plans_of(ego, 8.0))
    result = AlpaSim().score(scene(), astray)
    assert result.score == pytest.approx(0.25)
    assert result.details["counted_steps"] == 17
    assert [(event.kind, event.step) for event in result.events] == [("off_path", 16)]
    assert result.subscores["distance_to_recorded_path"] == pytest.approx(4.0)


def test_alpasim_weighs_the_moments_of_two_plans_that_disagree() -> None:
    # Both from a standing ego, the second 0.5 s later. The first stands; the second stands for two
    # poses of 0.5 s and is then 3 m ahead. The first reaches 1.5 s: shared are two poses of the
    # second, 0 m apart. Where it jumps at its second pose: (0 + 3 exp(-0.5)) / (1 + exp(-0.5)).
    still = np.zeros((3, 3))
    for jump, expected in ((2, 0.0), (1, 3.0 * np.exp(-0.5) / (1.0 + np.exp(-0.5)))):
        second = still.copy()
        second[jump:, 0] = 3.0
        two = rollout(
            moving(0.0, 41), plans=np.stack([still, second]), plan_steps=(0, 5), plan_dt=0.5
        )
        deviation = AlpaSim().score(scene(), two).subscores["plan_deviation"]
        assert deviation == pytest.approx(expected)


def test_alpasim_counts_the_plans_that_run_into_a_box_within_three_seconds() -> None:
    # The ego creeps at 1 m/s towards a tail at 54 m. The plan of step k, at 16 m/s, is there after
    # (54 - 4.049 - 0.1 k) / 16 s: within 3 s from k = 20 on (2.997 s). The episode ends at step
    # 80: the plan of k = 50 meets the tail before (2.81 s, step 79), that of k = 55 would do so at
    # step 83, and that of k = 80 knows no future: 7 plans (20, 25, ..., 50) of 16.
    ego = moving(1.0, 81)
    wall = rollout(ego, {"wall": car(56.0)}, **plans_of(ego, 16.0))
    parts = AlpaSim().score(scene(), wall).subscores
    assert parts["open_loop_collision"] == pytest.approx(7 / 16)
