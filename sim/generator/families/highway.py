"""Roads without junctions: multi-lane, bends, merges, lane drops, queues."""

from __future__ import annotations

import numpy as np

from drivelab.sim.generator.actors import SIZES, Actor, Script, standing
from drivelab.sim.generator.families.drawing import (
    NOW_TIME,
    cars_along,
    one_of,
    placement,
)
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder, strip
from drivelab.sim.generator.roads import (
    Carriageway,
    carriageway,
    lane_beside,
    link_chain,
    reverse,
    road,
)
from drivelab.sim.generator.setting import Setting, beside, driver_on, lanes_path
from drivelab.sim.generator.shapes import straight, trace, turn
from drivelab.types import LaneMap

ORIGIN = np.zeros(3)


def straight_road(rng: np.random.Generator) -> Setting:
    """Several lanes, a slower car ahead; the ego changes lanes when that is safe and worth it."""
    limit = rng.uniform(11.0, 16.0)
    lanes = int(rng.integers(2, 4))
    builder = MapBuilder(placement(rng))
    built = road(builder, "m", straight(ORIGIN, 440.0), lanes=(lanes, lanes), speed_limit=limit)
    lane_map = builder.build("straight")
    mine = int(rng.integers(lanes))
    chains = built.forward.chains
    ego = driver_on(lane_map, chains[mine], start=70.0, pace=rng.uniform(0.94, 1.0), ego=True)
    gap = rng.uniform(25.0, 45.0)
    slow = driver_on(
        lane_map,
        chains[mine],
        start=70.0 + gap,
        pace=rng.uniform(0.5, 0.8),
        kind=one_of(rng, ("van", "truck")),
    )
    traffic = [slow]
    for number, chain in enumerate(chains):
        clear = (15.0, 110.0) if number == mine else (rng.uniform(20.0, 62.0), 70.0 + gap)
        traffic += cars_along(
            rng, lane_map, chain, between=(5.0, 220.0), apart=(28.0, 60.0), keep_clear=clear
        )
    for chain in built.backward.chains:
        traffic += cars_along(rng, lane_map, chain, between=(60.0, 330.0), apart=(45.0, 120.0))
    passing = tuple(chains[k] for k in (mine - 1, mine + 1) if 0 <= k < lanes)
    return Setting(lane_map, ego, chains[mine], tuple(traffic), passing=passing)


def curve(rng: np.random.Generator) -> Setting:
    """One or two bends, each clothoid - arc - clothoid."""
    limit = rng.uniform(9.5, 14.0)
    lanes = int(rng.integers(1, 3))
    side = rng.choice([-1.0, 1.0])
    radius, angle = rng.uniform(32.0, 75.0), rng.uniform(0.7, 1.6)
    lead = NOW_TIME * limit + 45.0
    bend = side / radius
    ease = 0.4 * radius * angle
    pieces = [(lead, 0.0, 0.0), (ease, 0.0, bend), (radius * angle - ease, bend, bend)]
    pieces.append((ease, bend, 0.0))
    if rng.random() < 0.5:
        back = -side / rng.uniform(45.0, 80.0)
        pieces += [(15.0, 0.0, 0.0), (20.0, 0.0, back), (25.0, back, back), (20.0, back, 0.0)]
    pieces.append((200.0, 0.0, 0.0))
    builder = MapBuilder(placement(rng))
    built = road(builder, "m", trace(ORIGIN, pieces), lanes=(lanes, lanes), speed_limit=limit)
    lane_map = builder.build("curve")
    mine = int(rng.integers(lanes))
    chain = built.forward.chains[mine]
    start = lead - NOW_TIME * limit - rng.uniform(-12.0, 25.0)
    ego = driver_on(lane_map, chain, start=start, pace=rng.uniform(0.93, 1.0), ego=True)
    traffic = []
    for number, other in enumerate(built.forward.chains):
        clear = (start - 20.0, start + rng.uniform(30.0, 60.0)) if number == mine else None
        traffic += cars_along(
            rng,
            lane_map,
            other,
            between=(start - 50.0, start + 130.0),
            apart=(30.0, 80.0),
            keep_clear=clear,
        )
    for other in built.backward.chains:
        traffic += cars_along(rng, lane_map, other, between=(100.0, 330.0), apart=(35.0, 90.0))
    return Setting(lane_map, ego, chain, tuple(traffic))


