"""Intervals of the nine metrics over clips: by hand, and against draws written out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.rad import paper
from drivelab.reports.reinforcement_report import compared
from drivelab.training.reinforcement.intervals import (
    difference_intervals,
    mean_over_runs,
    metric_intervals,
)

NAMES = paper().subscores


def row(score: float, distance: float = 0.3, steps: int = 80) -> dict:
    flags = dict.fromkeys(NAMES, 0.0)
    return {**flags, "score": score, "collision_ratio": 1.0 - score,
            "average_deviation_distance": distance, "safe_steps": steps,
            "mean_speed": 5.0}  # fmt: skip


def test_clips_that_are_all_alike_leave_no_doubt():
    found = metric_intervals([row(1.0)] * 5, resamples=100)
    assert set(found) == {"score", *NAMES, "mean_speed"}
    assert found["score"] == (1.0, 1.0)
    assert found["collision_ratio"] == (0.0, 0.0)
    assert found["average_deviation_distance"] == pytest.approx((0.3, 0.3))


def test_ends_are_those_of_the_binomial():
    rows = [row(float(k % 5 != 0)) for k in range(300)]  # a fifth collides
    low, high = metric_intervals(rows)["collision_ratio"]
    spread = 1.96 * np.sqrt(0.2 * 0.8 / 300)
    assert low == pytest.approx(0.2 - spread, abs=0.006)
    assert high == pytest.approx(0.2 + spread, abs=0.006)


def test_the_distance_counts_a_clip_by_its_steps():
    rows = [row(1.0, distance=0.2, steps=80), row(0.0, distance=1.0, steps=10)]
    low, high = metric_intervals(rows)["average_deviation_distance"]
    assert (low, high) == pytest.approx((0.2, 1.0))  # a fourth of the draws takes one twice
    middle = metric_intervals(rows * 200)["average_deviation_distance"]
    assert middle[0] < (80 * 0.2 + 10 * 1.0) / 90 < middle[1] < 0.35


def test_nothing_has_no_interval():
    with pytest.raises(DataError, match="no clips"):
        metric_intervals([])


def named(rows: list[dict]) -> list[dict]:
    return [{"clip": f"clip{k}", **one} for k, one in enumerate(rows)]


def test_what_is_hard_for_both_leaves_no_doubt_in_a_difference():
    hard = np.arange(300) % 2 == 0
    bad = named([row(0.0 if one else 1.0, distance=0.5 + 0.2 * one) for one in hard])
    good = [{**one, "average_deviation_distance": one["average_deviation_distance"] - 0.1}
            for one in bad]  # fmt: skip
    found = difference_intervals(good, bad)
    assert found["collision_ratio"] == (0.0, 0.0, 0.0)
    assert found["average_deviation_distance"] == pytest.approx((-0.1, -0.1, -0.1))
    low, high = metric_intervals(good)["collision_ratio"]
    assert high - low > 0.1  # each of them by itself is uncertain


def test_ends_of_a_difference_are_those_of_the_pairs():
    before = named([row(float(k % 5 != 0)) for k in range(300)])  # a fifth collides
    after = named([row(float(k % 10 != 0)) for k in range(300)])  # half of these no more
    mean, low, high = difference_intervals(after, before)["collision_ratio"]
    spread = 1.96 * np.sqrt(0.1 * 0.9 / 300)  # a pair differs by -1 or 0
    assert mean == pytest.approx(-0.1)
    assert (low, high) == pytest.approx((-0.1 - spread, -0.1 + spread), abs=0.005)
    turned = difference_intervals(before, after)["collision_ratio"]
    assert turned == pytest.approx((0.1, -high, -low))


def test_other_clips_are_no_pairs():
    rows = named([row(1.0)] * 3)
    with pytest.raises(DataError, match="3 and 2 clips that are not the same"):
        difference_intervals(rows, rows[:2])
    with pytest.raises(DataError, match="not the same in the same order"):
        difference_intervals(rows, rows[::-1])
    with pytest.raises(DataError, match="no clips"):
        difference_intervals([], [])


def test_what_two_policies_gain_and_lose():
    before = [
        {"clip": name, "score": score} for name, score in zip("abcd", (1, 1, 0, 0), strict=True)
    ]
    after = [
        {"clip": name, "score": score} for name, score in zip("dabc", (1, 1, 0, 0), strict=True)
    ]
    told = compared({"old": before, "new": after})
    assert (told["kept"], told["gained"], told["lost"], told["neither"]) == (1, 1, 1, 1)
    assert (told["first"], told["second"]) == ("old", "new")
    assert compared({"new": after}) is None


def test_a_clip_of_several_runs_is_one_row():
    one = [{**row(1.0), "clip": "a"}, {**row(0.0), "clip": "b"}]
    other = [{**row(0.0), "clip": "a"}, {**row(0.0), "clip": "b"}]
    one[0] |= {"safe_steps": 30, "average_deviation_distance": 0.1}
    other[0] |= {"safe_steps": 10, "average_deviation_distance": 0.5}
    found = mean_over_runs([one, other])
    assert [part["score"] for part in found] == [0.5, 0.0]
    assert (found[0]["clip"], found[0]["safe_steps"]) == ("a", 40)
    assert found[0]["average_deviation_distance"] == pytest.approx(0.2)
    # the same runs twice know no more than once
    assert metric_intervals(found) == metric_intervals(mean_over_runs([one, other, one, other]))
    with pytest.raises(DataError, match="runs of other clips"):
        mean_over_runs([one, other[::-1]])
    with pytest.raises(DataError, match="or none"):
        mean_over_runs([])
