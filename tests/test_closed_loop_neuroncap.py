"""NeuroNCAP's score: golden cases, and impacts worked out by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from closed_loop_road import FRONT, RIGHT, car, moving, rollout, scene

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.neuroncap import NeuroNcap, ncap_score

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
CASES = json.loads((GOLDEN / "closed_loop" / "cases.json").read_text())


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
    assert result.subscores["collision_rate"] == float(case["collided"])
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


@pytest.mark.parametrize("reference", [-1.0, np.nan, np.inf])
def test_ncap_refuses_a_reference_that_is_no_speed(reference: float) -> None:
    with pytest.raises(DataError, match="not below 0"):
        NeuroNcap().score(scene(), rollout(moving(8.0, 81), v_ref=reference))


def test_ncap_of_an_ego_that_would_be_safe_at_rest() -> None:
    # It starts at rest and nobody would hit it: driving on safely keeps 5, hitting anything is 0.
    assert NeuroNcap().score(scene(), rollout(moving(8.0, 81), v_ref=0.0)).score == 5.0
    lead = rollout(moving(8.0, 81), {"lead": car(15.0, 5.0)}, v_ref=0.0)
    result = NeuroNcap().score(scene(), lead)
    assert result.score == 0.0
    assert result.subscores["impact_speed"] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("kind", "score"),
    [("vehicle", 4.0 * (1 - 8.0 / 10.0)), ("bicycle", 4.0 * (1 - 8.0 / 10.0)),
     ("pedestrian", 5.0), ("traffic_cone", 5.0), ("barrier", 5.0)],
)  # fmt: skip
def test_ncap_looks_at_vehicles_and_bicycles_alone(kind: str, score: float) -> None:
    met = rollout(moving(8.0, 81), {"it": car(20.0, kind=kind)}, v_ref=10.0)
    assert NeuroNcap().score(scene(), met).score == pytest.approx(score)


def test_ncap_counts_the_first_contact() -> None:
    # The tail of a car at 5 m/s is 13 - 4.049 = 8.951 m ahead and met at 3 m/s after 2.984 s; a
    # wall at 60 m is run into at 8 m/s later. 4 (1 - 3/10) = 2.8.
    both = {"wall": car(60.0), "lead": car(15.0, 5.0)}
    result = NeuroNcap().score(scene(), rollout(moving(8.0, 81), both, v_ref=10.0))
    assert result.score == pytest.approx(2.8)
    (event,) = result.events
    assert (event.step, event.actor) == (30, "lead")


def test_ncap_takes_the_length_of_the_difference_of_velocities() -> None:
    # From the right at 6 m/s across the ego's 8 m/s: 10 m/s of 20, 4 (1 - 1/2) = 2.
    cross = {"cross": car(16.0, 6.0, y=RIGHT - 9.0, yaw=np.pi / 2)}
    result = NeuroNcap().score(scene(), rollout(moving(8.0, 81), cross, v_ref=20.0))
    assert result.subscores["impact_speed"] == pytest.approx(10.0)
    assert result.score == pytest.approx(2.0)
