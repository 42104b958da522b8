"""Crossings: four arms with lights, a T without, a roundabout."""

from __future__ import annotations

from functools import partial

import numpy as np

from drivelab.sim.generator.actors import Actor, Interval
from drivelab.sim.generator.families.drawing import NOW_TIME, cars_along, placement
from drivelab.sim.generator.junctions import STRAIGHT_ON, Arm, Junction, junction
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder
from drivelab.sim.generator.setting import Light, Setting, driver_on
from drivelab.sim.generator.shapes import Piece, ring_turn, turn
from drivelab.types import LaneMap

ARM = 200.0  # length of an arm [m]
NEVER: tuple[Interval, ...] = ()
ALWAYS: tuple[Interval, ...] = ((0.0, 1e9),)


def four_way(rng: np.random.Generator) -> Setting:
    """Lights: the ego goes, stops, or starts again; left turns wait for oncoming traffic."""
    limit = rng.uniform(10.0, 14.0)
    lanes = int(rng.integers(1, 3))
    builder = MapBuilder(placement(rng))
    arms = [Arm(k * np.pi / 2, lanes, _course(rng)) for k in range(4)]
    half = lanes * LANE_WIDTH + rng.uniform(9.0, 11.5)
    crossing = junction(
        builder, "x", arms, half=half, connect=turn, speed_limit=limit, margin=0.8, lights=True
    )
    lane_map = builder.build("four_way")
    goal = int(rng.choice([1, 2, 3], p=[0.3, 0.3, 0.4]))  # right, straight on, left
    mine = crossing.through(0, goal, int(rng.integers(len(crossing.ways[(0, goal)]))))
    phase = rng.choice(["go", "stop", "start"], p=[0.6, 0.25, 0.15])
    lights = _lights(rng, crossing, str(phase))
    approach = rng.uniform(4.0, 20.0) if phase == "go" else rng.uniform(22.0, 40.0)
    speed = limit * rng.uniform(0.85, 0.97)
    start = ARM - approach - NOW_TIME * speed
    if phase == "start":
        start = ARM - rng.uniform(16.0, 34.0) - 2.5 * speed
    ego = driver_on(lane_map, mine, start=start, speed=speed, pace=0.97, lights=lights, ego=True)
    traffic = _crossing_traffic(rng, lane_map, crossing, lights, mine, start)
    return Setting(lane_map, ego, mine, tuple(traffic), lights=lights)


def t_junction(rng: np.random.Generator) -> Setting:
    """No lights: the side road gives way, so do left turns into it."""
    limit = rng.uniform(9.5, 13.0)
    builder = MapBuilder(placement(rng))
    arms = [Arm(angle, 1, _course(rng)) for angle in (0.0, np.pi, 1.5 * np.pi)]
    half = LANE_WIDTH + rng.uniform(8.5, 11.0)
    crossing = junction(builder, "t", arms, half=half, connect=turn, speed_limit=limit, margin=0.8)
    lane_map = builder.build("t_junction")
    ways = ((2, 0), (2, 1), (0, 2), (1, 2), (1, 0))
    a, b = ways[int(rng.integers(len(ways)))]
    mine = crossing.through(a, b)
    gives_way = a == 2 or crossing.turns[(a, b)] > STRAIGHT_ON
    speed = limit * rng.uniform(0.85, 0.97)
    start = ARM - NOW_TIME * speed - rng.uniform(0.0, 14.0)
    if a == 2:
        start += 10.0
    ego = driver_on(
        lane_map,
        mine,
        start=start,
        speed=speed,
        pace=0.97,
        ego=True,
        priority=0 if gives_way else 2,
    )
    traffic = _t_traffic(rng, lane_map, crossing, arm=a, start=start)
    return Setting(lane_map, ego, mine, tuple(traffic))


def roundabout(rng: np.random.Generator) -> Setting:
    """One ring lane: who comes in gives way to who is inside."""
    limit = rng.uniform(7.0, 9.0)
    ring, lane_map = _ring(rng, limit)
    mine = ring.through(0, int(rng.integers(1, 4)))
    inside = rng.random() < 0.35
    start = ARM - rng.uniform(2.0, 22.0) - NOW_TIME * 0.9 * limit
    if inside:
        start += rng.uniform(25.0, 45.0)
    ego = driver_on(lane_map, mine, start=start, pace=0.97, ego=True, priority=2 if inside else 0)
    traffic: list[Actor] = []
    for a in (1, 2, 3):
        way = ring.through(a, (a + int(rng.integers(1, 3))) % 4)
        at = ARM + rng.uniform(-60.0, 10.0)
        kind = "van" if rng.random() < 0.25 else "car"
        traffic.append(driver_on(lane_map, way, start=at, pace=0.85, kind=kind, priority=1))
    traffic += cars_along(
        rng,
        lane_map,
        ring.through(0, 2),
        between=(start - 70.0, start - 20.0),
        apart=(25.0, 50.0),
        priority=-1,
    )
    return Setting(lane_map, ego, mine, tuple(traffic))