def merge(rng: np.random.Generator) -> Setting:
    """A ramp joins two lanes over an acceleration lane; the ego comes from either."""
    limit = rng.uniform(11.5, 15.0)
    lane_map, on_ramp, main, wide = _merge_map(rng, limit)
    travelled = NOW_TIME * limit
    from_ramp = rng.random() < 0.65
    length = 174.0 if from_ramp else 200.0
    start = length + wide - travelled - rng.uniform(0.0, 45.0)
    mine = on_ramp if from_ramp else main[1]
    ego = driver_on(
        lane_map,
        mine,
        start=start,
        pace=rng.uniform(0.93, 1.0),
        ego=True,
        priority=0 if from_ramp else 1,
    )
    shift = 200.0 - length
    traffic = cars_along(
        rng,
        lane_map,
        main[1],
        between=(start + shift - 60.0, start + shift + 90.0),
        apart=(30.0, 65.0),
        pace=(0.8, 0.95),
        keep_clear=None if from_ramp else (start - 25.0, start + rng.uniform(22.0, 40.0)),
        priority=1,
    )
    traffic += cars_along(
        rng,
        lane_map,
        main[0],
        between=(start + shift - 60.0, start + shift + 110.0),
        apart=(30.0, 70.0),
        priority=1,
    )
    if not from_ramp:
        traffic.append(driver_on(lane_map, on_ramp, start=start - 26.0 + rng.uniform(-25.0, 20.0)))
    return Setting(lane_map, ego, mine, tuple(traffic))


def lane_drop(rng: np.random.Generator) -> Setting:
    """The right lane ends behind cones; the ego is in it or beside it."""
    limit = rng.uniform(10.5, 14.0)
    lanes = int(rng.integers(2, 4))
    builder = MapBuilder(placement(rng))
    lead = NOW_TIME * limit + 40.0
    side = _wide_then_narrow(builder, lanes, lead, speed_limit=limit)
    lane_map = builder.build("lane_drop")
    mine = lanes - 1 if rng.random() < 0.6 else lanes - 2
    start = lead - NOW_TIME * limit - rng.uniform(-15.0, 30.0)
    chain = side.chains[mine]
    ego = driver_on(
        lane_map,
        chain,
        start=start,
        pace=rng.uniform(0.9, 1.0),
        ego=True,
        priority=0 if mine == lanes - 1 else 1,
    )
    traffic: list[Actor] = []
    for number, other in enumerate(side.chains[: lanes - 1]):
        clear = (start - 25.0, start + rng.uniform(25.0, 50.0)) if number == mine else None
        traffic += cars_along(
            rng,
            lane_map,
            other,
            between=(5.0, start + 130.0),
            apart=(35.0, 75.0),
            pace=(0.8, 0.95),
            keep_clear=clear,
            priority=1,
        )
    edge = lanes_path(lane_map, side.chains[lanes - 2])
    for k, at in enumerate(np.arange(lead + 8.0, lead + 95.0, 6.0)):
        aside = np.interp(at, [lead, lead + 60.0], [-1.5 * LANE_WIDTH, -0.5 * LANE_WIDTH]) - 0.9
        kind = "barrier" if k % 5 == 4 else "traffic_cone"
        traffic.append(standing(kind, SIZES[kind], beside(edge, at, aside - 0.3)))
    return Setting(lane_map, ego, chain, tuple(traffic))


