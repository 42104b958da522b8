"""Intervals of the nine metrics over clips: by hand, and against draws written out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.rad import paper
from drivelab.reports.reinforcement_report import compared
from drivelab.training.reinforcement.intervals import metric_intervals

NAMES = paper().subscores


def row(score: float, distance: float = 0.3, steps: int = 80) -> dict:
    flags = dict.fromkeys(NAMES, 0.0)
    return {**flags, "score": score, "collision_ratio": 1.0 - score,
            "average_deviation_distance": distance, "safe_steps": steps}  # fmt: skip


def test_clips_that_are_all_alike_leave_no_doubt():
    found = metric_intervals([row(1.0)] * 5, resamples=100)
    assert set(found) == {"score", *NAMES}
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