def _ring(rng: np.random.Generator, limit: float) -> tuple[Junction, LaneMap]:
    """A roundabout of four arms about a round island."""
    radius, flare = rng.uniform(15.0, 20.0), rng.uniform(13.0, 18.0)
    builder = MapBuilder(placement(rng))
    half = np.sqrt((radius + flare) ** 2 - (LANE_WIDTH / 2 + flare) ** 2) + 4.0
    connect = partial(ring_turn, centre=np.zeros(2), radius=radius, flare=flare)
    circle = np.linspace(0.0, 2.0 * np.pi, 49)[:-1]
    island = (radius - LANE_WIDTH / 2 - 1.6) * np.column_stack([np.cos(circle), np.sin(circle)])
    arms = [Arm(k * np.pi / 2, 1, _course(rng)) for k in range(4)]
    ring = junction(
        builder,
        "o",
        arms,
        half=float(half),
        connect=connect,
        speed_limit=limit,
        margin=1.6,
        island=island,
    )
    lane_map = builder.build("roundabout")
    return ring, lane_map


def _course(rng: np.random.Generator) -> list[Piece]:
    bend = rng.uniform(-1.0, 1.0) / 180.0
    return [(80.0, 0.0, 0.0), (60.0, 0.0, bend), (ARM - 140.0, bend, bend)]


def _lights(rng: np.random.Generator, crossing: Junction, phase: str) -> tuple[Light, ...]:
    """Arms 0 and 2 share a signal (the ego's), arms 1 and 3 the other one."""
    mine, cross = NEVER, ALWAYS
    if phase == "stop":
        mine, cross = ALWAYS, NEVER
    if phase == "start":
        green = NOW_TIME + rng.uniform(-0.8, 1.5)
        mine, cross = ((0.0, green),), ((green - 3.5, 1e9),)
    both = ((0, 2, mine), (1, 3, cross))
    return tuple(
        Light((*crossing.connectors_from(a), *crossing.connectors_from(b)), red)
        for a, b, red in both
    )


def _t_traffic(
    rng: np.random.Generator, lane_map: LaneMap, crossing: Junction, *, arm: int, start: float
) -> list[Actor]:
    """Cars on the main road, one on the side road when the ego is not there."""
    traffic: list[Actor] = []
    for way in ((0, 1), (1, 0)):
        same = way[0] == arm
        traffic += cars_along(
            rng,
            lane_map,
            crossing.through(*way),
            between=(start - 60.0, ARM - 5.0),
            apart=(45.0, 95.0),
            keep_clear=(start - 25.0, start + 30.0) if same else None,
            priority=2,
        )
    if arm != 2:
        side = crossing.through(2, int(rng.integers(2)))
        traffic.append(driver_on(lane_map, side, start=ARM - rng.uniform(25.0, 50.0), speed=6.0))
    return traffic


def _crossing_traffic(
    rng: np.random.Generator,
    lane_map: LaneMap,
    crossing: Junction,
    lights: tuple[Light, ...],
    mine: tuple[str, ...],
    start: float,
) -> list[Actor]:
    traffic: list[Actor] = []
    for a in range(4):
        straight = crossing.ways[(a, (a + 2) % 4)]
        for number in range(len(straight)):
            way = crossing.through(a, (a + 2) % 4, number)
            if rng.random() < 0.3 and number == len(straight) - 1:
                way = crossing.through(a, (a + 1) % 4)
            same = way[0] == mine[0]
            between = (start - 40.0, min(start + 90.0, ARM - 12.0))
            traffic += cars_along(
                rng,
                lane_map,
                way,
                between=between if a == 0 else (ARM - 110.0, ARM - 8.0),
                apart=(22.0, 70.0),
                pace=(0.7, 0.9),
                keep_clear=(start - 22.0, start + rng.uniform(28.0, 60.0)) if same else None,
                priority=0 if a == 0 else 1,
                lights=lights,
            )
    return traffic
