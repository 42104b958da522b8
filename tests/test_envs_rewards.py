"""Reward terms, events and ends, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from drivelab.errors import ConfigError
from drivelab.kernels.world import arrays, judge
from drivelab.kernels.world.arrays import State
from drivelab.kernels.world.judge import RULES, TERMS, Verdict, judge_step
from drivelab.sim.envs.event_names import FAULT_NAMES, event_names
from drivelab.sim.envs.rewards import DEFAULT_WEIGHTS, weight_row
from drivelab.sim.world.state import Capacity, allocate

LIMITS = np.array([10.0])  # of the one lane [m/s]
POLICIES = np.zeros((1, 1), np.int32)


def verdict(**rules: float) -> Verdict:
    """One ego; rules that are not given do not end its episode."""
    row = {name: 0.0 for name in RULES[:5]} | {name: np.nan for name in RULES[5:8]}
    row |= {"steps": 1e9, "guard": np.nan, **rules}
    return Verdict(
        rules=np.array([[row[name] for name in RULES]]),
        weights=np.ones(len(TERMS)),
        memory=np.zeros((1, 1, 4)),
        terms=np.zeros((1, 1, len(TERMS))),
        rewards=np.zeros((1, 1)),
        events=np.zeros((1, 1), np.int64),
        ended=np.zeros((1, 1), np.int64),
        over=np.zeros((1, 1), bool),
        faults=np.zeros((1, 1), np.int64),
        returns=np.zeros((1, 1)),
    )


def moment(**values: float) -> State:
    state = allocate(1, Capacity())
    for name, value in values.items():
        getattr(state, name)[0] = value
    return state


def terms(result: Verdict) -> dict[str, float]:
    return dict(zip(TERMS, result.terms[0, 0].tolist(), strict=True))


def test_terms_of_a_driving_step() -> None:
    result = verdict()
    result.memory[0, 0, judge.WAY_AT] = 3.0
    state = moment(speed=12.0, acceleration=2.0, yaw_rate=0.1, lane=0, way_at=4.2)
    state.way_off[:], state.way_heading[:] = -0.875, 0.25
    judge_step(LIMITS, state, POLICIES, result)
    found = {name: value for name, value in terms(result).items() if value}
    comfort = (2.0 / 4.05) ** 2 + (1.2 / 4.89) ** 2 + 4.0  # the jerk of 20 m/s^3 counts 4 at most
    assert found == pytest.approx(
        {
            "progress": 1.2,
            "comfort": comfort,
            "speeding": 0.2,
            "lane_keeping": 0.25,
            "heading": 0.25,
            "time": 1.0,
        }
    )
    assert result.rewards[0, 0] == pytest.approx(sum(found.values()))
    assert result.ended[0, 0] == 0


@pytest.mark.parametrize(
    ("guard", "off", "flags", "found"),
    [
        (np.nan, 0.1, arrays.KERB, arrays.KERB | judge.HEADING_DEVIATION),
        (0.2, 0.1, arrays.KERB, 0),
        (0.2, 0.3, arrays.KERB, arrays.KERB | judge.HEADING_DEVIATION),
        (0.2, 0.1, arrays.KERB | arrays.COLLISION, arrays.COLLISION),
        (0.2, 0.3, arrays.KERB | arrays.COLLISION, arrays.COLLISION | judge.HEADING_DEVIATION),
    ],
)
def test_guards_of_rads_released_code(guard: float, off: float, flags: int, found: int) -> None:
    result = verdict(collision=1.0, kerb=1.0, heading_deviation=0.7, guard=guard)
    state = moment(flags=flags)
    state.way_off[:], state.way_heading[:] = off, 0.8
    judge_step(LIMITS, state, POLICIES, result)
    assert result.events[0, 0] == found
    assert result.over[0, 0] == (found != 0)


def test_a_short_gap_is_told_as_a_share_of_the_wished_one() -> None:
    state = allocate(1, Capacity(actors=4))
    state.count[0] = 4
    state.mode[0] = arrays.DRIVE
    state.half_length[0], state.half_width[0] = 2.5, 1.0
    state.speed[0, 0] = 10.0  # wishes for 2 m + 12 m
    state.x[0] = [0.0, 12.0, 8.0, -6.0]  # ahead; ahead in the next lane; behind
    state.y[0] = [0.0, 0.5, 3.5, 0.0]
    result = verdict()
    judge_step(LIMITS, state, POLICIES, result)
    assert terms(result)["headway"] == pytest.approx(1.0 - 7.0 / 14.0)
    state.y[0, 2] = 2.1  # it reaches into the way: its box is 3 m ahead
    judge_step(LIMITS, state, POLICIES, result)
    assert terms(result)["headway"] == pytest.approx(1.0 - 3.0 / 14.0)
    state.mode[0, 1:] = arrays.ABSENT
    judge_step(LIMITS, state, POLICIES, result)
    assert terms(result)["headway"] == 0.0


def test_an_event_counts_in_the_step_in_which_it_begins() -> None:
    result = verdict()
    counted = []
    for flags in (0, arrays.COLLISION, arrays.COLLISION, 0, arrays.COLLISION):
        judge_step(LIMITS, moment(flags=flags), POLICIES, result)
        counted.append(terms(result)["collision"])
    assert counted == [0.0, 1.0, 0.0, 0.0, 1.0]
    assert event_names(int(result.faults[0, 0])) == ("collision",)


@pytest.mark.parametrize(
    ("rule", "flag"),
    [
        ("collision", arrays.COLLISION),
        ("off_road", arrays.OFF_ROAD),
        ("kerb", arrays.KERB),
        ("wrong_way", arrays.WRONG_WAY),
        ("route_done", arrays.ROUTE_DONE),
    ],
)
def test_a_flag_ends_the_episode_only_where_the_rules_say_so(rule: str, flag: int) -> None:
    for on in (0.0, 1.0):
        result = verdict(**{rule: on})
        judge_step(LIMITS, moment(flags=flag), POLICIES, result)
        assert result.ended[0, 0] == on
        assert result.over[0, 0] == bool(on)


def test_deviations_end_beyond_their_limits() -> None:
    state = moment(way_at=1.0)
    state.way_off[:], state.way_heading[:] = 2.0, -0.7
    cases = [
        ({"route_deviation": 2.0}, 0),
        ({"route_deviation": 1.9}, 1),
        ({"heading_deviation": 0.71}, 0),
        ({"heading_deviation": 0.69}, 1),
    ]
    for rules, ended in cases:
        result = verdict(**rules)
        judge_step(LIMITS, state, POLICIES, result)
        assert result.ended[0, 0] == ended, rules


def test_standing_too_long_is_blocked_and_time_runs_out() -> None:
    result = verdict(blocked_for=0.25)
    for _ in range(2):
        judge_step(LIMITS, moment(speed=0.05), POLICIES, result)
    assert not result.over[0, 0]
    judge_step(LIMITS, moment(speed=0.05), POLICIES, result)  # 0.3 s
    assert event_names(int(result.events[0, 0])) == ("blocked",)
    late = verdict(steps=7.0)
    judge_step(LIMITS, moment(speed=5.0, step=7), POLICIES, late)
    assert late.ended[0, 0] == 2
    assert event_names(int(late.events[0, 0])) == ("timeout",)


def test_who_is_over_or_absent_is_given_zeros() -> None:
    result = verdict()
    result.over[:] = True
    judge_step(LIMITS, moment(speed=5.0), POLICIES, result)
    assert not result.terms.any()
    result.over[:] = False
    judge_step(LIMITS, moment(speed=5.0), POLICIES - 1, result)
    assert not result.terms.any()


def test_touching_the_border_alone_is_no_fault_of_a_drive() -> None:
    assert "kerb" not in FAULT_NAMES
    assert {"collision", "off_road", "red_light", "stop_sign", "route_deviation"} <= FAULT_NAMES


def test_weights_replace_those_of_the_default_by_name() -> None:
    row = dict(zip(TERMS, weight_row({"collision": -7.0}), strict=True))
    assert row["collision"] == -7.0
    assert row["progress"] == DEFAULT_WEIGHTS["progress"]
    rad = dict(zip(TERMS, weight_row("rad"), strict=True))
    assert {name for name, value in rad.items() if value} == {
        "collision",
        "kerb",
        "route_deviation",
        "heading_deviation",
    }


@pytest.mark.parametrize(
    ("reward", "told"),
    [
        ({"colision": -1.0}, "no term 'colision'; did you mean 'collision'"),
        ({"collision": float("nan")}, "'collision' has the weight nan"),
        ("defualt", "did you mean 'default'"),
    ],
)
def test_wrong_weights_are_told(reward: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        weight_row(reward)  # type: ignore[arg-type]