def dense_queue(rng: np.random.Generator) -> Setting:
    """Stop and go: the head of each lane's queue slows down and picks up again."""
    limit = rng.uniform(11.0, 14.0)
    lanes = int(rng.integers(2, 4))
    builder = MapBuilder(placement(rng))
    built = carriageway(builder, "m", straight(ORIGIN, 380.0), lanes, speed_limit=limit)
    lane_map = builder.build("dense_queue")
    mine = int(rng.integers(lanes))
    cruise = rng.uniform(5.0, 8.0)
    start = 70.0
    ego = driver_on(lane_map, built.chains[mine], start=start, speed=cruise, ego=True)
    spacing = 7.0 + 1.3 * cruise
    traffic = []
    for number, chain in enumerate(built.chains):
        offset = 0.0 if number == mine else rng.uniform(-0.5, 0.5) * spacing
        places = [start + offset + k * spacing for k in (-2, -1, 1)]
        if number != mine:
            places.append(start + offset)
        low = rng.uniform(0.0, 2.0)
        slow = NOW_TIME + rng.uniform(-2.0, 0.8)
        knots = np.array([0.0, slow, slow + 4.0, slow + rng.uniform(4.5, 7.0), slow + 12.0])
        head = Script(knots, np.array([cruise, cruise, low, low, cruise]))
        path = lanes_path(lane_map, chain)
        traffic.append(
            Actor("vehicle", SIZES["car"], path, start + offset + 2 * spacing, cruise, head)
        )
        for at in places:
            at = at + rng.uniform(-1.5, 1.5)
            kind = one_of(rng, ("car", "car", "car", "van"))
            traffic.append(driver_on(lane_map, chain, start=at, speed=cruise, kind=kind, pace=0.95))
    return Setting(lane_map, ego, built.chains[mine], tuple(traffic))


def _merge_map(
    rng: np.random.Generator, limit: float
) -> tuple[LaneMap, tuple[str, ...], list[tuple[str, ...]], float]:
    """Map, lanes from the ramp, lanes of the main road, length of the acceleration lane [m]."""
    builder = MapBuilder(placement(rng))
    before = carriageway(
        builder, "up", straight(np.array([-200.0, 0.0, 0.0]), 200.0), 2, speed_limit=limit
    )
    wide = rng.uniform(60.0, 90.0)
    side = _wide_then_narrow(builder, 3, wide, speed_limit=limit)
    ramp_course = [(8.0, 0.0, 0.0), (20.0, 0.0, 0.014), (6.0, 0.014, 0.014), (20.0, 0.014, 0.0)]
    end = np.array([0.0, -2.0 * LANE_WIDTH, np.pi])
    ramp_line = reverse(trace(end, [*ramp_course, (120.0, 0.0, 0.0)]))
    ramp = carriageway(builder, "ramp", ramp_line, 1, speed_limit=limit)
    for lane in range(2):
        builder.link(before.last(lane), side.first(lane))
    builder.link(ramp.last(0), side.first(2))
    lane_map = builder.build("merge")
    on_ramp = (*ramp.chains[0], *side.chains[2])
    main = [(*before.chains[i], *side.chains[i]) for i in range(2)]
    return lane_map, on_ramp, main, wide


def _wide_then_narrow(
    builder: MapBuilder, lanes: int, lead: float, *, speed_limit: float
) -> Carriageway:
    """`lanes` lanes for `lead` [m], then the rightmost one merges into its neighbour."""
    wide = carriageway(builder, "wide", straight(ORIGIN, lead), lanes, speed_limit=speed_limit)
    taper_line = straight(np.array([lead, 0.0, 0.0]), 60.0)
    shapes = [lane_beside(taper_line, -i * LANE_WIDTH) for i in range(lanes - 1)]
    from_y, to_y = -(lanes - 0.5) * LANE_WIDTH, -(lanes - 1.5) * LANE_WIDTH
    merging = turn(np.array([lead, from_y, 0.0]), np.array([lead + 60.0, to_y, 0.0]), spacing=2.0)
    taper = builder.block("taper", [*shapes, strip(merging)], speed_limit=speed_limit)
    narrow_line = straight(np.array([lead + 60.0, 0.0, 0.0]), 300.0)
    narrow = carriageway(builder, "narrow", narrow_line, lanes - 1, speed_limit=speed_limit)
    chains = []
    for i in range(lanes):
        rest = narrow.chains[min(i, lanes - 2)]
        link_chain(builder, (wide.last(i), taper[i], rest[0]))
        chains.append((*wide.chains[i], taper[i], *rest))
    return Carriageway((*wide.blocks, "taper", *narrow.blocks), tuple(chains))
