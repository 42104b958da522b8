"""What policies see: by hand, against plain NumPy, within bounds, whatever else is in the batch."""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_actors import lane, put, road_map, scatter

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.arrays import State
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.locate import locate_actors
from drivelab.kernels.world.observe import (
    OBSERVATION_BOUNDS,
    agent_floats,
    observe_agents,
)
from drivelab.kernels.world.observe_ego import EGO_COLUMNS, EGO_FLOATS, EGO_LAYOUT, observe_ego
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.world.reference import observe as plain
from drivelab.sim.world.reference import observe_ego as plain_ego
from drivelab.sim.world.roads import RoadTables, road_tables
from drivelab.sim.world.state import copied
from drivelab.types import LaneMap

PARTS = {name: slice(start, stop) for name, start, stop, *_ in EGO_LAYOUT}


@lru_cache
def generated(family: str) -> LaneMap:
    return FAMILIES[family](np.random.default_rng(1)).map


def look(tables: RoadTables, state: State) -> np.ndarray:
    slots = state.x.shape[1]
    policy = np.tile(np.arange(slots, dtype=np.int32), (len(state.map), 1))
    out = np.full((*policy.shape, agent_floats(slots)), np.nan, np.float32)
    observe_agents(tables.roads, state, policy, out)
    return out


def ego_sees(tables: RoadTables, state: State) -> dict[str, np.ndarray]:
    locate_actors(tables.roads, state)
    check_actors(tables.roads, state)
    out = np.full((len(state.map), EGO_FLOATS), np.nan, np.float32)
    observe_ego(tables.roads, state, out)
    rows = {name: len(columns) for name, _, columns in EGO_COLUMNS}
    return {name: out[0, part].reshape(-1, rows[name]) for name, part in PARTS.items()}


def with_ways(state: State, rng: np.random.Generator) -> State:
    """A crooked way for every actor and a route for the ego, as a start leaves them."""
    environments, slots = state.x.shape
    step = np.cumsum(rng.uniform(0.5, 6.0, (environments, 40)), axis=1)
    way = np.zeros((environments, 40, 4))
    way[..., :2] = np.cumsum(rng.normal(0.0, 3.0, (environments, 40, 2)), axis=1)
    way[..., 3] = step
    state = state._replace(way=way)
    state.way_count[:] = rng.choice([0, 20, 40], state.x.shape)
    state.way_at[:] = rng.uniform(0.0, 100.0, (environments, slots))
    state.way_off[:], state.way_heading[:] = rng.normal(0.0, 3.0, (2, environments, slots))
    return state


def test_an_agent_sees_itself_and_its_partners_in_its_own_frame() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)])))
    yaw = pi / 2
    state = put(
        [(5, 0, yaw, 4, 2), (5, 20, yaw + 0.3, 10, 2.5), (-35, 0, 0, 4, 2), (56, 0, 0, 4, 2)]
    )
    state.speed[0] = (15.0, -3.0, 6.0, 9.0)
    state.acceleration[0, 0], state.steering[0, 0] = -2.0, 0.25
    seen = look(tables, state)[0]
    np.testing.assert_allclose(seen[0, :7], [0.5, -0.2, 0.25, 0.4, 2 / 3, 0.0, 0.0], atol=1e-6)
    partners = seen[0, 7:28].reshape(3, 7)
    ahead = [0.4, 0.0, cos(0.3), sin(0.3), -0.1, 1.0, 2.5 / 3]
    left = [0.0, 0.8, 0.0, -1.0, 0.2, 0.4, 2 / 3]
    np.testing.assert_allclose(partners, [ahead, left, [0.0] * 7], atol=1e-6)  # 51 m: not seen
    assert seen[3, 7:14].any() == 0  # the last one sees nobody in slot 0


def test_an_agent_sees_the_road_around_it() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)], width=3.5)))
    state = put([(1.0, 0.0, 0.0, 4, 2)])
    segments = look(tables, state)[0, 0, 7:].reshape(200, 7)
    segments = segments[np.any(segments != 0.0, axis=1)]
    x, y, half, c, s, width, kind = segments.T
    assert (np.hypot(x, y) <= 1.0).all()
    assert np.hypot(c, s) == pytest.approx(1.0)
    lanes = kind == 0.0
    np.testing.assert_allclose(y[lanes], 0.0, atol=1e-6)
    np.testing.assert_allclose(width[lanes], 3.5 / 8.0, atol=1e-6)
    borders = kind == 0.5
    assert borders.sum() + lanes.sum() == len(kind)
    right = borders & (y < 0)
    np.testing.assert_allclose(y[right], -1.75 / 50.0, atol=1e-6)
    np.testing.assert_allclose(c[right], 1.0, atol=1e-6)  # inside to its left
    np.testing.assert_allclose(2 * 4.0 * half[lanes].sum(), 100.0, atol=5.0)


