"""Drivers on lanes: hand-computed gaps and stops, right of way, no collisions, equal to NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_roads import add_body, add_driver, chain, parallel, plus, room, tables
from town_traffic import flowing, town

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.drive import choose_accelerations, move_drivers
from drivelab.kernels.world.junctions import goes_first, travel_time
from drivelab.kernels.world.lights import update_lights
from drivelab.kernels.world.locate import locate_actors
from drivelab.sim.world.reference import drive as plain
from drivelab.sim.world.reference import junctions as plain_junctions
from drivelab.sim.world.reference.traffic import draw as plain_draw
from drivelab.sim.world.roads import RoadTables
from drivelab.sim.world.state import copied

GAIN, BRAKE, LEAST, HEADWAY = 1.5, 2.0, 2.0, 1.4  # TRAFFIC_DRIVER's
LIMIT = 13.9


def idm(speed: float, gap: float, lead: float, headway: float = HEADWAY) -> float:
    wanted = LEAST + headway * speed + speed * (speed - lead) / (2 * np.sqrt(GAIN * BRAKE))
    return GAIN * (1 - (speed / LIMIT) ** 4 - (wanted / gap) ** 2)


def step(known: RoadTables, state: a.State, steps: int = 1) -> None:
    for _ in range(steps):
        choose_accelerations(known.roads, state)
        move_drivers(known.roads, state)
        locate_actors(known.roads, state)
        check_actors(known.roads, state)
        state.step[:] += 1


def decided(known: RoadTables, state: a.State, slot: int = 0) -> float:
    """What a driver would do without limits of jerk: it has been doing so already."""
    for _ in range(30):
        choose_accelerations(known.roads, state)
    return float(state.acceleration[0, slot])


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


def front(known: RoadTables, state: a.State, line: float, slot: int = 0) -> float:
    """How far the front is before a line at x (map frame)."""
    return float(line - known.origin[0] - state.x[0, slot] - state.half_length[0, slot])


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


def test_nobody_changes_into_a_gap_that_is_too_short() -> None:
    known, state = tables(parallel(400.0)), room(actors=8)
    add_driver(known, state, 0, "b0/1", 50.0, 10.0, obeys=a.CHANGES)
    add_driver(known, state, 1, "b0/1", 75.0, 4.0)
    state.wish[0, 1] = 4.0
    state.shift_time[0, 0] = 10.0
    for k in range(4):  # a row on the left that leaves no gap
        add_driver(known, state, 2 + k, "b0/0", 30.0 + 12 * k, 9.0)
        state.wish[0, 2 + k] = 9.0
    for _ in range(20):
        step(known, state)
        assert state.other_lane[0, 0] == -1 or state.lane_s[0, 0] > 100


def test_a_route_that_changes_lanes_is_followed_or_waited_for_at_the_end() -> None:
    known, state = tables(parallel(120.0, blocks=1)), room()
    add_driver(known, state, 0, "b0/1", 10.0, 10.0, route=("b0/0",))
    step(known, state, 70)
    assert state.lane[0, 0] == known.lane_numbers["b0/0"]
    assert abs(state.shift[0, 0]) < 1e-9


def test_a_driver_that_cannot_change_stops_at_the_end_and_then_gives_its_route_up() -> None:
    # Of two lanes only the left one leads to where the route goes; it is full of parked cars.
    known = tables(_fork())
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


def _fork():  # type: ignore[no-untyped-def]
    from small_roads import straight

    from drivelab.sim.generator.map_builder import MapBuilder, strip

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


def test_drivers_vanish_where_the_roads_end() -> None:
    known, state = tables(chain(50.0)), room()
    add_driver(known, state, 0, "l0/0", 40.0, 10.0)
    step(known, state, 20)
    assert state.mode[0, 0] == a.ABSENT
    assert state.lane[0, 0] == -1
    assert state.speed[0, 0] == 0.0


def test_drivers_make_room_for_an_emergency_vehicle() -> None:
    known, state = tables(parallel(400.0)), room()
    add_driver(known, state, 0, "b0/0", 60.0, 10.0)
    add_driver(known, state, 1, "b0/0", 30.0, 14.0, obeys=a.EMERGENCY)
    state.pace[0, 1] = 1.4
    step(known, state, 130)
    assert state.lane[0, 0] == known.lane_numbers["b0/1"]
    assert state.x[0, 1] > state.x[0, 0]


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


@given(st.integers(0, 2**62), st.integers(0, 500), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_draws_are_those_of_long_integers(seed: int, slot: int, count: int) -> None:
    from drivelab.kernels.world.traffic import draw

    value = draw(seed, slot, count)
    assert 0 <= value < 2**31
    assert value == plain_draw(seed, slot, count)


MAPS = {
    "grid_town": {"control": "mixed"},
    "town with signs": {"control": "stop"},
    "crossing with lights": {"control": "lights", "lanes": 2},
    "crossing with stop signs": {"control": "stop", "lanes": 2},
    "crossing with priority": {"control": "priority"},
    "t_junction": {},
    "roundabout": {},
    "merge": {},
    "lane_drop": {},
}


@pytest.mark.parametrize("name", sorted(MAPS))
def test_dense_traffic_never_collides(name: str) -> None:
    known, state = town(name, MAPS[name], environments=20, drivers=32)
    travelled = np.zeros(20)
    for k in range(600):
        travelled += flowing(known, state)
        hit = (state.flags & a.COLLISION) != 0
        assert not hit.any(), (k, np.argwhere(hit)[:4].tolist())
        if "town" in name:  # the others end at the edge of the map, where bumpers leave it first
            assert not ((state.flags & a.OFF_ROAD) != 0).any()
    assert travelled.mean() / 32 > 90  # and it flows [m]


def test_results_do_not_depend_on_the_batch() -> None:
    known, batch = town("grid_town", {}, environments=6, drivers=32)
    order = np.array([4, 1, 5, 0, 3, 2])
    shuffled = a.State(*(x[order].copy() for x in batch))
    alone = a.State(*(x[2:3].copy() for x in batch))
    for _ in range(200):
        for state in (batch, shuffled, alone):
            flowing(known, state)
    for name, x, y, z in zip(a.State._fields, batch, shuffled, alone, strict=True):
        assert x[order].tobytes() == y.tobytes(), name
        assert x[2:3].tobytes() == z.tobytes(), name


@pytest.mark.parametrize(
    "name", ["grid_town", "town with signs", "crossing with lights", "merge", "roundabout"]
)
def test_numpy_drives_alike(name: str) -> None:
    known, state = town(name, MAPS[name], environments=2, drivers=24, guests=True)
    for k in range(360):
        if k % 12 == 0:
            other = copied(state)
            plain.choose_accelerations(known.roads, other)
            plain.move_drivers(known.roads, other)
            mine = copied(state)
            choose_accelerations(known.roads, mine)
            move_drivers(known.roads, mine)
            for field in a.State._fields:
                left, right = getattr(mine, field), getattr(other, field)
                np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9, err_msg=field)
        flowing(known, state)


def test_lights_turn_in_dense_traffic() -> None:
    _, state = town("crossing with lights", MAPS["crossing with lights"], 1, drivers=4)
    seen = set()
    for _ in range(600):
        update_lights(state)
        seen |= {tuple(state.light[0].tolist())}
        state.step[:] += 1
    assert not any(light.count(a.GREEN) == len(light) for light in seen)
    assert len(seen) >= 5
