"""Training families: seed -> episode on one of a few roads, with traffic that reacts.

straight: a lane of a multi-lane road between cars that drive at different paces. curve: a bend
that asks for slowing down. follow: a single lane behind a car that brakes, stops and goes on.
merge: from an on-ramp into a busy road, or along the road beside the ramp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.envs.family_roads import EvenLine, FamilyRoad, family_road
from drivelab.sim.generator.actors import SIZES
from drivelab.sim.world.episode import (
    ActorSpec,
    Behaviour,
    Drive,
    Episode,
    Termination,
    Trigger,
)

ROADS = 12  # roads of each family
MODELS = ("car", "car", "car", "van", "truck")
RULES = Termination(
    collision=True, off_road=True, wrong_way=True, route_deviation=10.0, blocked_for=15.0
)
SLOWEST = 0.35  # share of the speed limit that is fast enough to be in time


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a family decides: the ego's line, its start and goal on it, its speed, the traffic."""

    chain: str
    start: float  # of the ego's rear axle along the chain [m]
    goal: float  # [m]
    speed: float  # [m/s]
    actors: tuple[ActorSpec, ...]


@dataclass(frozen=True, slots=True)
class FamilyEpisodes:
    """Seed -> episode of one of the families, drawn by the seed.

    Args:
        families: their names.
        roads: numbers of the roads to draw from, [first, stop).
    """

    families: tuple[str, ...]
    roads: tuple[int, int] = (0, ROADS)

    def __post_init__(self) -> None:
        for name in self.families:
            if name not in FAMILIES:
                raise ConfigError(
                    f"no training family {name!r}{nearest_name(name, FAMILIES)} "
                    f"(there are: {', '.join(FAMILIES)})"
                )
        if not self.families or self.roads[0] >= self.roads[1]:
            raise ConfigError("training families: expected at least one family and one road")

    def __call__(self, seed: int) -> Episode:
        """Make the episode of a seed."""
        rng = np.random.default_rng([seed, 20_25])
        family = self.families[int(rng.integers(len(self.families)))]
        return family_episode(family, seed, rng=rng, roads=self.roads)


def family_episode(
    family: str,
    seed: int,
    *,
    rng: np.random.Generator | None = None,
    roads: tuple[int, int] = (0, ROADS),
) -> Episode:
    """The episode of a seed in a given family."""
    if family not in FAMILIES:
        raise ConfigError(f"no training family {family!r}{nearest_name(family, FAMILIES)}")
    rng = rng or np.random.default_rng([seed, 20_25])
    number = int(rng.integers(*roads))
    road = family_road(family, number)
    stretch = FAMILIES[family](rng, road)
    line = road.lines[stretch.chain]
    length = stretch.goal - stretch.start
    limit = line.limit(stretch.start)
    return Episode(
        id=f"{family}-{number}-{seed}",
        map=road.template.map,
        ego_pose=line.pose(stretch.start),
        ego_speed=stretch.speed,
        route=line.ahead(stretch.start, stretch.goal),
        route_line=line.cut(stretch.start, stretch.goal),
        duration=round(length / (SLOWEST * limit) + 8.0, 1),
        actors=stretch.actors,
        stop_signs=road.template.stop_signs,
        yield_signs=road.template.yield_signs,
        termination=RULES,
        goal=line.pose(stretch.goal)[:2],
        family=family,
        seed=seed,
    )


def _straight(rng: np.random.Generator, road: FamilyRoad) -> Stretch:
    lanes = _own_lanes(road)
    mine = lanes[int(rng.integers(len(lanes)))]
    line = road.lines[mine]
    start = rng.uniform(50.0, 80.0)
    speed = rng.uniform(0.4, 1.0) * line.limit(start)
    clear = (start - 18.0, start + 10.0 + 2.5 * speed)
    actors = _cars_on(rng, road, lanes, (5.0, 260.0), apart=(25.0, 70.0), mine=mine, clear=clear)
    actors += _cars_on(rng, road, _opposite(road), (60.0, 330.0), apart=(45.0, 120.0))
    return _stretch(mine, start, start + rng.uniform(130.0, 180.0), speed, actors)


def _curve(rng: np.random.Generator, road: FamilyRoad) -> Stretch:
    lanes = _own_lanes(road)
    mine = lanes[int(rng.integers(len(lanes)))]
    line = road.lines[mine]
    start = rng.uniform(15.0, 45.0)
    speed = rng.uniform(0.4, 0.9) * line.limit(start)
    clear = (0.0, start + 12.0 + 3.0 * speed)
    actors = _cars_on(rng, road, lanes, (5.0, 160.0), apart=(30.0, 80.0), mine=mine, clear=clear)
    actors += _cars_on(rng, road, _opposite(road), (40.0, 240.0), apart=(40.0, 90.0))
    goal = min(float(line.s[-1]) - 60.0, start + rng.uniform(150.0, 180.0))
    return _stretch(mine, start, goal, speed, actors)


def _follow(rng: np.random.Generator, road: FamilyRoad) -> Stretch:
    line = road.lines["0"]
    start = rng.uniform(20.0, 50.0)
    limit = line.limit(start)
    speed = rng.uniform(0.5, 0.9) * limit
    place = start + 12.0 + speed * rng.uniform(1.0, 2.2)
    lead = _car(rng, line, place, "lead", speed=speed, pace=rng.uniform(0.6, 0.95))
    actors = [replace(lead, behaviours=_stop_and_go(rng, limit))]
    if rng.random() < 0.5:
        actors.append(_car(rng, line, place + rng.uniform(15.0, 40.0), "far", speed=speed))
    actors += _cars_on(rng, road, _opposite(road), (60.0, 330.0), apart=(35.0, 90.0))
    return _stretch("0", start, start + rng.uniform(110.0, 150.0), speed, actors)