def test_the_point_of_the_way_to_come_lies_30_m_ahead_or_at_its_end() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)])))
    state = put([(0.0, 1.0, 0.0, 4, 2), (0.0, 1.0, pi / 2, 4, 2)])
    state = state._replace(way=np.zeros((1, 9, 4)))
    s = 10.0 * np.arange(9)
    state.way[0] = np.column_stack([s - 20.0, 0 * s, 0 * s, s])
    state.way_count[:] = 9
    state.way_at[0] = (20.0, 70.0)
    seen = look(tables, state)[0, :, 5:7]
    np.testing.assert_allclose(seen, [[30 / 50, -1 / 50], [-1 / 50, -60 / 50]], atol=1e-6)


@settings(max_examples=15)
@given(st.sampled_from(["roundabout", "four_way", "curve", "cyclist"]), st.integers(0, 2**32 - 1))
def test_compiled_observations_are_those_in_plain_numpy(family: str, seed: int) -> None:
    tables = road_tables(generated(family), groups=tuple((n,) for n in generated(family).lanes))
    rng = np.random.default_rng(seed)
    state = with_ways(scatter(tables.roads, rng, environments=4, actors=24, aside=6.0), rng)
    state = state._replace(light=rng.integers(0, 3, (4, len(tables.groups))).astype(np.int8))
    policy = rng.integers(-1, 24, (4, 9)).astype(np.int32)
    policy = np.where(policy < state.count[:, None], policy, -1)
    one = np.full((4, 9, agent_floats(24)), np.nan, np.float32)
    two = one.copy()
    observe_agents(tables.roads, state, policy, one)
    plain.observe_agents(tables.roads, state, policy, two)
    np.testing.assert_allclose(one, two, atol=2e-6)
    low, high = OBSERVATION_BOUNDS
    assert ((one >= low) & (one <= high)).all()
    wander(tables, state, rng)
    ego, ego_two = np.full((2, 4, EGO_FLOATS), np.nan, np.float32)
    observe_ego(tables.roads, state, ego)
    plain_ego.observe_ego(tables.roads, state, ego_two)
    np.testing.assert_allclose(ego, ego_two, atol=1e-5)
    assert ((ego >= low) & (ego <= high)).all()


def wander(tables: RoadTables, state: State, rng: np.random.Generator) -> None:
    """Give the ego a random drive along successors as its route."""
    roads = tables.roads
    locate_actors(roads, state)
    check_actors(roads, state)
    state.route[:] = -1
    roads.lane_control[:] = rng.integers(0, 3, len(roads.lane_control))
    for e in range(len(state.map)):
        at = state.lane[e, 0]
        for k in range(state.route.shape[2]):
            if at < 0:
                break
            state.route[e, 0, k] = at
            to = roads.successor[roads.successor_first[at] : roads.successor_first[at + 1]]
            at = rng.choice(to) if len(to) else -1


def test_a_batch_sees_what_its_environments_see_alone() -> None:
    tables = road_tables(generated("roundabout"))
    rng = np.random.default_rng(4)
    state = with_ways(scatter(tables.roads, rng, environments=5, actors=12), rng)
    together, ego = look(tables, state), np.zeros((5, EGO_FLOATS), np.float32)
    observe_ego(tables.roads, state, ego)
    for e in (4, 1, 3, 0, 2):
        one = State(*(array[e : e + 1] for array in state))
        np.testing.assert_array_equal(look(tables, one)[0], together[e])
        alone = np.zeros((1, EGO_FLOATS), np.float32)
        observe_ego(tables.roads, one, alone)
        np.testing.assert_array_equal(alone[0], ego[e])


def test_the_layout_covers_every_float_once() -> None:
    stops = [0, *(stop for _, _, stop, *_ in EGO_LAYOUT)]
    assert [start for _, start, *_ in EGO_LAYOUT] == stops[:-1]
    assert [stop - start for _, start, stop, *_ in EGO_LAYOUT] == [
        count * len(columns) for _, count, columns in EGO_COLUMNS
    ]
    assert stops[-1] == EGO_FLOATS >= 300
    assert agent_floats(32) == 1624


