"""Narrow two-way streets: parked cars, pedestrians, cyclists, an overtaker in the ego's lane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.sim.generator.actors import SIZES, Actor, Script, standing
from drivelab.sim.generator.families.drawing import (
    NOW_TIME,
    cars_along,
    parked_along,
    placement,
    waiting_people,
)
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder
from drivelab.sim.generator.roads import road, roadside
from drivelab.sim.generator.setting import Setting, beside, driver_on, lanes_path, sidestep
from drivelab.sim.generator.shapes import trace
from drivelab.types import AreaKind, LaneMap

LENGTH = 380.0  # [m]
START = 70.0  # where the ego begins [m]
BAY = 2.3  # width of the parking bays [m]
WALK = 2.5  # width of the walkways [m]
KERB = -LANE_WIDTH / 2  # right edge of the ego's lane, from its centreline [m]


@dataclass(frozen=True, slots=True, eq=False)
class _Street:
    """A two-way street with parking bays on its right and walkways on both sides."""

    map: LaneMap
    mine: tuple[str, ...]
    opposite: tuple[str, ...]
    path: np.ndarray  # of the ego's lane
    limit: float


def parked_cars(rng: np.random.Generator) -> Setting:
    """Some parked cars stand out of their bays; the ego keeps away from them to the left."""
    street = _street(rng, rng.uniform(8.0, 11.0))
    traffic = parked_along(
        rng, street.path, between=(40.0, 240.0), left=KERB - 1.25, apart=(8.0, 24.0)
    )
    first = START + NOW_TIME * 0.9 * street.limit + rng.uniform(10.0, 25.0)
    out = rng.uniform(0.5, 0.9)  # how far the cars stand out [m]
    places = first + np.arange(int(rng.integers(1, 4))) * rng.uniform(6.5, 8.0)
    traffic = [car for car in traffic if not first - 9.0 < _along(street, car) < places[-1] + 9.0]
    width = SIZES["car"][1]
    for at in places:
        pose = beside(street.path, at, KERB + out - width / 2, turned=rng.uniform(-0.04, 0.04))
        traffic.append(standing("vehicle", SIZES["car"], pose))
    aside = KERB + out + 0.75 + 1.15  # ego's half width and a margin
    shift = np.array([0.0, 0.0, aside, aside, 0.0])
    last = places[-1]
    knots = np.array([0.0, first - 32.0, first - 9.0, last + 5.0, last + 27.0])
    ego = driver_on(
        street.map,
        street.mine,
        start=START,
        pace=rng.uniform(0.9, 0.98),
        ego=True,
        path=sidestep(street.path, knots, shift),
    )
    traffic += cars_along(
        rng, street.map, street.opposite, between=(40.0, 320.0), apart=(45.0, 120.0)
    )
    return Setting(street.map, ego, street.mine, (*traffic, *_people(rng, street)))


def jaywalker(rng: np.random.Generator) -> Setting:
    """Somebody steps out between parked cars; the ego lets him pass."""
    street = _street(rng, rng.uniform(9.0, 12.0))
    pace = rng.uniform(0.9, 0.98)
    place = START + NOW_TIME * pace * street.limit + rng.uniform(17.0, 30.0)
    speed = rng.uniform(1.2, 1.9)
    side = -1.0 if rng.random() < 0.65 else 1.0
    edge = KERB if side < 0 else KERB + 2 * LANE_WIDTH
    begin = edge + side * rng.uniform(0.8, 2.5)
    first = beside(street.path, place, begin, turned=-side * np.pi / 2)
    walk = trace(first, [(26.0, 0.0, 0.0)], spacing=1.0)
    step_out = NOW_TIME - rng.uniform(0.0, 1.2)
    script = Script(np.array([0.0, step_out, step_out + 0.7]), np.array([0.0, 0.0, speed]))
    walker = Actor("pedestrian", SIZES["pedestrian"], walk, 0.0, 0.0, script, priority=5)
    parked = parked_along(
        rng, street.path, between=(40.0, 240.0), left=KERB - 1.3, apart=(7.0, 15.0)
    )
    parked = [car for car in parked if abs(_along(street, car) - place) > 4.0]
    ego = driver_on(street.map, street.mine, start=START, pace=pace, ego=True)
    traffic = cars_along(
        rng, street.map, street.opposite, between=(30.0, 330.0), apart=(70.0, 140.0)
    )
    others = (walker, *parked, *traffic, *_people(rng, street))
    return Setting(street.map, ego, street.mine, others)


def cyclist(rng: np.random.Generator) -> Setting:
    """A cyclist near the kerb: the ego passes with room, or follows behind oncoming traffic."""
    street = _street(rng, rng.uniform(9.0, 12.0))
    pace, riding = rng.uniform(0.9, 0.98), rng.uniform(3.2, 4.8)
    speed = pace * street.limit
    passes = rng.random() < 0.6
    ahead = rng.uniform(21.0, 32.0)
    at = START + NOW_TIME * (speed - riding) + ahead
    track = sidestep(street.path, np.array([0.0, LENGTH]), np.array([-1.0, -1.0]))
    rider = Actor("bicycle", SIZES["bicycle"], track, at, riding, _steady(riding))
    path = street.path
    if passes:
        meets = START + speed * (NOW_TIME + ahead / (speed - riding))
        begin = START + speed * NOW_TIME + rng.uniform(-4.0, 4.0)
        knots = np.array([0.0, begin, begin + 26.0, meets + 14.0, meets + 42.0])
        path = sidestep(path, knots, np.array([0.0, 0.0, 1.25, 1.25, 0.0]))
    ego = driver_on(street.map, street.mine, start=START, pace=pace, ego=True, path=path)
    traffic = [rider]
    traffic += parked_along(
        rng, street.path, between=(40.0, 240.0), left=KERB - 1.3, apart=(14.0, 40.0)
    )
    between = (20.0, 60.0) if passes else (60.0, 320.0)
    traffic += cars_along(rng, street.map, street.opposite, between=between, apart=(30.0, 60.0))
    return Setting(street.map, ego, street.mine, (*traffic, *_people(rng, street)))


def oncoming(rng: np.random.Generator) -> Setting:
    """An oncoming car overtakes a slow one in the ego's lane; the ego slows and keeps right."""
    street = _street(rng, rng.uniform(10.0, 13.0), bays=False)
    pace = rng.uniform(0.9, 0.98)
    speed = pace * street.limit
    theirs = lanes_path(street.map, street.opposite)
    # Where the overtaker is back in its lane, in metres along its own way.
    fast, slow = rng.uniform(10.0, 13.0), rng.uniform(4.0, 6.0)
    back_time = NOW_TIME + rng.uniform(0.8, 2.0)
    meeting = START + speed * back_time + rng.uniform(10.0, 22.0)
    back = LENGTH - meeting
    begin = back - fast * rng.uniform(4.0, 5.5)
    knots = np.array([0.0, begin - 30.0, begin, back - 22.0, back + 8.0])
    around = sidestep(theirs, knots, np.array([0.0, 0.0, 3.2, 3.2, 0.0]))
    at = back - fast * back_time
    overtaker = Actor("vehicle", SIZES["car"], around, at, fast, _steady(fast))
    level = 0.5 * (begin + back) - slow * (back_time - 0.5 * (back - begin) / fast)
    truck = Actor("vehicle", SIZES["truck"], theirs, level, slow, _steady(slow))
    aside = rng.uniform(-0.45, -0.3)
    reach = START + speed * NOW_TIME
    keep_right = sidestep(
        street.path,
        np.array([0.0, reach - 25.0, reach, reach + 45.0, reach + 70.0]),
        np.array([0.0, 0.0, aside, aside, 0.0]),
    )
    ego = driver_on(street.map, street.mine, start=START, pace=pace, ego=True, path=keep_right)
    others = cars_along(
        rng,
        street.map,
        street.mine,
        between=(10.0, START - 15.0),
        apart=(30.0, 60.0),
        pace=(0.8, 0.9),
    )
    return Setting(street.map, ego, street.mine, (overtaker, truck, *others, *_people(rng, street)))


