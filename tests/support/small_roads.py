"""Small road networks and states for tests of the native world's traffic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from drivelab.kernels.world import arrays as a
from drivelab.sim.generator.map_builder import MapBuilder, strip
from drivelab.sim.world.episode import TRAFFIC_DRIVER
from drivelab.sim.world.roads import RoadTables, road_tables
from drivelab.sim.world.start import driver_row
from drivelab.sim.world.state import Capacity, allocate, clear
from drivelab.types import LaneMap


def straight(start: Sequence[float], end: Sequence[float], spacing: float = 1.0) -> np.ndarray:
    """Poses along the line between two points."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    n = max(2, round(float(np.hypot(*(b - a))) / spacing) + 1)
    points = a + np.linspace(0, 1, n)[:, None] * (b - a)
    yaw = np.full(n, np.arctan2(*(b - a)[::-1]))
    return np.column_stack([points, yaw])


def chain(*lengths: float, limit: float = 13.9) -> LaneMap:
    """Lanes along x that follow each other, "l0/0", "l1/0", ..."""
    builder, x, names = MapBuilder(np.zeros(3), rounded=False), 0.0, []
    for k, length in enumerate(lengths):
        line = straight((x, 0.0), (x + length, 0.0))
        names += builder.block(f"l{k}", [strip(line)], speed_limit=limit)
        x += length
    for first, second in itertools.pairwise(names):
        builder.link(first, second)
    return builder.build("chain")


def parallel(length: float, blocks: int = 1, lanes: int = 2, limit: float = 13.9) -> LaneMap:
    """`lanes` neighbours along x in blocks "b0", "b1", ...; lane 0 is the leftmost."""
    builder, before = MapBuilder(np.zeros(3), rounded=False), None
    for k in range(blocks):
        lines = [
            straight((k * length, -3.5 * i), ((k + 1) * length, -3.5 * i)) for i in range(lanes)
        ]
        names = builder.block(f"b{k}", [strip(line) for line in lines], speed_limit=limit)
        if before:
            for first, second in zip(before, names, strict=True):
                builder.link(first, second)
        before = names
    return builder.build("parallel")


def plus(limit: float = 13.9, arm: float = 80.0) -> LaneMap:
    """Two one-way streets that cross at the origin: "west" -> "wx" -> "east", "south" -> "sx"."""
    builder = MapBuilder(np.zeros(3), rounded=False)
    for name, middle, out, ux, uy in (
        ("west", "wx", "east", 1.0, 0.0),
        ("south", "sx", "north", 0.0, 1.0),
    ):
        places = [-arm - 8.0, -8.0, 8.0, arm + 8.0]
        ends = [(ux * p, uy * p) for p in places]
        first, *_ = builder.block(name, [strip(straight(ends[0], ends[1]))], speed_limit=limit)
        second, *_ = builder.block(
            middle, [strip(straight(ends[1], ends[2]))], speed_limit=limit, intersection="x"
        )
        third, *_ = builder.block(out, [strip(straight(ends[2], ends[3]))], speed_limit=limit)
        builder.link(first, second)
        builder.link(second, third)
    return builder.build("plus")


def tables(
    lane_map: LaneMap,
    groups: tuple[tuple[str, ...], ...] = (),
    stop_signs: tuple[str, ...] = (),
    yield_signs: tuple[str, ...] = (),
) -> RoadTables:
    """Road tables of one map."""
    return road_tables(lane_map, groups, stop_signs, yield_signs)


def room(environments: int = 1, actors: int = 4, **more: int) -> a.State:
    """An empty state."""
    state = allocate(environments, Capacity(actors=actors, **{"lanes": 8, "way": 64, **more}))
    for e in range(environments):
        clear(state, e)
    return state


def add_driver(
    known: RoadTables,
    state: a.State,
    slot: int,
    lane: str,
    s: float,
    speed: float = 0.0,
    *,
    route: Sequence[str] = (),
    e: int = 0,
    size: tuple[float, float] = (4.5, 1.9),
    obeys: int = a.LIGHTS | a.SIGNS | a.YIELDS,
) -> None:
    """A driver on a lane; further lanes of its route follow `lane`."""
    roads, number = known.roads, known.lane_numbers[lane]
    add_body(known, state, slot, lane, s, speed, e=e, size=size)
    state.mode[e, slot], state.obeys[e, slot] = a.DRIVE, obeys
    state.lane[e, slot], state.lane_s[e, slot] = number, s
    names = [lane, *route]
    state.route[e, slot, : len(names)] = [known.lane_numbers[name] for name in names]
    assert 0 <= s <= roads.lane_length[number]


def add_body(
    known: RoadTables,
    state: a.State,
    slot: int,
    lane: str,
    s: float,
    speed: float = 0.0,
    *,
    e: int = 0,
    left: float = 0.0,
    turned: float = 0.0,
    size: tuple[float, float] = (4.5, 1.9),
    mode: int = a.POLICY,
) -> None:
    """Somebody who is no driver, `left` of the lane's centre and turned against it."""
    roads, number = known.roads, known.lane_numbers[lane]
    part = slice(roads.lane_first[number], roads.lane_first[number + 1])
    at = np.arange(part.stop - part.start) * roads.lane_step[number]
    yaw = np.interp(s, at, roads.yaw[part])
    state.x[e, slot] = np.interp(s, at, roads.x[part]) - left * np.sin(yaw)
    state.y[e, slot] = np.interp(s, at, roads.y[part]) + left * np.cos(yaw)
    yaw += turned
    state.yaw[e, slot], state.cos[e, slot], state.sin[e, slot] = yaw, np.cos(yaw), np.sin(yaw)
    state.half_length[e, slot], state.half_width[e, slot] = size[0] / 2, size[1] / 2
    state.wheel_base[e, slot], state.rear[e, slot] = 2.8, 1.3
    state.speed[e, slot], state.mode[e, slot] = speed, mode
    state.lane[e, slot], state.lane_s[e, slot] = number, s
    state.driver[e, slot] = driver_row(TRAFFIC_DRIVER)
    state.count[e] = max(state.count[e], slot + 1)
