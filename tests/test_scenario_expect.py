"""Expectations against rollouts whose every number is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivelab.sim.scenario.expect import judge, smallest_gap
from drivelab.sim.scenario.schema import Expect
from drivelab.types import PACIFICA, Rollout, StateColumn, Tracks


def rollout(events: tuple[dict[str, Any], ...] = (), *, car_at: float = 40.0) -> Rollout:
    """Three seconds at 10 m/s along x, then braking at 4 m/s^2; a car stands ahead."""
    times = np.arange(31) * 0.1
    ego = np.zeros((31, 11))
    ego[:, StateColumn.X] = 10.0 * times
    ego[:, StateColumn.VX] = 10.0
    ego[-1, StateColumn.AX] = -4.0
    poses = np.tile([car_at, 0.0, 0.0], (31, 1, 1))
    tracks = Tracks(
        ("car",), ("vehicle",), np.array([[4.0, 2.0]]), poses, np.zeros((31, 1, 2)),
        np.ones((31, 1), bool), 0.1,
    )  # fmt: skip
    info = {"progress": 10.0 * times}
    return Rollout("s", times, ego, tracks, np.zeros((1, 3)), 0.5, events, info)


def verdicts(expect: Expect, made: Rollout, scores: dict[str, float] | None = None) -> dict:
    return {v.name: v.passed for v in judge(expect, made, PACIFICA, scores)}


EVENTS = (
    {"kind": "red_light", "step": 5, "time": 0.5, "actor": ""},
    {"kind": "collision", "step": 9, "time": 0.9, "actor": "car", "at_fault": False},
    {"kind": "route_done", "step": 25, "time": 2.5, "actor": ""},
)


def test_only_what_is_written_is_asked() -> None:
    assert judge(Expect(), rollout(EVENTS), PACIFICA) == ()


def all_kinds(at_fault: bool) -> dict[str, dict[str, Any]]:
    """One event of every kind that expectations know."""
    kinds = ("collision", "red_light", "stop_sign", "off_road", "wrong_way", "route_done")
    events = {kind: {"kind": kind, "step": 5, "time": 0.5, "actor": ""} for kind in kinds}
    events["collision"]["at_fault"] = at_fault
    return events


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("no_collision", "collision"),
        ("no_at_fault_collision", "collision"),
        ("no_red_light", "red_light"),
        ("no_stop_sign", "stop_sign"),
        ("no_off_road", "off_road"),
        ("no_wrong_way", "wrong_way"),
        ("reaches_goal", "route_done"),
    ],
)
def test_events_decide(name: str, kind: str) -> None:
    """The one event alone, and all others without it."""
    alone = all_kinds(at_fault=True)
    others = tuple(event for other, event in alone.items() if other != kind)
    wanted = name == "reaches_goal"
    assert verdicts(Expect(**{name: True}), rollout((alone[kind],))) == {name: wanted}
    assert verdicts(Expect(**{name: True}), rollout(others)) == {name: not wanted}


def test_guilt_counts_where_it_is_sure() -> None:
    guilty = ({**EVENTS[1], "at_fault": True},)
    unsure = ({**EVENTS[1], "at_fault": None},)
    expect = Expect(no_at_fault_collision=True)
    assert verdicts(expect, rollout(guilty)) == {"no_at_fault_collision": False}
    assert verdicts(expect, rollout(unsure)) == {"no_at_fault_collision": True}


@pytest.mark.parametrize(
    ("name", "met", "missed"),
    [
        ("max_time", 2.5, 2.4),  # the route is done after 2.5 s
        ("min_progress", 30.0, 30.1),  # 10 m/s for 3 s
        ("max_speed", 10.0, 9.9),
        ("max_deceleration", 4.0, 3.9),
        ("min_gap", 3.95, 3.96),  # last front at 30 + 4.049, the car's rear at 38
    ],
)
def test_limits_are_exact(name: str, met: float, missed: float) -> None:
    assert verdicts(Expect(**{name: met}), rollout(EVENTS)) == {name: True}
    assert verdicts(Expect(**{name: missed}), rollout(EVENTS)) == {name: False}


def test_without_an_end_of_the_route_no_time_is_met() -> None:
    assert verdicts(Expect(max_time=3.0, reaches_goal=True), rollout()) == {
        "reaches_goal": False,
        "max_time": False,
    }


def test_the_gap_is_between_boxes_and_infinite_without_anybody() -> None:
    # rear axle at 30 m: front bumper at 34.049; rear of a car of 4 m at 40 m: 38
    assert smallest_gap(rollout(), PACIFICA) == pytest.approx(38.0 - 34.049)
    assert smallest_gap(rollout(car_at=500.0), PACIFICA) == float("inf")


def test_scores_have_a_least_value_and_must_be_there() -> None:
    expect = Expect(min_score={"rad9_v2": 0.5})
    assert verdicts(expect, rollout(), {"rad9_v2": 0.5}) == {"min_score.rad9_v2": True}
    assert verdicts(expect, rollout(), {"rad9_v2": 0.49}) == {"min_score.rad9_v2": False}
    assert verdicts(expect, rollout()) == {"min_score.rad9_v2": False}