def test_the_ego_sees_what_it_is_and_where_it_stands() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)], width=4.0, limit=15.0)))
    state = put(
        [(10.0, 0.5, 0.1, 5.0, 2.0), (20.0, 0.5, 0.1, 4.0, 2.0), (15.0, 3.0, 0.1, 1.0, 0.5)]
    )
    state.kind[0] = (0, 0, 1)
    state.speed[0] = (6.0, 12.0, 1.5)
    state.rear[0, 0], state.wheel_base[0, 0], state.yaw_rate[0, 0] = 1.5, 3.0, 0.2
    seen = ego_sees(tables, state)
    corner = 2.0 - 0.5 - (2.5 * sin(0.1) + 1.0 * cos(0.1))
    expected = [0.2, 0, 0, 0.2, 0, 0.5, 2 / 3, 0.3, 0.15, corner / 10, 1, 0.1, cos(0.1), sin(0.1),
                0.5, 0.5]  # fmt: skip
    np.testing.assert_allclose(seen["ego"][0], expected, atol=1e-6)
    np.testing.assert_allclose(seen["progress"], 0.0)
    person, car, nobody = seen["actors"][:3]
    dx, dy = 15.0 - 10.0, 3.0 - 0.5
    x, y = dx * cos(0.1) + dy * sin(0.1) + 1.5, dy * cos(0.1) - dx * sin(0.1)
    np.testing.assert_allclose(
        person, [1, x / 60, y / 60, 1, 0, 0.05, 0, 0.1, 0.5 / 3, 0, 1, 0, 0], atol=1e-6
    )
    assert car[5] == pytest.approx(0.4)
    assert car[9] == 1.0
    assert not nobody.any()


def signalled() -> RoadTables:
    return road_tables(
        road_map(
            lane("a", [(-60, 0), (0, 0)], successors=("b",)),
            lane("b", [(0, 0), (20, 0)], connector=True, predecessors=("a",), successors=("c",)),
            lane("c", [(20, 0), (60, 0)], predecessors=("b",)),
        ),
        groups=(("b",),),
        stop_signs=("c",),
    )


@pytest.mark.parametrize("shown", [a.GREEN, a.YELLOW, a.RED])
def test_the_next_light_and_sign_on_the_route_are_seen_from_the_front(shown: int) -> None:
    tables = signalled()
    state = put([(-20.0 - tables.origin[0], 0.0, 0.0, 4.0, 2.0)])
    state = state._replace(route=np.array([[[0, 1, 2, -1]]], np.int32))
    state.light[0, 0] = shown
    light = [float(shown == k) for k in (a.GREEN, a.YELLOW, a.RED)]
    signals = ego_sees(tables, state)["signals"][0]
    np.testing.assert_allclose(signals, [0.18, *light, 0.78, 1.0, 0.0], atol=1e-6)
    state.x[0, 0] = 10.0 - tables.origin[0]  # past the line
    signals = ego_sees(tables, state)["signals"][0]
    np.testing.assert_allclose(signals, [1.0, 0, 0, 0, 0.48, 1.0, 0.0], atol=1e-6)


def test_the_way_ahead_is_seen_every_two_metres() -> None:
    tables = signalled()
    state = put([(-20.0 - tables.origin[0], 0.0, 0.0, 4.0, 2.0)])
    s = 4.0 * np.arange(13)
    way = np.column_stack([s - 20.0 - tables.origin[0], 0 * s, 0 * s, s])
    state = state._replace(way=way[None])
    state.way_count[:], state.way_at[:] = 13, 1.0
    points = ego_sees(tables, state)["way"]
    expected = np.minimum(1.0 + 2.0 * np.arange(1, 31), 48.0) / 60.0
    np.testing.assert_allclose(points[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(points[:, 1:], np.tile([0.0, 1.0, 0.0], (30, 1)), atol=1e-6)


def test_absent_egos_and_unknown_ground_are_zeros() -> None:
    tables = road_tables(generated("curve"))
    state = put([(0, 0, 0, 4, 2), (1e5, 0, 0, 4, 2)])
    state.mode[0, 0] = a.ABSENT
    assert not look(tables, state)[0, 0].any()
    assert not look(tables, state)[0, 1, 7:].any()
    assert not any(part.any() for part in ego_sees(tables, state).values())
    before = copied(state)
    look(tables, state)
    for name, was, now in zip(State._fields, before, state, strict=True):
        np.testing.assert_array_equal(was, now, err_msg=name)
