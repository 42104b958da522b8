"""Drivers that change lanes: to overtake, for their route, for an emergency vehicle."""

from __future__ import annotations

import numpy as np
import pytest
from lane_drivers import LIMIT, step
from small_roads import add_body, add_driver, parallel, room, straight, tables

from drivelab.kernels.world import arrays as a
from drivelab.sim.generator.map_builder import MapBuilder, strip
from drivelab.types import LaneMap


def test_a_slow_leader_is_overtaken_smoothly() -> None:
    known, state = tables(parallel(200.0, blocks=4)), room()
    right, left = known.lane_numbers["b0/1"], known.lane_numbers["b0/0"]
    assert known.roads.lane_left[right] == left
    add_driver(known, state, 0, "b0/1", 20.0, 12.0, obeys=a.CHANGES | a.YIELDS)
    add_driver(known, state, 1, "b0/1", 50.0, 5.0)
    state.wish[0, 1] = 5.0
    state.shift_time[0, 0] = 10.0
    path = []
    for _ in range(250):
        step(known, state)
        path.append((state.x[0, 0], state.y[0, 0], state.yaw[0, 0], state.speed[0, 0]))
        assert not state.flags[0, 0] & a.COLLISION
    x, y, yaw, speed = np.array(path).T
    moved = np.arctan2(np.diff(y), np.diff(x))
    assert np.abs(moved - (yaw[1:] + yaw[:-1]) / 2).max() < 0.01  # it points where it goes
    assert np.abs(np.diff(y)).max() < 0.25
    assert x[-1] > state.x[0, 1]
    assert speed.min() > 7.0


@pytest.mark.parametrize("row", [True, False])
def test_nobody_changes_into_a_gap_that_is_too_short(row: bool) -> None:
    known, state = tables(parallel(400.0)), room(actors=8)
    add_driver(known, state, 0, "b0/1", 50.0, 10.0, obeys=a.CHANGES)
    add_driver(known, state, 1, "b0/1", 75.0, 4.0)
    state.wish[0, 1] = 4.0
    state.shift_time[0, 0] = 10.0
    for k in range(4 * row):  # a row on the left that leaves no gap
        add_driver(known, state, 2 + k, "b0/0", 30.0 + 12 * k, 9.0)
        state.wish[0, 2 + k] = 9.0
    changed = False
    for _ in range(20):
        step(known, state)
        changed |= bool(state.other_lane[0, 0] >= 0)
    assert changed is not row


def test_a_route_that_changes_lanes_is_followed() -> None:
    known, state = tables(parallel(120.0, blocks=1)), room()
    add_driver(known, state, 0, "b0/1", 10.0, 10.0, route=("b0/0",))
    step(known, state, 70)
    assert state.lane[0, 0] == known.lane_numbers["b0/0"]
    assert abs(state.shift[0, 0]) < 1e-9


def test_a_driver_that_cannot_change_stops_at_the_end_and_then_gives_its_route_up() -> None:
    # Of two lanes only the left one leads to where the route goes; it is full of parked cars.
    known = tables(fork())
    state = room(actors=12)
    add_driver(known, state, 0, "b0/1", 10.0, 8.0, route=("b0/0", "b1/0"))
    for k in range(10):
        add_body(known, state, 1 + k, "b0/0", 5.0 + 8 * k, mode=a.PARKED)
    step(known, state, 200)
    assert state.speed[0, 0] < 0.05
    assert state.lane[0, 0] == known.lane_numbers["b0/1"]
    step(known, state, 150)
    assert state.lane[0, 0] == known.lane_numbers["c0/0"]
    assert not state.flags[0, 0] & a.COLLISION


def fork() -> LaneMap:
    """Two lanes side by side, of which the left one leads on to "b1" and the right one to "c0"."""
    builder = MapBuilder(np.zeros(3), rounded=False)
    left, right = builder.block(
        "b0",
        [strip(straight((0, 0), (80, 0))), strip(straight((0, -3.5), (80, -3.5)))],
        speed_limit=LIMIT,
    )
    (on,) = builder.block("b1", [strip(straight((80, 0), (180, 0)))], speed_limit=LIMIT)
    (off,) = builder.block("c0", [strip(straight((80, -3.5), (180, -20)))], speed_limit=LIMIT)
    builder.link(left, on)
    builder.link(right, off)
    return builder.build("fork")


def test_drivers_make_room_for_an_emergency_vehicle() -> None:
    known, state = tables(parallel(400.0)), room()
    add_driver(known, state, 0, "b0/0", 60.0, 10.0)
    add_driver(known, state, 1, "b0/0", 30.0, 14.0, obeys=a.EMERGENCY)
    state.pace[0, 1] = 1.4
    step(known, state, 130)
    assert state.lane[0, 0] == known.lane_numbers["b0/1"]
    assert state.x[0, 1] > state.x[0, 0]