def _merge(rng: np.random.Generator, road: FamilyRoad) -> Stretch:
    on_ramp = rng.random() < 0.7
    mine, other = ("ramp_0", "0") if on_ramp else ("0", "ramp_0")
    line, side = road.lines[mine], road.lines[other]
    # where both chains have become one, as seen along each
    joint = {chain: _joint(road, chain) for chain in ("0", "ramp_0")}
    start = joint[mine] - rng.uniform(150.0, 190.0)
    speed = rng.uniform(0.6, 0.95) * line.limit(start)
    actors: list[ActorSpec] = []
    beside = joint[other] - (joint[mine] - start)
    if on_ramp:
        actors += _cars(rng, side, (beside - 70.0, beside + 150.0), apart=(28.0, 70.0))
    else:
        clear = (start - 20.0, start + 12.0 + 2.0 * speed)
        stretch = (start - 60.0, start + 150.0)
        actors += _cars(rng, line, stretch, apart=(30.0, 70.0), clear=clear)
        actors.append(_car(rng, side, beside + rng.uniform(-25.0, 25.0), "ramp"))
    place = joint["0"] - (joint[mine] - start)
    others = _own_lanes(road)[1:]
    actors += _cars_on(rng, road, others, (place - 70.0, place + 150.0), apart=(35.0, 90.0))
    return _stretch(mine, start, joint[mine] + rng.uniform(30.0, 60.0), speed, actors)


def _stop_and_go(rng: np.random.Generator, limit: float) -> tuple[Behaviour, ...]:
    """Two changes of the leader's speed; one of them may be an emergency stop."""
    first = rng.uniform(1.0, 4.0)
    slow = float(rng.choice([0.0, rng.uniform(0.2, 0.5) * limit]))
    if rng.random() < 0.4:
        values = {"deceleration": rng.uniform(4.0, 6.5), "until": slow, "hold": 2.5}
        return (Behaviour("hard_brake", Trigger(time=first), values),)
    second = first + rng.uniform(4.0, 7.0)
    return (
        Behaviour("set_speed", Trigger(time=first), {"speed": slow, "acceleration": 3.0}),
        Behaviour("set_speed", Trigger(time=second), {"speed": 0.8 * limit, "acceleration": 2.0}),
    )


def _joint(road: FamilyRoad, chain: str) -> float:
    """Distance along a chain at which the ramp and lane 0 become the same lane [m]."""
    line = road.lines[chain]
    shared = set(road.lines["0"].lanes) & set(road.lines["ramp_0"].lanes)
    first = next(k for k, lane in enumerate(line.lanes) if lane in shared)
    return float(line.ends[first - 1])


def _own_lanes(road: FamilyRoad) -> list[str]:
    return [chain for chain in road.lines if chain.isdigit()]


def _opposite(road: FamilyRoad) -> list[str]:
    return [chain for chain in road.lines if chain.startswith("opposite_")]


def _cars_on(
    rng: np.random.Generator,
    road: FamilyRoad,
    chains: Sequence[str],
    between: tuple[float, float],
    *,
    apart: tuple[float, float],
    mine: str = "",
    clear: tuple[float, float] | None = None,
) -> list[ActorSpec]:
    """Cars on several chains alike; on the ego's own, `mine`, none inside `clear` [m]."""
    cars: list[ActorSpec] = []
    for chain in chains:
        room = clear if chain == mine else None
        cars += _cars(rng, road.lines[chain], between, apart=apart, clear=room)
    return cars


def _cars(
    rng: np.random.Generator,
    line: EvenLine,
    between: tuple[float, float],
    *,
    apart: tuple[float, float],
    clear: tuple[float, float] | None = None,
) -> list[ActorSpec]:
    """Cars at random distances along a stretch of a line, none inside `clear` [m]."""
    cars: list[ActorSpec] = []
    at = max(between[0], 5.0) + rng.uniform(0.0, apart[0])
    stop = min(between[1], float(line.s[-1]) - 10.0)
    while at < stop:
        if clear is None or not clear[0] < at < clear[1]:
            cars.append(_car(rng, line, at, f"{line.lanes[0]}@{at:.1f}"))
        at += rng.uniform(*apart)
    return cars


def _car(
    rng: np.random.Generator,
    line: EvenLine,
    at: float,
    name: str,
    *,
    speed: float | None = None,
    pace: float | None = None,
) -> ActorSpec:
    pace = float(rng.uniform(0.65, 1.0)) if pace is None else pace
    return ActorSpec(
        id=name,
        kind="vehicle",
        size=SIZES[MODELS[int(rng.integers(len(MODELS)))]],
        pose=line.pose(at),
        speed=0.9 * pace * line.limit(at) if speed is None else speed,
        motion=Drive(line.ahead(at), pace=pace),
        role="car",
    )


def _stretch(
    chain: str, start: float, goal: float, speed: float, actors: Sequence[ActorSpec]
) -> Stretch:
    return Stretch(chain, float(start), float(goal), float(speed), tuple(actors))


FAMILIES: Mapping[str, Callable[[np.random.Generator, FamilyRoad], Stretch]] = {
    "straight": _straight,
    "curve": _curve,
    "follow": _follow,
    "merge": _merge,
}
