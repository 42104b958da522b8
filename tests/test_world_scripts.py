"""Scripted behaviours: triggers by hand, every kind on a road, what cannot be, plain NumPy."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from world_drives import CAR, Comparison, Place, act, assert_same, drive, states

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world import scripts
from drivelab.kernels.world.arrays import State
from drivelab.sim.world.episode import (
    BEHAVIOURS,
    Behaviour,
    Episode,
    Replay,
    SignalGroup,
    Trigger,
    Walk,
)
from drivelab.sim.world.native import NativeWorld
from drivelab.types import KINDS, Tracks

STREET = Place("two_way")  # one lane to either side, at 1.75 m from the middle
WIDE = Place("straight_3lane", "1")
CROSSING = Place("crossing", "left_0")
EGO_WAY = Place("crossing", "0")
HALF = float(np.hypot(*np.diff(CROSSING.line[:, :2], axis=0).T).sum()) / 2  # to its junction
SOON = Trigger(time=1.0)
PERSON = {"kind": "pedestrian", "size": (0.6, 0.6)}


def run(episode: Episode, seconds: float = 10.0, acceleration: float = 0.0) -> list[State]:
    return drive(NativeWorld([episode]), seconds, acceleration)


def local(place: Place, s: float, left: float = 0.0) -> np.ndarray:
    """A point of a chain in the frame of the state."""
    world = NativeWorld([place.episode()])
    return place.pose(s, left)[:2] - world.bank.origins[0]


def test_numbers_of_kinds_follow_their_table() -> None:
    for number, name in enumerate(BEHAVIOURS):
        assert getattr(scripts, name.upper()) == number
    assert KINDS[a.VEHICLE] == "vehicle"
    assert KINDS[a.PEDESTRIAN] == "pedestrian"
    assert max(len(values) for values in BEHAVIOURS.values()) <= a.VALUES


# Kinds ----------------------------------------------------------------------------------------


def test_hard_brake_brakes_holds_and_goes_on() -> None:
    history = run(STREET.episode(STREET.car(60.0, act("hard_brake", SOON, until=2.0, hold=1.0))))
    speed = np.array([state.speed[0, 1] for state in history])
    braking = np.flatnonzero(np.diff(speed) < -0.59)
    assert braking[0] == 10
    np.testing.assert_allclose(np.diff(speed)[braking[:-1]], -0.6, atol=1e-9)  # 6 m/s^2, no jerk
    held = np.flatnonzero(np.abs(speed - 2.0) < 1e-6)
    assert len(held) == 11  # 1 s, both ends
    assert speed[-1] > 5.0
    assert states(history) == [a.WAITING, a.RUNNING, a.DONE]


def test_set_speed_changes_at_its_rate_and_keeps_it() -> None:
    history = run(STREET.episode(STREET.car(60.0, act("set_speed", speed=4.0), speed=8.0)))
    speed = np.array([state.speed[0, 1] for state in history])
    np.testing.assert_allclose(speed[:21], 8.0 - 0.2 * np.arange(21), atol=1e-9)
    np.testing.assert_allclose(speed[25:], 4.0, atol=0.15)
    stopped = run(STREET.episode(STREET.car(60.0, act("set_speed", speed=0.0))), 8.0)
    assert stopped[-1].speed[0, 1] == 0.0
    assert stopped[60].x[0, 1] == stopped[-1].x[0, 1]  # and stands for good


@pytest.mark.parametrize("lanes", [1.0, -1.0])
def test_cut_in_takes_the_lane_beside_whatever_comes_there(lanes: float) -> None:
    car = WIDE.car(60.0, act("cut_in", SOON, lanes=lanes, over=2.0, speed=7.0))
    beside = WIDE.actor(WIDE.pose(64.0, 3.5 * lanes), None, name="in the way")
    history = run(WIDE.episode(car, beside), 6.0)
    moved = np.array([state.y[0, 1] for state in history])
    assert moved[9] == pytest.approx(moved[0], abs=1e-6)
    assert moved[31] == pytest.approx(moved[0] + 3.5 * lanes, abs=0.05)
    assert np.abs(np.diff(moved)).max() < 0.4  # in one sweep
    assert states(history) == [a.WAITING, a.RUNNING, a.DONE]
    assert history[-1].lane[0, 1] != history[0].lane[0, 1]


def test_follow_path_leaves_the_lane_and_comes_back_to_it() -> None:
    side = np.array(
        [STREET.pose(s, left) for s, left in ((70, 0), (90, -2.5), (110, -2.5), (130, 0))]
    )
    history = run(STREET.episode(STREET.car(60.0, act("follow_path", SOON, side, speed=9.0))), 12.0)
    modes = [int(state.mode[0, 1]) for state in history]
    assert modes[:10] == [a.DRIVE] * 10
    assert modes[12] == a.WALK
    assert modes[-1] == a.DRIVE
    beside = [STREET.line[0, 1] - state.y[0, 1] for state in history]
    assert max(beside) - beside[0] == pytest.approx(2.5, abs=0.05)
    turns = np.abs(np.diff([state.yaw[0, 1] for state in history]))
    assert turns.max() < 0.35
    assert states(history) == [a.WAITING, a.RUNNING, a.DONE]


def test_a_parked_car_stands_at_the_end_of_its_path() -> None:
    path = np.array([STREET.pose(60.0, -3.0), STREET.pose(85.0, -3.0)])
    parked = STREET.actor(STREET.pose(60.0, -3.0), None, act("follow_path", SOON, path, speed=4.0))
    last = run(STREET.episode(parked), 12.0)[-1]
    assert last.mode[0, 1] == a.WALK
    assert last.speed[0, 1] == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose([last.x[0, 1], last.y[0, 1]], local(STREET, 85.0, -3.0), atol=0.05)


def test_overtaking_swings_out_passes_and_swings_back() -> None:
    slow = STREET.car(75.0, act("set_speed", speed=3.0), speed=3.0, name="slow")
    car = STREET.car(60.0, act("overtake_oncoming", SOON, speed=9.0, length=30.0), speed=6.0)
    history = run(STREET.episode(car, slow), 14.0)
    aside = np.array([state.y[0, 1] for state in history]) - history[0].y[0, 1]
    assert aside.max() == pytest.approx(3.5, abs=0.02)
    assert abs(aside[-1]) < 0.1
    ahead = [state.x[0, 1] - state.x[0, 2] for state in history]
    assert ahead[0] < 0 < ahead[-1]
    assert not any(state.flags[0, 1] & a.COLLISION for state in history)
    assert states(history) == [a.WAITING, a.RUNNING, a.DONE]


def test_a_u_turn_ends_on_the_lane_that_runs_back() -> None:
    history = run(WIDE.episode(WIDE.car(90.0, act("u_turn", SOON, radius=5.0, speed=5.0))), 20.0)
    there = next(state for state in history if state.script_state[0, 1, 0] == a.DONE)
    assert abs(abs(there.yaw[0, 1]) - pi) < 0.05
    assert there.mode[0, 1] == a.DRIVE
    assert there.lane_d[0, 1] == pytest.approx(0.0, abs=0.05)
    turned = np.unwrap([state.yaw[0, 1] for state in history])
    assert turned[-1] == pytest.approx(pi, abs=0.05)  # to the left
    assert np.abs(np.diff(turned)).max() < 0.2
    assert states(history) == [a.WAITING, a.RUNNING, a.DONE]


def test_a_car_backs_out_along_its_axis() -> None:
    pose = STREET.pose(60.0, -5.0, 1.0)
    history = run(STREET.episode(STREET.actor(pose, None, act("reverse_out", SOON, distance=6.0))))
    last = history[-1]
    moved = np.array([last.x[0, 1] - history[0].x[0, 1], last.y[0, 1] - history[0].y[0, 1]])
    np.testing.assert_allclose(moved, -6.0 * np.array([np.cos(1.0), np.sin(1.0)]), atol=0.05)
    assert {round(float(state.yaw[0, 1]), 9) for state in history} == {1.0}
    assert min(state.speed[0, 1] for state in history) == pytest.approx(-1.5)
    assert last.mode[0, 1] == a.PARKED


@pytest.mark.parametrize(("side", "turned"), [(1, 0.0), (1, pi), (-1, 0.0), (-1, pi)])
def test_a_door_grows_away_from_its_car(side: int, turned: float) -> None:
    flush = CAR[1] / 2 + 0.025
    car = STREET.actor(STREET.pose(60.0, -3.0), None, name="car")
    door = STREET.actor(
        STREET.pose(60.5, -3.0 + side * flush, turned), None,
        act("open_door", SOON, width=0.9, over=0.5), kind="generic_object", size=(1.0, 0.05),
    )  # fmt: skip
    history = run(STREET.episode(door, car), 3.0)
    first, last = history[0], history[-1]
    assert last.half_width[0, 1] == pytest.approx(0.45)
    inner = [side * (s.y[0, 1] - s.y[0, 2]) - s.half_width[0, 1] for s in (first, last)]
    assert inner[1] == pytest.approx(inner[0], abs=1e-9)  # the hinge side stays where it was
    widths = [float(state.half_width[0, 1]) for state in history]
    np.testing.assert_allclose(np.diff(widths[10:16]), (0.45 - 0.025) / 5, atol=1e-9)
    assert states(history) == [a.WAITING, a.RUNNING, a.DONE]


def test_a_parked_car_pulls_away_into_its_lane() -> None:
    parked = STREET.actor(STREET.pose(60.0, -2.6), None, act("pull_away", SOON, speed=6.0))
    history = run(STREET.episode(parked, ego=(20.0, 0.0)), 14.0)
    last = history[-1]
    assert last.mode[0, 1] == a.DRIVE
    assert last.lane_d[0, 1] == pytest.approx(0.0, abs=0.05)
    assert last.speed[0, 1] == pytest.approx(6.0, abs=0.3)
    still = [state for state in history if state.speed[0, 1] == 0.0]
    assert len({float(state.y[0, 1]) for state in still}) == 1  # it steers, it is not pushed
    assert max(abs(state.yaw[0, 1]) for state in history) < 0.6


def test_running_a_red_light_goes_on_where_others_stop() -> None:
    group = next(
        k for k, names in enumerate(CROSSING.template.groups) if set(names) & set(CROSSING.lanes)
    )
    lights = [(np.inf, 0.0, 0.0, 0.0), (np.inf, 0.0, np.inf, np.inf)]  # red, green for ever

    def cross(*acts: Behaviour) -> State:
        groups = tuple(
            SignalGroup(names, *lights[0 if k == group else 1])
            for k, names in enumerate(CROSSING.template.groups)
        )
        episode = EGO_WAY.episode(CROSSING.car(HALF - 60.0, *acts), ego=(5.0, 0.0), lights=groups)
        return run(episode, 14.0)[-1]

    assert cross().speed[0, 1] < 0.1
    ran = cross(act("run_red_light"))
    assert ran.speed[0, 1] > 3.0
    assert ran.script_state[0, 1, 0] == a.DONE


# Meeting the ego ------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [4.0, 8.0, 13.0])
@pytest.mark.parametrize("acceleration", [0.0, -0.2, 0.6])
def test_a_jaywalker_meets_the_ego_whatever_it_does(speed: float, acceleration: float) -> None:
    def crossing(meet: float) -> float:
        path = STREET.path(25.0 + 6.5 * speed, [-6.0, 6.0])
        walker = STREET.actor(
            path[0], None, act("jaywalk", Trigger(ttc_below=6.0), path, speed=1.5, meet=meet),
            **PERSON,
        )  # fmt: skip
        history = run(STREET.episode(walker, ego=(20.0, speed)), 16.0, acceleration)
        d = [np.hypot(s.x[0, 0] - s.x[0, 1], s.y[0, 0] - s.y[0, 1]) for s in history]
        return float(min(d))

    assert crossing(1.0) < 1.15  # half the ego's width: not just its bumper
    if acceleration <= 0.0:  # on its own it comes too early; an ego that speeds up meets it then
        assert crossing(0.0) > 2.0


@pytest.mark.parametrize("ego_speed", [6.0, 8.0, 10.0])
def test_a_red_light_runner_meets_the_ego(ego_speed: float) -> None:
    car = CROSSING.car(HALF - 55.0, act("run_red_light", speed=9.0, meet=1.0))
    history = run(EGO_WAY.episode(car, ego=(HALF - 70.0, ego_speed)), 14.0)
    assert any(state.flags[0, 0] & a.COLLISION for state in history)
    assert not history[-1].obeys[0, 1] & a.BLIND


@pytest.mark.parametrize("ego_speed", [6.0, 9.0, 11.0])
def test_cutting_in_aims_just_ahead_of_the_ego(ego_speed: float) -> None:
    beside = Place("straight_3lane", "0")
    car = beside.car(45.0, act("cut_in", lanes=1.0, over=4.0, speed=9.0, meet=1.0), speed=9.0)
    last = run(WIDE.episode(car, ego=(40.0, ego_speed)), 4.0)[-1]
    room = last.x[0, 1] - last.x[0, 0] - last.half_length[0, 1] - last.half_length[0, 0]
    assert room == pytest.approx(scripts.CUT_GAP, abs=0.1)


# The same, always -----------------------------------------------------------------------------


def everything() -> list[Episode]:
    """One episode per kind, and some with several at once."""
    side = np.array([STREET.pose(s, left) for s, left in ((70, 0), (90, -2.5), (130, 0))])
    across = STREET.path(80.0, [-6.0, 6.0])
    person = STREET.actor(
        across[0], None, act("jaywalk", Trigger(ttc_below=5.0), across, meet=1.0), **PERSON,
        name="person",
    )  # fmt: skip
    door = STREET.actor(
        STREET.pose(60.5, -2.0), None, act("open_door", SOON), kind="generic_object",
        size=(1.0, 0.05), name="door",
    )  # fmt: skip
    parked = STREET.pose(60.0, -3.0)
    cut = act("cut_in", SOON, lanes=1.0, meet=1.0)
    braking = act("hard_brake", Trigger(after=0))
    swerving = STREET.car(60.0, act("follow_path", SOON, side), braking)
    backing = STREET.actor(
        parked, None, act("reverse_out", SOON), act("pull_away", Trigger(after=0))
    )
    slowing = act("set_speed", Trigger(gap_below=8.0), speed=3.0)
    runner = CROSSING.car(HALF - 60.0, act("run_red_light", meet=1.0))
    over = act("follow_path", Trigger(time=2.0), CROSSING.line[::3], meet=1.0, speed=np.nan)
    return [
        STREET.episode(STREET.car(60.0, act("u_turn", SOON))),
        STREET.episode(STREET.car(60.0, act("overtake_oncoming", SOON, length=20.0))),
        STREET.episode(swerving),
        STREET.episode(STREET.actor(parked, None, act("pull_away", SOON)), person),
        STREET.episode(backing, door),
        WIDE.episode(WIDE.car(60.0, cut, slowing)),
        EGO_WAY.episode(runner, ego=(HALF - 70.0, 8.0)),
        EGO_WAY.episode(CROSSING.car(HALF - 60.0, over), ego=(HALF - 70.0, 9.0)),
    ]


def test_compiled_is_plain() -> None:
    world = NativeWorld(everything())
    comparison = Comparison(world)
    controls = np.zeros((len(world), 1, 2))
    for step in range(90):
        before = world.state.script_state.copy()
        if step % 6 == 0:
            comparison.check()
        world.step(controls)
        if (world.state.script_state != before).any():
            comparison.check()
    assert (world.state.script_state[world.state.script >= 0] != a.WAITING).mean() > 0.8


def test_a_restored_world_goes_on_bit_by_bit() -> None:
    world = NativeWorld(everything())
    drive(world, 2.5)
    kept = world.snapshot()
    first = drive(world, 2.5)[-1]
    world.restore(kept)
    again = drive(world, 2.5)[-1]
    assert_same(first, again, atol=0.0)


def test_neighbours_in_the_batch_do_not_matter() -> None:
    episodes = everything()
    together = drive(NativeWorld(episodes), 5.0)[-1]
    for e in (0, 3, 6):
        alone = drive(NativeWorld([episodes[e]]), 5.0)[-1]
        count = int(alone.count[0])
        for name in ("mode", "x", "y", "yaw", "speed", "wish", "script_state"):
            mine, other = getattr(alone, name)[0, :count], getattr(together, name)[e, :count]
            if name == "script_state":
                other = other[:, : mine.shape[1]]
            np.testing.assert_array_equal(mine, other, name)


def test_a_replayed_actor_leaves_its_log_for_good() -> None:
    frames = 60
    pose = np.tile(STREET.pose(80.0, -4.0, pi / 2), (frames, 1, 1)).reshape(frames, 1, 3)
    log = Tracks(
        ("p",), ("pedestrian",), np.array([[0.6, 0.6]]), pose, np.zeros((frames, 1, 2)),
        np.ones((frames, 1), bool), 0.1,
    )  # fmt: skip
    path = STREET.path(80.0, [-4.0, 3.0])
    walker = STREET.actor(pose[0, 0], Replay(0), act("jaywalk", SOON, path), **PERSON)
    history = run(STREET.episode(walker, log=log, ego=(20.0, 0.0)), 8.0)
    assert [int(history[i].mode[0, 1]) for i in (5, 12, -1)] == [a.REPLAY, a.WALK, a.WALK]
    np.testing.assert_allclose(
        [history[-1].x[0, 1], history[-1].y[0, 1]], local(STREET, 80.0, 3.0), atol=0.05
    )


def test_walkers_on_a_way_take_up_behaviours() -> None:
    line = np.array([STREET.pose(60.0, -4.0), STREET.pose(120.0, -4.0)])
    cyclist = STREET.actor(
        line[0], Walk(line, 5.0), act("hard_brake", SOON, hold=0.5), kind="bicycle",
        size=(1.8, 0.6), speed=5.0,
    )  # fmt: skip
    speed = np.array([state.speed[0, 1] for state in run(STREET.episode(cyclist), 6.0)])
    assert speed[9] == pytest.approx(5.0)
    assert speed.min() == 0.0
    assert speed[-1] > 3.0
