"""Drivers behind others and alone: hand-computed gaps, free roads, pushes."""

from __future__ import annotations

import numpy as np
import pytest
from lane_drivers import GAIN, LIMIT, decided, idm, step
from small_roads import add_body, add_driver, chain, room, tables

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.drive import choose_accelerations


@pytest.mark.parametrize("how", ["driver", "policy", "parked"])
def test_the_gap_to_a_leader_counts_across_lanes(how: str) -> None:
    known, state = tables(chain(60.0, 7.0, 60.0)), room()
    add_driver(known, state, 0, "l0/0", 50.0, 8.0)
    lead = 0.0 if how == "parked" else 6.0
    if how == "driver":
        add_driver(known, state, 1, "l2/0", 5.0, lead)
    else:
        mode = a.PARKED if how == "parked" else a.POLICY
        add_body(known, state, 1, "l2/0", 5.0, lead, mode=mode)
    # 10 m to the end of l0, 7 m of l1, 5 m on l2, less two half lengths
    assert decided(known, state) == pytest.approx(idm(8.0, 22.0 - 4.5, lead), abs=1e-9)


def test_a_leader_beside_the_lane_is_none_and_one_that_reaches_into_it_is() -> None:
    known = tables(chain(100.0))
    free = GAIN * (1 - (8.0 / LIMIT) ** 4)
    for left, width, in_the_way in ((3.0, 1.9, False), (2.0, 1.9, True), (-2.2, 2.5, True)):
        state = room()
        add_driver(known, state, 0, "l0/0", 20.0, 8.0)
        add_body(known, state, 1, "l0/0", 45.0, 0.0, left=left, size=(4.5, width), mode=a.PARKED)
        found = decided(known, state)
        assert found == pytest.approx(idm(8.0, 20.5, 0.0) if in_the_way else free)


def test_somebody_across_the_road_counts_by_the_corner_that_is_in_the_way() -> None:
    known, state = tables(chain(100.0)), room()
    add_driver(known, state, 0, "l0/0", 20.0, 8.0)
    add_body(known, state, 1, "l0/0", 50.0, 0.0, turned=np.pi / 2, size=(4.5, 2.0), mode=a.PARKED)
    assert decided(known, state) == pytest.approx(idm(8.0, 30 - 2.25 - 1.0, 0.0))


def test_an_oncoming_car_on_my_lane_closes_in_with_both_speeds() -> None:
    known, state = tables(chain(100.0)), room()
    add_driver(known, state, 0, "l0/0", 10.0, 5.0)
    add_body(known, state, 1, "l0/0", 60.0, 4.0, turned=np.pi, mode=a.REPLAY)
    # it is taken to go on for 0.4 s
    assert decided(known, state) == pytest.approx(idm(5.0, 50 - 4.5 - 1.6, -4.0))


def test_a_walker_is_expected_where_it_will_be() -> None:
    known, state = tables(chain(100.0)), room()
    free = GAIN * (1 - (8.0 / LIMIT) ** 4)
    add_driver(known, state, 0, "l0/0", 20.0, 8.0)
    add_body(
        known,
        state,
        1,
        "l0/0",
        50.0,
        1.5,
        left=-3.0,
        turned=np.pi / 2,
        size=(0.6, 0.6),
        mode=a.WALK,
    )
    state.kind[0, 1] = 1
    state.lane[0, 1] = -1
    assert decided(known, state) < free - 0.1  # a second from now it stands in the lane
    state.speed[0, 1] = 0.0
    assert decided(known, state) == pytest.approx(free)


def test_acceleration_sets_in_gently_and_the_free_road_is_driven_at_the_limit() -> None:
    known, state = tables(chain(900.0)), room()
    add_driver(known, state, 0, "l0/0", 5.0)
    step(known, state)
    assert state.acceleration[0, 0] == pytest.approx(0.2)
    step(known, state, 400)
    assert state.speed[0, 0] == pytest.approx(LIMIT, rel=0.01)
    state.wish[0, 0] = 5.0
    step(known, state, 100)
    assert state.speed[0, 0] == pytest.approx(5.0, rel=0.01)
    state.wish[0, 0] = 0.0
    step(known, state, 60)
    assert state.speed[0, 0] == pytest.approx(0.0, abs=0.1)


def test_a_push_is_obeyed_at_once_unless_somebody_is_too_near() -> None:
    known, state = tables(chain(200.0)), room()
    add_driver(known, state, 0, "l0/0", 10.0, 10.0)
    state.push[0, 0] = -7.5
    choose_accelerations(known.roads, state)
    assert state.acceleration[0, 0] == -7.5
    state.push[0, 0] = 3.0
    add_driver(known, state, 1, "l0/0", 22.0, 0.0)
    choose_accelerations(known.roads, state)
    assert state.acceleration[0, 0] == -6.0


def test_drivers_vanish_where_the_roads_end() -> None:
    known, state = tables(chain(50.0)), room()
    add_driver(known, state, 0, "l0/0", 40.0, 10.0)
    step(known, state, 20)
    assert state.mode[0, 0] == a.ABSENT
    assert state.lane[0, 0] == -1
    assert state.speed[0, 0] == 0.0
