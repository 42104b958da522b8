"""Policies' vehicles, their ways, lights and stop lines: by hand, by property, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_roads import add_body, chain, plus, room, straight, tables

from drivelab.kernels.tracker import _bicycle_step
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.bodies import DYNAMIC, KINEMATIC, POSES, move_policies
from drivelab.kernels.world.lights import update_lights
from drivelab.kernels.world.signs import check_signs
from drivelab.kernels.world.ways import follow_ways
from drivelab.sim.world.reference import bodies as plain_bodies
from drivelab.sim.world.reference import lights as plain_lights
from drivelab.sim.world.reference import signs as plain_signs
from drivelab.sim.world.reference import ways as plain_ways
from drivelab.sim.world.state import copied
from drivelab.sim.world.way import way_rows

ONE = np.zeros((1, 1), np.int32)
NO_POSE = np.zeros((1, 1, 3))


def car(speed: float = 10.0, yaw: float = 0.0, steering: float = 0.0) -> a.State:
    """One vehicle whose rear axle stands at the origin."""
    state = room(actors=1)
    state.mode[0, 0], state.count[0] = a.POLICY, 1
    state.wheel_base[0, 0], state.rear[0, 0] = 3.089, 1.461
    state.half_length[0, 0], state.half_width[0, 0] = 2.588, 1.1485
    state.yaw[0, 0], state.cos[0, 0], state.sin[0, 0] = yaw, np.cos(yaw), np.sin(yaw)
    state.x[0, 0], state.y[0, 0] = 1.461 * np.cos(yaw), 1.461 * np.sin(yaw)
    state.speed[0, 0], state.steering[0, 0] = speed, steering
    return state


def rear(state: a.State, slot: int = 0) -> tuple[float, float, float]:
    back = state.rear[0, slot]
    return (
        state.x[0, slot] - back * state.cos[0, slot],
        state.y[0, slot] - back * state.sin[0, slot],
        state.yaw[0, slot],
    )


def move(state: a.State, how: int, acceleration: float, rate: float, steps: int = 1) -> None:
    controls = np.array([[[acceleration, rate]]])
    for _ in range(steps):
        move_policies(state, controls, NO_POSE, how, ONE)


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-0.5, 0.5)), min_size=1, max_size=15),
    st.floats(10, 25),
    st.floats(-3, 3),
)
@settings(max_examples=25, deadline=None)
def test_the_kinematic_bicycle_is_that_of_the_tracker(
    commands: list[tuple[float, float]], speed: float, yaw: float
) -> None:
    state, row, out = car(speed, yaw), np.zeros(11), np.zeros(11)
    row[:4] = 0.0, 0.0, yaw, speed
    for acceleration, rate in commands:
        _bicycle_step(row, acceleration, rate, 3.089, out)
        row, out = out, row
        move(state, KINEMATIC, acceleration, rate)
        assert rear(state) == pytest.approx(tuple(row[:3]), abs=1e-12)
        ours = (state.speed, state.acceleration, state.steering, state.yaw_rate)
        assert [float(x[0, 0]) for x in ours] == pytest.approx(row[[3, 5, 7, 9]], abs=1e-12)


def test_brakes_end_at_a_standstill_and_only_reverse_goes_on_backwards() -> None:
    state = car(speed=0.5)
    move(state, KINEMATIC, -8.0, 0.0, steps=20)
    assert state.speed[0, 0] == 0.0
    assert state.acceleration[0, 0] == 0.0
    move(state, KINEMATIC, 2.0, 0.0)
    assert state.speed[0, 0] == pytest.approx(2.0 / 3 * 0.1)
    backwards = car(speed=-2.0)
    move(backwards, KINEMATIC, 0.0, 0.0, steps=10)
    assert rear(backwards)[0] == pytest.approx(-2.0)


@pytest.mark.parametrize("how", [KINEMATIC, DYNAMIC])
def test_commands_are_held_within_limits_and_nan_is_no_command(how: int) -> None:
    wild, firm = car(), car()
    move(wild, how, 1e9, -1e9)
    move(firm, how, 6.0, -2.0)
    assert rear(wild) == rear(firm)
    assert wild.speed[0, 0] == firm.speed[0, 0]
    lost, calm = car(), car()
    move(lost, how, np.nan, np.nan)
    move(calm, how, 0.0, 0.0)
    assert rear(lost) == rear(calm)


def test_the_dynamic_bicycle_turns_as_steady_cornering_says() -> None:
    # Understeer gradient of linear tyres: r = v d / (L + K v^2), K = m / L (b/Cf - a/Cr).
    base, speed, angle = 2.85, 15.0, 0.03
    behind, before = 1.59, 2.85 - 1.59
    state = car(speed, steering=angle)
    state.wheel_base[0, 0] = base
    move(state, DYNAMIC, 0.0, 0.0, steps=60)
    gradient = 2014.4 / base * (behind / 93534.5 - before / 176162.1)
    expected = speed * angle / (base + gradient * speed**2)
    assert state.yaw_rate[0, 0] == pytest.approx(expected, rel=1e-6)
    rear_force = 2014.4 * before / base * speed * expected
    assert state.side_speed[0, 0] == pytest.approx(-rear_force * speed / 176162.1, rel=1e-6)


def test_the_dynamic_bicycle_is_kinematic_when_slow_and_slides_within_its_grip() -> None:
    slow = car(3.0, steering=0.2)
    move(slow, DYNAMIC, 0.0, 0.0)
    assert slow.yaw_rate[0, 0] == pytest.approx(3.0 * np.tan(0.2) / 3.089)
    fast = car(30.0)
    for _ in range(30):
        before = np.array([fast.yaw_rate[0, 0], fast.side_speed[0, 0]])
        move(fast, DYNAMIC, 0.0, 2.0)
        behind = 1.59 / 2.85 * 3.089
        drift = [before @ [behind, 1], np.array([fast.yaw_rate[0, 0], fast.side_speed[0, 0]])]
        change = (drift[1] @ [behind, 1] - drift[0]) / 0.1
        turn = 30.0 * (before[0] + fast.yaw_rate[0, 0]) / 2
        assert abs(change + turn) < 9.81 * 1.3  # 1.3: the yaw rate bends within a step


@given(st.integers(0, 2**32 - 1), st.sampled_from([KINEMATIC, DYNAMIC, POSES]), st.floats(-5, 40))
@settings(max_examples=40, deadline=None)
def test_numpy_moves_vehicles_alike_and_nothing_is_ever_nan(
    seed: int, how: int, speed: float
) -> None:
    rng = np.random.default_rng(seed)
    state = room(environments=2, actors=4)
    state.count[:] = 4
    state.mode[...] = rng.choice([a.POLICY, a.POLICY, a.DRIVE], state.mode.shape)
    for name in ("x", "y", "acceleration", "steering", "yaw_rate", "side_speed"):
        getattr(state, name)[...] = rng.normal(0, 0.3, state.x.shape)
    state.yaw[...] = rng.uniform(-3, 3, state.yaw.shape)
    state.cos[...], state.sin[...] = np.cos(state.yaw), np.sin(state.yaw)
    state.speed[...] = speed * rng.uniform(0, 1, state.x.shape)
    state.wheel_base[...], state.rear[...] = 2.9, 1.4
    policies = np.array([[0, 2, -1], [3, 1, 0]], np.int32)
    controls = rng.normal(0, [4, 1], (2, 3, 2))
    controls[0, 0, 1] = np.nan
    poses = np.stack([state.x[:, :3], state.y[:, :3], state.yaw[:, :3]], -1)
    poses += rng.normal(0, 0.2, poses.shape)
    poses[1, 0, 0] = np.inf
    other = copied(state)
    for _ in range(5):
        move_policies(state, controls, poses, how, policies)
        plain_bodies.move_policies(other, controls, poses, how, policies)
    for name in a.State._fields:
        left, right = getattr(state, name), getattr(other, name)
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9, err_msg=name)
    for name in ("x", "y", "yaw", "speed", "side_speed", "yaw_rate", "steering", "acceleration"):
        assert np.isfinite(getattr(state, name)).all()


def test_a_pose_tells_speed_turn_and_steering() -> None:
    state = car(speed=10.0)
    angle = 0.02  # a chord of the circle of 50 m
    pose = np.array([[[50 * np.sin(angle), 50 * (1 - np.cos(angle)), angle]]])
    move_policies(state, np.zeros((1, 1, 2)), pose, POSES, ONE)
    chord = 2 * 50 * np.sin(angle / 2) / 0.1
    assert state.speed[0, 0] == pytest.approx(chord)
    assert state.yaw_rate[0, 0] == pytest.approx(0.2)
    assert state.acceleration[0, 0] == pytest.approx((chord - 10) / 0.1)
    assert np.tan(state.steering[0, 0]) == pytest.approx(3.089 * 0.2 / chord)
    assert rear(state) == pytest.approx(tuple(pose[0, 0]))
    move_policies(state, np.zeros((1, 1, 2)), np.full((1, 1, 3), np.nan), POSES, ONE)
    assert rear(state) == pytest.approx(tuple(pose[0, 0]))
    assert state.speed[0, 0] == 0.0


def on_way(path: np.ndarray, at: float) -> a.State:
    state = room(actors=1, way=len(path))
    state.mode[0, 0], state.count[0] = a.POLICY, 1
    rows = way_rows(path, np.zeros(2))
    state.way[0, : len(rows)] = rows
    state.way_count[0, 0], state.way_at[0, 0] = len(rows), at
    return state


def test_a_way_tells_progress_offset_heading_and_its_end() -> None:
    state = on_way(straight((0, 0), (50, 0)), at=10.0)
    state.x[0, 0], state.y[0, 0], state.yaw[0, 0] = 12.3, -0.7, 0.2
    follow_ways(state)
    assert state.way_at[0, 0] == pytest.approx(12.3)
    assert state.way_off[0, 0] == pytest.approx(-0.7)
    assert state.way_heading[0, 0] == pytest.approx(0.2)
    assert state.flags[0, 0] == 0
    for x, y, done in ((49.1, 0, True), (48.9, 0, False), (49.5, 4.9, True), (49.5, 5.1, False)):
        state.x[0, 0], state.y[0, 0], state.way_at[0, 0] = x, y, 45.0
        follow_ways(state)
        assert bool(state.flags[0, 0] & a.ROUTE_DONE) is done


def test_offset_and_heading_of_a_way_are_those_of_the_rear_axle() -> None:
    # A bend of 10 m radius, driven exactly by the rear axle; the box centre is 2 m ahead of it,
    # sqrt(104) m from the middle, and atan(0.2) farther along the bend.
    angle = np.linspace(0.0, 2.0, 2001)
    state = on_way(10.0 * np.column_stack([np.sin(angle), 1.0 - np.cos(angle), 0 * angle]), at=9.0)
    state.rear[0, 0], state.yaw[0, 0] = 2.0, 1.0
    state.cos[0, 0], state.sin[0, 0] = np.cos(1.0), np.sin(1.0)
    state.x[0, 0] = 10.0 * np.sin(1.0) + 2.0 * np.cos(1.0)
    state.y[0, 0] = 10.0 * (1.0 - np.cos(1.0)) + 2.0 * np.sin(1.0)
    follow_ways(state)
    assert state.way_off[0, 0] == pytest.approx(0.0, abs=1e-5)
    assert state.way_heading[0, 0] == pytest.approx(0.0, abs=1e-3)
    assert state.way_at[0, 0] == pytest.approx(10.0 * (1.0 + np.arctan(0.2)), abs=1e-3)


def test_a_way_that_crosses_itself_is_not_cut_short() -> None:
    # Along x, round a loop, back across the first piece at x = 20 after some 100 m.
    turns = [(0, 0), (40, 0), (40, 20), (20, 20), (20, -20)]
    path = np.concatenate([straight(p, q) for p, q in itertools.pairwise(turns)])
    state = on_way(path, at=15.0)
    state.speed[0, 0] = 10.0
    for x in np.arange(15.0, 26.0):
        state.x[0, 0], state.y[0, 0] = x, 0.3
        follow_ways(state)
        assert state.way_at[0, 0] == pytest.approx(x)
    state.way_at[0, 0] = 95.0
    state.x[0, 0], state.y[0, 0] = 20.2, 0.1
    follow_ways(state)
    assert state.way_at[0, 0] == pytest.approx(99.9)
    assert state.way_off[0, 0] == pytest.approx(0.2)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_numpy_follows_ways_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.cumsum(rng.normal(0, 0.2, 60))
    path = np.cumsum(np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]), axis=0)
    state = on_way(path, at=rng.uniform(0, 55))
    state.speed[0, 0], state.yaw[0, 0] = rng.uniform(0, 20), rng.uniform(-3, 3)
    state.cos[0, 0], state.sin[0, 0] = np.cos(state.yaw[0, 0]), np.sin(state.yaw[0, 0])
    state.x[0, 0], state.y[0, 0] = path[int(state.way_at[0, 0])][:2] + rng.normal(0, 2, 2)
    state.rear[0, 0] = rng.uniform(-2, 2)
    other = copied(state)
    follow_ways(state)
    plain_ways.follow_ways(other)
    for name in ("way_at", "way_off", "way_heading", "flags"):
        np.testing.assert_allclose(getattr(state, name), getattr(other, name), atol=1e-9)


def shown(plan: tuple[float, ...], seconds: float) -> int:
    state = room()
    state.light_plan[0, 0], state.step[0] = plan, round(seconds * 10)
    other = copied(state)
    update_lights(state)
    plain_lights.update_lights(other)
    assert state.light[0, 0] == other.light[0, 0]
    return int(state.light[0, 0])


@pytest.mark.parametrize(
    ("seconds", "light"),
    [(0, a.RED), (4.9, a.RED), (5, a.GREEN), (14.9, a.GREEN), (15, a.YELLOW), (17.9, a.YELLOW),
     (18, a.RED), (29.9, a.RED), (35, a.GREEN), (605, a.GREEN), (618, a.RED)],
)  # fmt: skip
def test_a_plan_repeats_its_cycle(seconds: float, light: int) -> None:
    assert shown((30.0, 5.0, 15.0, 18.0), seconds) == light


def test_a_green_window_may_run_over_the_end_of_the_cycle() -> None:
    plan = (30.0, 25.0, 35.0, 38.0)
    assert [shown(plan, t) for t in (26, 29.9, 30, 34.9, 36, 39, 54.9, 55)] == [
        a.GREEN, a.GREEN, a.GREEN, a.GREEN, a.YELLOW, a.RED, a.RED, a.GREEN,
    ]  # fmt: skip


def test_a_light_that_never_changes_and_one_that_changes_once() -> None:
    for_ever = (np.inf, 0.0, np.inf, np.inf)
    assert [shown(for_ever, t) for t in (0, 10, 1000)] == [a.GREEN] * 3
    once = (np.inf, 5.0, 20.0, 23.0)
    assert [shown(once, t) for t in (0, 5, 21, 23, 500)] == [
        a.RED, a.GREEN, a.YELLOW, a.RED, a.RED,
    ]  # fmt: skip


def test_a_recorded_light_follows_its_log_and_keeps_the_last_frame() -> None:
    state = room(frames=4)
    state.light_logged[0], state.light_log[0, :, 0] = True, [0, 2, 2, 1]
    seen = []
    for step in range(6):
        state.step[0] = step
        update_lights(state)
        seen.append(int(state.light[0, 0]))
    assert seen == [0, 2, 2, 1, 1, 1]


def past_line(light: int, *, speed: float = 5.0, stop: bool = False, wait: int = 0) -> list[int]:
    """Flags of a vehicle that drives from 10 m before the line of "wx" to 5 m past it."""
    known = tables(plus(), groups=(("wx/0",),), stop_signs=("west/0",) if stop else ())
    state, flags = room(actors=1), []
    state.light[0, 0] = light
    add_body(known, state, 0, "west/0", 67.75, speed)  # the front 10 m before the line
    places = [*np.arange(67.75, 76.25, 0.5), *[76.25] * wait, *np.arange(76.25, 82.75, 0.5)]
    for place in places:
        number = known.lane_numbers["west/0" if place <= 80 else "wx/0"]
        state.lane[0, 0] = number
        state.x[0, 0] = -88.0 + place - known.origin[0]
        state.speed[0, 0] = 0.0 if place == 76.25 and wait else speed
        other = copied(state)
        check_signs(known.roads, state)
        plain_signs.check_signs(known.roads, other)
        for name in ("flags", "stopped_at", "front_x", "front_y"):
            np.testing.assert_allclose(getattr(state, name), getattr(other, name))
        flags.append(int(state.flags[0, 0]) & (a.RED_LIGHT | a.STOP_SIGN))
    return flags


def test_a_red_line_is_crossed_once_and_green_or_yellow_never() -> None:
    flags = past_line(a.RED)
    assert sum(flag == a.RED_LIGHT for flag in flags) == 1
    crossed = flags.index(a.RED_LIGHT)
    front = [*np.arange(67.75, 76.25, 0.5), *np.arange(76.25, 82.75, 0.5)][crossed] + 2.25
    assert 80 < front <= 80.5
    assert not any(past_line(a.GREEN))
    assert not any(past_line(a.YELLOW))


def test_a_stop_sign_asks_for_a_full_stop_near_its_line() -> None:
    assert sum(past_line(a.GREEN, stop=True)) == a.STOP_SIGN
    assert not any(past_line(a.GREEN, stop=True, wait=3))


def test_of_several_connectors_the_one_of_the_way_counts() -> None:
    from drivelab.sim.scenario.templates.catalogue import build_template

    made = build_template("crossing", {"control": "lights"})
    lane = next(
        lane for lane in made.map.lanes.values() if not lane.connector and len(lane.successors) > 1
    )
    reds, greens = lane.successors[:1], lane.successors[1:]
    known = tables(made.map, groups=(reds, greens))
    for taken, red in ((reds[0], True), (greens[0], False), (None, False)):
        state = room(actors=1, groups=2, way=400)
        state.light[0] = a.RED, a.GREEN
        length = known.roads.lane_length[known.lane_numbers[lane.id]]
        add_body(known, state, 0, lane.id, length - 2.5, 5.0)
        if taken is not None:
            line = np.concatenate([lane.centreline, made.map.lanes[taken].centreline])
            rows = way_rows(line, known.origin)
            state.way[0, : len(rows)], state.way_count[0, 0] = rows, len(rows)
            state.way_at[0, 0] = length - 2.5
        check_signs(known.roads, state)
        state.x[0, 0] += 0.5 * state.cos[0, 0]
        state.y[0, 0] += 0.5 * state.sin[0, 0]
        other = copied(state)
        check_signs(known.roads, state)
        plain_signs.check_signs(known.roads, other)
        assert bool(state.flags[0, 0] & a.RED_LIGHT) is red
        assert state.flags[0, 0] == other.flags[0, 0]


def test_who_turns_away_before_the_line_passes_nothing() -> None:
    known = tables(chain(50.0, 50.0), stop_signs=("l0/0",))
    state = room(actors=1)
    add_body(known, state, 0, "l0/0", 47.0, 5.0)
    check_signs(known.roads, state)
    state.y[0, 0] += 6.0
    state.x[0, 0] += 3.0
    check_signs(known.roads, state)
    assert state.flags[0, 0] == 0