def _street(rng: np.random.Generator, limit: float, *, bays: bool = True) -> _Street:
    bend = rng.uniform(-1.0, 1.0) / 400.0
    line = trace(np.zeros(3), [(120.0, 0.0, 0.0), (60.0, 0.0, bend), (LENGTH - 180.0, bend, 0.0)])
    builder = MapBuilder(placement(rng))
    built = road(builder, "s", line, lanes=(1, 1), speed_limit=limit)
    edge = -LANE_WIDTH
    if bays:
        roadside(builder, "bays", line, edges=(edge, edge - BAY), kind=AreaKind.CARPARK)
        edge -= BAY
    roadside(builder, "walk_right", line, edges=(edge, edge - WALK), kind=AreaKind.WALKWAY)
    left = (LANE_WIDTH + WALK, LANE_WIDTH)
    roadside(builder, "walk_left", line, edges=left, kind=AreaKind.WALKWAY)
    lane_map = builder.build("street")
    mine, opposite = built.forward.chains[0], built.backward.chains[0]
    return _Street(lane_map, mine, opposite, lanes_path(lane_map, mine), limit)


def _people(rng: np.random.Generator, street: _Street) -> list[Actor]:
    right = waiting_people(
        rng, street.path, between=(80.0, 220.0), left=KERB - BAY - 1.2, count=int(rng.integers(3))
    )
    across = 1.5 * LANE_WIDTH + 1.2
    left = waiting_people(
        rng, street.path, between=(80.0, 220.0), left=across, count=int(rng.integers(3))
    )
    return right + left


def _steady(speed: float) -> Script:
    return Script(np.zeros(1), np.array([speed]))


def _along(street: _Street, actor: Actor) -> float:
    gap = np.hypot(*(street.path[:, :2] - actor.path[0, :2]).T)
    return float(np.argmin(gap))
