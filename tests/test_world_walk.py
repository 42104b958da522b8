"""Free ways: kinematics by hand, kerbs and gaps, logs that are repeated, plain NumPy."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_drives import CAR, Comparison, Place, act, drive

from drivelab.geometry.polyline import project
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world import free_way, walk
from drivelab.kernels.world.arrays import State
from drivelab.sim.world.episode import ActorSpec, Episode, Parked, Replay, Trigger, Walk
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.reference import free_way as plain
from drivelab.sim.world.way import way_rows
from drivelab.types import Tracks

STREET = Place("two_way")
BODY = {"pedestrian": (0.6, 0.6), "bicycle": (1.8, 0.6), "vehicle": CAR}


def walker(
    path: np.ndarray,
    speed: float,
    *,
    kind: str = "pedestrian",
    begins: float = 0.0,
    waits: bool = False,
    gap: bool = False,
    pose: np.ndarray | None = None,
    name: str = "walker",
) -> ActorSpec:
    start = path[0] if pose is None else pose
    return ActorSpec(name, kind, BODY[kind], start, begins, Walk(path, speed, waits, gap))


def run(episode: Episode, seconds: float) -> list[State]:
    return drive(NativeWorld([episode]), seconds)


def column(history: list[State], field: str, n: int = 1) -> np.ndarray:
    return np.array([getattr(state, field)[0, n] for state in history])


def straight(s: float, left: float, length: float) -> np.ndarray:
    return np.array([STREET.pose(s, left), STREET.pose(s + length, left)])


def test_a_walker_speeds_up_walks_and_stands_at_the_end() -> None:
    history = run(STREET.episode(walker(straight(60.0, -4.0, 6.0), 1.2), ego=(20.0, 0.0)), 10.0)
    speed, at = column(history, "speed"), column(history, "way_at")
    np.testing.assert_allclose(speed[:9], 0.15 * np.arange(9), atol=1e-9)  # 1.5 m/s^2
    np.testing.assert_allclose(at[:9], 0.5 * 1.5 * (0.1 * np.arange(9)) ** 2, atol=1e-9)
    assert speed.max() == pytest.approx(1.2)
    assert at[-1] == pytest.approx(6.0, abs=1e-3)
    assert speed[-1] == pytest.approx(0.0, abs=1e-3)
    assert np.diff(speed).min() > -0.2 - 1e-9  # 2 m/s^2


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0, 15.0), st.floats(0.0, 60.0), st.floats(0.5, 6.0))
def test_braking_ends_before_the_mark(speed: float, room: float, braking: float) -> None:
    if speed**2 / (2 * braking) + 0.1 * speed > room:
        return  # no speed of the next step can do it
    left, step = room, 0
    while speed > 1e-6 and step < 2000:
        after = min(walk.speed_to_stop(left, speed, braking), speed)
        assert speed - after <= 0.1 * braking + 1e-9
        left -= 0.5 * (speed + after) * 0.1
        speed, step = after, step + 1
    assert left >= -braking * 0.1**2 / 8 - 1e-9


def test_an_offset_from_the_way_dies_away() -> None:
    path = straight(60.0, 0.0, 100.0)
    car = walker(path, 8.0, kind="vehicle", begins=8.0, pose=STREET.pose(50.0, 2.0))
    history = run(STREET.episode(car, ego=(5.0, 0.0)), 6.0)
    off, yaw = column(history, "way_off"), column(history, "yaw")
    assert off[1] == pytest.approx(2.0 - 0.35 * 0.8, abs=1e-6)  # it began behind and beside
    assert np.all(np.diff(off[1:]) <= 1e-12)
    assert off[-1] < 1e-3
    assert yaw.min() > -0.36
    assert np.abs(np.diff(yaw)).max() <= 0.8 / walk.CAR_RADIUS + 1e-9
    assert abs(yaw[-1]) < 1e-3


def test_who_leaves_the_map_is_gone() -> None:
    path = np.array([STREET.pose(20.0, -4.0), STREET.pose(20.0, -4.0) - [200.0, 0.0, 0.0]])
    history = run(STREET.episode(walker(path, 12.0, kind="bicycle", begins=12.0)), 18.0)
    modes = column(history, "mode")
    assert modes[0] == a.WALK
    assert modes[-1] == a.ABSENT


def test_keeping_a_gap_stops_behind_what_stands_and_follows_what_drives() -> None:
    path = straight(60.0, -4.0, 120.0)
    rider = walker(path, 6.0, kind="bicycle", begins=6.0, gap=True)
    blocked = STREET.actor(STREET.pose(90.0, -4.0), None, name="car")
    history = run(STREET.episode(rider, blocked, ego=(5.0, 0.0)), 12.0)
    last = history[-1]
    gap = last.x[0, 2] - last.x[0, 1] - CAR[0] / 2 - 0.9
    assert 0.9 < gap < 2.0
    assert last.speed[0, 1] < 0.1
    slow = walker(straight(75.0, -4.0, 120.0), 2.0, kind="bicycle", begins=2.0, name="slow")
    history = run(STREET.episode(rider, slow, ego=(5.0, 0.0)), 12.0)
    assert history[-1].speed[0, 1] == pytest.approx(2.0, abs=0.1)
    blind = walker(path, 6.0, kind="bicycle", begins=6.0)
    assert run(STREET.episode(blind, blocked), 6.0)[-1].speed[0, 1] == pytest.approx(6.0)


def crossing_person(begin: float = -7.0, **more: bool) -> ActorSpec:
    """From the right side over the road of two lanes, whose surface is 3.5 m to either side."""
    return walker(STREET.path(80.0, [begin, 9.0]), 1.4, waits=True, **more)


def waits_until(history: list[State]) -> tuple[float, float]:
    """The time at which a walker goes on after standing [s], and where it stood [m]."""
    speed, at = column(history, "speed"), column(history, "way_at")
    stood = np.flatnonzero(speed[10:] < 0.05) + 10
    return 0.1 * float(stood[-1]), float(at[stood[-1]])


def test_a_pedestrian_waits_at_the_kerb_for_who_comes() -> None:
    # The road begins 1.75 m right of the lane's middle: 5.25 m from the start of the path.
    history = run(STREET.episode(crossing_person(), ego=(20.0, 8.0)), 16.0)
    time, stood = waits_until(history)
    assert stood == pytest.approx(5.25 - walk.KERB_ROOM, abs=0.5)
    ego_passed = next(0.1 * i for i, s in enumerate(history) if s.x[0, 0] > s.x[0, 1] + 2.6)
    assert ego_passed - 0.5 < time < ego_passed + walk.HESITATION + 0.6
    assert column(history, "way_at")[-1] > 9.0
    assert not any(state.flags[0, 1] & a.COLLISION for state in history)


def test_a_pedestrian_goes_before_who_is_far_or_stands() -> None:
    # 7 m of road at 1.4 m/s and 1.5 s more: whoever is 6.5 s away or farther is no danger.
    for ego in ((5.0, 0.0), (60.0, 0.0)):
        history = run(STREET.episode(crossing_person(), ego=ego), 9.0)
        assert column(history, "speed")[15:70].min() > 1.3
    far = run(STREET.episode(crossing_person(-5.0), ego=(5.0, 5.0)), 6.0)
    assert column(far, "speed")[15:].min() > 1.3
    near = run(STREET.episode(crossing_person(-5.0), ego=(40.0, 5.0)), 5.0)
    assert column(near, "speed")[-1] < 0.05


def test_a_pedestrian_looks_both_ways() -> None:
    back = Place("two_way", "opposite_0")
    length = float(np.hypot(*np.diff(back.line[:, :2], axis=0).T).sum())
    at = project(back.line, STREET.pose(80.0)[:2])[0]
    oncoming = back.car(at - 50.0, speed=8.0)
    assert at > 60.0
    assert length > at
    history = run(STREET.episode(crossing_person(-5.0), oncoming, ego=(5.0, 0.0)), 14.0)
    speed = column(history, "speed")
    assert speed[30:40].max() < 0.05
    assert np.diff(speed).min() > -0.4  # it stops at ease
    assert column(history, "way_at")[-1] > 8.0
    assert not any(state.flags[0, 1] & a.COLLISION for state in history)


def test_hesitation_depends_on_seed_and_slot_alone() -> None:
    def start(seed: int) -> float:
        episode = STREET.episode(crossing_person(), ego=(20.0, 8.0), seed=seed)
        return waits_until(run(episode, 16.0))[0]

    times = [start(seed) for seed in range(4)]
    assert len(set(times)) > 1
    assert [start(seed) for seed in range(4)] == times


# Replay ---------------------------------------------------------------------------------------


def logged(frames: int = 30) -> tuple[Tracks, np.ndarray]:
    """One box on a circle, absent in frames 10 to 14."""
    angle = 0.05 * np.arange(frames)
    centre = STREET.pose(80.0, -20.0)[:2]
    poses = np.column_stack(
        [centre[0] + 10 * np.sin(angle), centre[1] - 10 * np.cos(angle), angle]
    )[:, None]
    velocities = 5.0 * np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], -1)
    valid = np.ones((frames, 1), bool)
    valid[10:15] = False
    poses[~valid], velocities[~valid] = np.nan, np.nan
    log = Tracks(("x",), ("vehicle",), np.array([CAR]), poses, velocities, valid, 0.1)
    return log, poses[:, 0]


def test_a_replayed_actor_is_where_its_log_says() -> None:
    log, poses = logged()
    actor = ActorSpec("x", "vehicle", CAR, poses[0], 5.0, Replay(0))
    world = NativeWorld([STREET.episode(actor, log=log, duration=10.0)])
    history = drive(world, 4.0)
    origin = world.bank.origins[0]
    for i, state in enumerate(history):
        there = i < 30 and not 10 <= i < 15
        assert (state.mode[0, 1] == a.REPLAY) == there, i
        if there:
            found = [state.x[0, 1] + origin[0], state.y[0, 1] + origin[1], state.yaw[0, 1]]
            np.testing.assert_allclose(found, poses[i], atol=1e-9)
            assert state.speed[0, 1] == pytest.approx(5.0)
        else:
            assert state.mode[0, 1] == a.ABSENT
    assert history[5].yaw_rate[0, 1] == pytest.approx(0.5)
    assert history[15].yaw_rate[0, 1] == 0.0  # it has just come back


# Ways as such ---------------------------------------------------------------------------------

points = st.lists(
    st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=2, max_size=12
).filter(lambda rows: min(np.hypot(*np.diff(np.array(rows), axis=0).T)) > 0.1)


@settings(max_examples=100, deadline=None)
@given(points, st.floats(-20, 120), st.floats(-40, 40), st.floats(-40, 40))
def test_ways_are_asked_alike_by_both(rows: list, s: float, x: float, y: float) -> None:
    way = way_rows(np.array(rows), np.zeros(2))
    count = len(way)
    np.testing.assert_allclose(
        free_way.way_pose(way, 0, count, s), plain.way_pose(way, s), atol=1e-9
    )
    fast = free_way.place_on_way(way, 0, count, x, y, -np.inf, np.inf)
    slow = plain.place_on_way(way, x, y)
    gap = [
        abs(np.hypot(*(np.array(free_way.way_pose(way, 0, count, p[0])[:2]) - (x, y))))
        for p in (fast, slow)
    ]
    assert gap[0] == pytest.approx(gap[1], abs=1e-6)  # ties may fall either way
    assert abs(fast[1]) == pytest.approx(abs(slow[1]), abs=1e-6)


def test_a_way_is_smooth_at_its_corners_and_goes_on_straight() -> None:
    way = way_rows(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]), np.zeros(2))
    yaw = [free_way.way_pose(way, 0, 3, s)[2] for s in (5.0, 8.5, 10.0, 11.5, 15.0)]
    np.testing.assert_allclose(yaw, [0.0, pi / 8, pi / 4, 3 * pi / 8, pi / 2], atol=1e-12)
    assert free_way.way_pose(way, 0, 3, -2.0)[:2] == pytest.approx((-2.0, 0.0))
    assert free_way.way_pose(way, 0, 3, 25.0)[:2] == pytest.approx((10.0, 15.0))
    assert free_way.place_on_way(way, 0, 3, -3.0, 1.0, -9.0, 99.0) == pytest.approx((-3.0, 1.0))


def test_ways_meet_where_they_cross_or_come_close() -> None:
    both = np.concatenate(
        [
            way_rows(np.array([[0.0, 0.0], [40.0, 0.0]]), np.zeros(2)),
            way_rows(np.array([[10.0, -5.0], [10.0, 5.0], [30.0, 5.0], [30.0, -5.0]]), np.zeros(2)),
        ]
    )
    meet = free_way.way_crossing
    assert meet(both, 0, 2, 0.0, 2, 4, 0.0, 2.0) == pytest.approx((10.0, 5.0))
    assert meet(both, 0, 2, 15.0, 2, 4, 0.0, 2.0) == pytest.approx((30.0, 35.0))
    assert meet(both, 0, 2, 35.0, 2, 4, 0.0, 2.0) == (pytest.approx(np.nan, nan_ok=True),) * 2
    both[:2, 1] = 6.5  # passes the second corner of the other at 1.5 m
    assert meet(both, 0, 2, 0.0, 2, 4, 0.0, 2.0) == pytest.approx((10.0, 10.0))
    assert np.isnan(meet(both, 0, 2, 0.0, 2, 4, 0.0, 1.0)[0])


# The same, always -----------------------------------------------------------------------------


def crowd(seed: int) -> Episode:
    """People who cross, riders who keep a gap, cars on paths, somebody replayed, a parked car."""
    rng = np.random.default_rng(seed)
    actors = []
    for i in range(6):
        side = rng.choice([-1.0, 1.0])
        lefts = np.array([-6.0, 7.0]) * side + rng.uniform(-1.0, 1.0, 2)
        path = STREET.path(float(rng.uniform(40, 110)), list(lefts))
        actors.append(
            walker(path, float(rng.uniform(0.8, 2.0)), waits=bool(i % 2), name=f"person {i}")
        )
    for i in range(4):
        s, left = float(rng.uniform(30, 60)), float(rng.choice([-4.5, 4.5, 0.5]))
        path = np.array([STREET.pose(s + d, left + rng.normal(0, 0.4)) for d in range(0, 90, 15)])
        kind = str(rng.choice(["bicycle", "vehicle"]))
        start = path[0] + np.append(rng.normal(0, 0.5, 2), 0.1)
        actors.append(
            walker(path, 5.0, kind=kind, begins=4.0, gap=i < 3, pose=start, name=f"rider {i}")
        )
    log, poses = logged(60)
    actors.append(ActorSpec("x", "vehicle", CAR, poses[0], 5.0, Replay(0)))
    actors.append(ActorSpec("stands", "vehicle", CAR, STREET.pose(90.0, -4.0), 0.0, Parked()))
    actors.append(STREET.car(25.0, speed=9.0))
    return STREET.episode(*actors, log=log, ego=(5.0, 6.0), seed=seed)


def test_compiled_is_plain() -> None:
    world = NativeWorld([crowd(seed) for seed in range(3)])
    comparison = Comparison(world)
    controls = np.zeros((3, 1, 2))
    waited = False
    for step in range(120):
        if step % 8 == 0:
            comparison.check()
        world.step(controls)
        waited |= bool((world.state.waited > 0.0).any())
    kinds = world.state.mode == a.WALK
    assert (world.state.way_at[kinds] > 5.0).mean() > 0.5  # most have come somewhere
    assert waited


def test_a_scripted_stop_holds_for_walkers_that_wait() -> None:
    person = ActorSpec(
        "p", "pedestrian", (0.6, 0.6), STREET.path(80.0, [-20.0, 9.0])[0], 1.4,
        Walk(STREET.path(80.0, [-20.0, 9.0]), 1.4, True),
        (act("hard_brake", Trigger(time=1.0), deceleration=3.0, hold=1.0),),
    )  # fmt: skip
    speed = column(run(STREET.episode(person, ego=(5.0, 0.0)), 4.0), "speed")
    assert np.count_nonzero(speed < 1e-6) in (10, 11)
    assert speed[-1] == pytest.approx(1.4)
