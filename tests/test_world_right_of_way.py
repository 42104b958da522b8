"""Drivers at crossings: lights, signs, who goes first, exits that are full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lane_drivers import GAIN, LEAST, LIMIT, decided, front, idm, step
from small_roads import add_body, add_driver, plus, room, tables

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.junctions import goes_first, travel_time
from drivelab.sim.world.reference import junctions as plain_junctions
from drivelab.sim.world.roads import RoadTables


def test_a_red_light_is_waited_for_before_its_line() -> None:
    known, state = tables(plus(), groups=(("wx/0",),)), room()
    state.light[0, 0] = a.RED
    add_driver(known, state, 0, "west/0", 10.0, 12.0, route=("wx/0", "east/0"))
    hardest = 0.0
    for _ in range(250):
        step(known, state)
        hardest = min(hardest, float(state.acceleration[0, 0]))
    assert 0.5 < front(known, state, -8.0) < 2.0
    assert state.speed[0, 0] < 0.05
    assert hardest > -3.0
    state.light[0, 0] = a.GREEN
    step(known, state, 50)
    assert front(known, state, -8.0) < 0


@pytest.mark.parametrize(("away", "stops"), [(45.0, True), (12.0, False)])
def test_yellow_stops_whoever_can_stop(away: float, stops: bool) -> None:
    known, state = tables(plus(), groups=(("wx/0",),)), room()
    state.light[0, 0] = a.YELLOW  # from 12 m/s: firm braking takes 18 m
    add_driver(known, state, 0, "west/0", 80 - 2.25 - away, 12.0, route=("wx/0", "east/0"))
    step(known, state, 100)
    assert (front(known, state, -8.0) > 0) is stops


def test_a_stop_sign_is_stopped_at_though_nobody_comes() -> None:
    known, state = tables(plus(), stop_signs=("west/0",)), room()
    add_driver(known, state, 0, "west/0", 30.0, 10.0, route=("wx/0", "east/0"))
    slowest = np.inf
    for _ in range(250):
        step(known, state)
        if 0 < front(known, state, -8.0) < 4:
            slowest = min(slowest, float(state.speed[0, 0]))
    assert slowest < 0.1
    assert front(known, state, -8.0) < -20


def passed_at(known: RoadTables, state: a.State, steps: int = 400) -> list[int]:
    """Step in which each of two drivers comes off its connector; they must never touch."""
    ends = [known.lane_numbers[name] for name in ("east/0", "north/0")]
    passed = [0, 0]
    for k in range(1, steps):
        step(known, state)
        assert not (state.flags[0, :2] & a.COLLISION).any()
        for slot in range(2):
            if not passed[slot] and state.lane[0, slot] == ends[slot]:
                passed[slot] = k
    return passed


@pytest.mark.parametrize(
    ("signs", "first"), [({"yield_signs": ("west/0",)}, 1), ({"yield_signs": ("south/0",)}, 0)]
)
def test_who_has_the_sign_waits(signs: dict[str, tuple[str, ...]], first: int) -> None:
    known, state = tables(plus(), **signs), room()
    add_driver(known, state, 0, "west/0", 20.0, 10.0, route=("wx/0", "east/0"))
    add_driver(known, state, 1, "south/0", 20.0, 10.0, route=("sx/0", "north/0"))
    passed = passed_at(known, state)
    assert min(passed) > 0
    assert passed.index(min(passed)) == first


def test_without_signs_the_one_from_the_right_goes_first() -> None:
    known, state = tables(plus()), room()
    add_driver(known, state, 0, "west/0", 20.0, 10.0, route=("wx/0", "east/0"))
    add_driver(known, state, 1, "south/0", 20.0, 10.0, route=("sx/0", "north/0"))
    passed = passed_at(known, state)
    assert 0 < passed[1] < passed[0]


def test_a_driver_waits_for_a_policy_that_has_priority_and_goes_before_one_that_is_far() -> None:
    for away, waits in ((30.0, True), (79.0, False)):
        known, state = tables(plus(), yield_signs=("west/0",)), room()
        add_driver(known, state, 0, "west/0", 62.0, 6.0, route=("wx/0", "east/0"))
        add_body(known, state, 1, "south/0", 80.0 - away, 9.0)
        free = GAIN * (1 - (6.0 / LIMIT) ** 4)
        assert decided(known, state) == pytest.approx(
            idm(6.0, 80 - 62 - 2.25 - 1.5 + LEAST, 0.0, headway=0.6) if waits else free
        )


def test_an_exit_that_is_blocked_keeps_the_crossing_clear() -> None:
    known, state = tables(plus()), room()
    add_driver(known, state, 0, "west/0", 40.0, 8.0, route=("wx/0", "east/0"))
    add_body(known, state, 1, "east/0", 2.5, mode=a.PARKED)
    step(known, state, 200)
    assert state.speed[0, 0] < 0.05
    assert front(known, state, -8.0) > 0


@given(
    st.sampled_from([-1, 0, 1]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.floats(0, 9),
    st.floats(0, 9),
    st.floats(0, 30),
    st.floats(0, 30),
    st.booleans(),
)
@settings(deadline=None)
def test_of_two_drivers_exactly_one_goes_first(
    rank: int, me: int, other: int, waited: float, its: float, t: float, u: float, slow: bool
) -> None:
    if me == other:
        return
    mine = goes_first(rank, me, other, waited, its, t, u, slow)
    theirs = goes_first(-rank, other, me, its, waited, u, t, slow)
    assert mine != theirs


@given(st.floats(0, 200), st.floats(0, 20), st.floats(0.5, 25), st.floats(0.5, 3))
@settings(deadline=None)
def test_travel_times_are_those_of_the_motion(
    distance: float, speed: float, top: float, gain: float
) -> None:
    time = travel_time(distance, speed, top, gain)
    assert time == pytest.approx(plain_junctions.travel_time(distance, speed, top, gain))
    if speed < top:
        rise = min(time, (top - speed) / gain)
        covered = speed * rise + gain * rise**2 / 2 + top * (time - rise)
        assert covered == pytest.approx(distance, abs=1e-6)


def test_an_emergency_vehicle_passes_red_with_care() -> None:
    known, state = tables(plus(), groups=(("wx/0",), ("sx/0",))), room()
    state.light[0] = a.RED
    add_driver(known, state, 0, "west/0", 10.0, 12.0, obeys=a.LIGHTS | a.EMERGENCY | a.YIELDS)
    speeds = []
    while front(known, state, -8.0) > 0:
        step(known, state)
        speeds.append(float(state.speed[0, 0]))
        assert len(speeds) < 300
    assert 4.0 < speeds[-1] < 8.0
