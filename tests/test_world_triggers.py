"""When scripted behaviours begin: distances and times by hand and against shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from world_drives import Place, act, began, drive

from drivelab.geometry.boxes import box_polygon
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world import triggers
from drivelab.kernels.world.arrays import State
from drivelab.sim.world.episode import Episode, Trigger
from drivelab.sim.world.native import NativeWorld

STREET = Place("two_way")  # one lane to either side, at 1.75 m from the middle


def run(episode: Episode, seconds: float = 10.0) -> list[State]:
    return drive(NativeWorld([episode]), seconds)


box = st.tuples(
    st.floats(-12, 12), st.floats(-12, 12), st.floats(-4, 4), st.floats(0.2, 8), st.floats(0.2, 3)
)


@settings(max_examples=150, deadline=None)
@given(box, box)
def test_box_distance_is_that_of_polygons(one: tuple, two: tuple) -> None:
    found = triggers.box_distance(
        two[0] - one[0], two[1] - one[1],
        np.cos(one[2]), np.sin(one[2]), one[3] / 2, one[4] / 2,
        np.cos(two[2]), np.sin(two[2]), two[3] / 2, two[4] / 2,
    )  # fmt: skip
    expected = shapely.distance(box_polygon(np.array(one)), box_polygon(np.array(two)))
    assert found == pytest.approx(expected, abs=1e-9)


def test_discs_meet_when_their_rims_do() -> None:
    # 20 m apart, radii 5 m together, closing at 3 m/s: 15 m to go.
    assert triggers.meeting_time(20.0, 0.0, -3.0, 0.0, 5.0) == pytest.approx(5.0)
    # Passing 3 m aside: the rims meet when sqrt(25 - 9) = 4 m are left ahead.
    assert triggers.meeting_time(20.0, 3.0, -4.0, 0.0, 5.0) == pytest.approx(4.0)
    assert triggers.meeting_time(20.0, 5.0 + 1e-9, -4.0, 0.0, 5.0) == pytest.approx(5.0)
    assert triggers.meeting_time(20.0, 9.0, -4.0, 0.0, 5.0) == pytest.approx(5.0)  # abreast
    assert triggers.meeting_time(20.0, 10.1, -4.0, 0.0, 5.0) == np.inf
    assert triggers.meeting_time(20.0, 0.0, 4.0, 0.0, 5.0) == np.inf
    assert triggers.meeting_time(20.0, 0.0, 0.0, 0.0, 5.0) == np.inf
    assert triggers.meeting_time(3.0, 0.0, 4.0, 0.0, 5.0) == 0.0


@pytest.mark.parametrize(
    ("when", "step"),
    [
        (Trigger(), 0),
        (Trigger(time=0.75), 8),  # the first step that begins at or after it
        # The ego, 5.176 m long, drives 8 m/s from 20 m towards a car that stands at 80 m: their
        # bumpers are 60 - 2.588 - 2.35 - 1.461 (rear axle to centre) m apart, 20 m after 33.601 m
        (Trigger(gap_below=20.0), 43),
        # Discs of 2.588 and 2.35 m touch 53.601 m ahead; that is below 3 s after 29.601 m
        (Trigger(ttc_below=3.0), 38),
        (Trigger(ego_past=STREET.pose(52.0)[:2]), 39),  # centre from 21.461 m on: 30.539 m
        (Trigger(ego_within=(*STREET.pose(80.0)[:2], 30.0)), 36),  # 28.539 m
        (Trigger(time=5.0, gap_below=20.0), 50),  # all of them
        (Trigger(time=1.0, gap_below=20.0), 43),
        (Trigger(gap_below=1e-3, time=1.0), -1),
    ],
)
def test_triggers_by_hand(when: Trigger, step: int) -> None:
    parked = STREET.actor(STREET.pose(80.0), None, act("reverse_out", when))
    assert began(run(STREET.episode(parked), 5.5)) == step


def test_a_behaviour_waits_for_the_one_before() -> None:
    car = STREET.car(
        60.0,
        act("set_speed", Trigger(after=1), speed=6.0),
        act("hard_brake", Trigger(time=1.0), until=4.0, hold=1.0, deceleration=4.0),
    )
    history = run(STREET.episode(car))
    done = next(i for i, s in enumerate(history) if s.script_state[0, 1, 1] == a.DONE)
    assert began(history, 1) == 10
    assert began(history, 0) in (done - 1, done)  # behaviours of one actor run in their order
    assert history[-1].speed[0, 1] == pytest.approx(6.0, abs=0.3)
