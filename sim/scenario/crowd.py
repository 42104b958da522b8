"""Road users that a scenario asks for by number: drawn by the seed, spaced, never overlapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_polygon
from drivelab.geometry.polyline import arc_lengths, sample
from drivelab.geometry.poses import wrap_angle
from drivelab.planning import IDMParameters
from drivelab.sim.scenario.lane_line import LaneLine, lane_line, speed_limit
from drivelab.sim.scenario.lane_search import straight_on
from drivelab.sim.scenario.problems import Misfit
from drivelab.sim.scenario.road_users import MODELS
from drivelab.sim.scenario.site import Site
from drivelab.sim.scenario.surroundings import Traffic
from drivelab.sim.world.episode import ActorSpec, Drive, Walk

MIX = (("car", 0.72), ("van", 0.14), ("truck", 0.08), ("bus", 0.03), ("bicycle", 0.03))
SPACING = 9.0  # smallest gap between two drivers of a lane [m]
HEADWAY = 0.7  # and so many seconds of driving
END_ROOM = 6.0  # nobody starts nearer to the end of its lane [m]
EGO_AHEAD, EGO_BEHIND = 22.0, 12.0  # kept free in the ego's lane, bumper to bumper [m]
CLEAR = 1.0  # around everybody [m]
CYCLIST_ASIDE = 0.9  # cyclists ride so far inside the right edge [m]
ROAD_AHEAD = 400.0  # lanes listed for drivers [m]
TRIES = 40
SPARSEST = 1e5  # [m]


@dataclass(slots=True)
class Crowd:
    """What is there already, and what has been added to it."""

    site: Site
    ego: Float[np.ndarray, "5"]  # box
    random: np.random.Generator
    taken: list[shapely.Polygon] = field(default_factory=list)
    added: list[ActorSpec] = field(default_factory=list)

    def free(self, box: Float[np.ndarray, "5"]) -> bool:
        """Whether a box keeps clear of everybody."""
        grown = box + np.array([0.0, 0.0, 0.0, 2 * CLEAR, 2 * CLEAR])
        return not bool(shapely.intersects(box_polygon(grown), self.taken).any())

    def add(self, actor: ActorSpec) -> None:
        """Put somebody there."""
        self.added.append(actor)
        self.taken.append(box_polygon(np.array([*actor.pose, *actor.size])))


def draw_crowd(
    site: Site,
    traffic: Traffic,
    *,
    ego: Float[np.ndarray, "5"],
    route_line: Float[np.ndarray, "m 3"],
    actors: Sequence[ActorSpec],
    random: np.random.Generator,
) -> tuple[ActorSpec, ...]:
    """Everybody that `traffic` asks for.

    Args:
        site: the map.
        traffic: how many of whom, and how far from the route.
        ego: box at the start.
        route_line: of the ego.
        actors: those who are there already.
        random: decides everything.

    Raises:
        Misfit: the map has no place for what is asked for.
    """
    crowd = Crowd(site, ego, random)
    crowd.taken = [box_polygon(ego)]
    crowd.taken += [box_polygon(np.array([*actor.pose, *actor.size])) for actor in actors]
    near = shapely.LineString(route_line[:, :2]).buffer(traffic.radius)
    lanes = [lane for lane in site.map.lanes.values() if not lane.connector]
    lanes = [lane for lane in lanes if shapely.intersects(near, lane.polygon)]
    if not lanes and (traffic.density or traffic.cyclists):
        raise Misfit(("traffic",), "no lane lies within `radius` of the route")
    names = [lane.id for lane in lanes if lane.kind == "vehicle"]
    _drivers(crowd, names, traffic.density, near)
    _cyclists(crowd, [lane.id for lane in lanes if lane.right is None], traffic.cyclists, near)
    _parked(crowd, traffic.parked, near)
    _pedestrians(crowd, traffic.pedestrians, near)
    return tuple(crowd.added)


def _drivers(crowd: Crowd, lanes: Sequence[str], density: float, near: shapely.Polygon) -> None:
    """Vehicles along every lane, gaps drawn about what the density leaves."""
    if density <= 0:
        return
    for name in lanes:
        line = lane_line(crowd.site.map, (name,))
        for s in _places(crowd.random, line.length, density):
            if near.contains(shapely.Point(line.pose(s)[:2])):
                model = str(crowd.random.choice([m for m, _ in MIX], p=[p for _, p in MIX]))
                _try_driver(crowd, line, s, model)


def _places(random: np.random.Generator, length: float, density: float) -> Iterator[float]:
    """Distances along a lane: a jittered comb whose mean spacing is that of the density."""
    mean = min(1000.0 / density, SPARSEST)
    s = float(random.uniform(0.0, mean))
    while s < length - END_ROOM:
        yield s
        s += max(mean * float(random.uniform(0.6, 1.4)), SPACING)


def _try_driver(crowd: Crowd, line: LaneLine, s: float, model: str) -> bool:
    site, random = crowd.site, crowd.random
    kind = MODELS[model]
    lane = line.within(s)[0]
    limit = speed_limit(site.map, lane)
    bicycle = kind.kind == "bicycle"
    pace = float(random.uniform(0.25, 0.4)) if bicycle else float(random.uniform(0.75, 1.0))
    wish = min(pace * limit, 6.0) if bicycle else pace * limit
    offset = _right_edge(site, lane) if bicycle else 0.0
    pose = line.pose(s, offset)
    box = np.array([*pose, kind.length, kind.width])
    room = SPACING / 2 + HEADWAY * wish / 2
    stretched = box + np.array([0.0, 0.0, 0.0, 2.0 * room, 0.0])
    if not crowd.free(stretched) or _beside_ego(crowd.ego, box):
        return False
    crowd.add(
        ActorSpec(
            id=f"traffic_{len(crowd.added)}",
            kind=kind.kind,
            size=(kind.length, kind.width),
            pose=pose,
            speed=wish,
            motion=Drive(
                route=straight_on(site.map, lane, ROAD_AHEAD),
                driver=_temper(random),
                pace=wish / limit,
                lane_changes=not bicycle,
                offset=offset,
            ),
            role=model,
        )
    )
    return True


def _temper(random: np.random.Generator) -> IDMParameters:
    """Drivers differ: some keep more distance, some are in a hurry."""
    return IDMParameters(
        min_gap=float(random.uniform(1.6, 2.6)),
        headway=float(random.uniform(1.0, 1.8)),
        acceleration=float(random.uniform(1.2, 2.0)),
        deceleration=float(random.uniform(1.8, 2.6)),
        exponent=4.0,
        braking_limit=6.0,
    )


def _right_edge(site: Site, lane: str) -> float:
    line = lane_line(site.map, (lane,))
    area, length = site.map.lanes[lane].polygon.area, max(line.length, 1.0)
    return -max(area / length / 2.0 - CYCLIST_ASIDE, 0.0)


def _beside_ego(ego: Float[np.ndarray, "5"], box: Float[np.ndarray, "5"]) -> bool:
    """In the ego's lane and so near that neither could help it."""
    dx, dy = box[0] - ego[0], box[1] - ego[1]
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    ahead, aside = dx * cos + dy * sin, abs(dy * cos - dx * sin)
    reach = (ego[3] + box[3]) / 2
    return bool(aside < 2.5 and -EGO_BEHIND - reach < ahead < EGO_AHEAD + reach)


def _cyclists(crowd: Crowd, lanes: Sequence[str], count: int, near: shapely.Polygon) -> None:
    for _ in range(count):
        for _ in range(TRIES):
            line = lane_line(crowd.site.map, (str(crowd.random.choice(list(lanes))),))
            s = float(crowd.random.uniform(0.0, max(line.length - END_ROOM, 0.1)))
            inside = near.contains(shapely.Point(line.pose(s)[:2]))
            if inside and _try_driver(crowd, line, s, "bicycle"):
                break
        else:
            raise Misfit(("traffic", "cyclists"), f"no room for {count} cyclists near the route")


def _parked(crowd: Crowd, count: int, near: shapely.Polygon) -> None:
    if not count:
        return
    bays = [pose for poses in crowd.site.parking.values() for pose in poses]
    bays = [pose for pose in bays if near.contains(shapely.Point(pose[:2]))]
    order = crowd.random.permutation(len(bays))
    placed = 0
    for index in order:
        model = "van" if crowd.random.random() < 0.2 else "car"
        size = (MODELS[model].length, MODELS[model].width)
        pose = np.asarray(bays[index], float)
        if placed < count and crowd.free(np.array([*pose, size[0] - 2 * CLEAR, size[1]])):
            crowd.add(ActorSpec(f"parked_{placed}", "vehicle", size, pose, 0.0, role=model))
            placed += 1
    if placed < count:
        text = f"is {count}, but the map has room for {placed} parked cars near the route"
        raise Misfit(("traffic", "parked"), text)


def _pedestrians(crowd: Crowd, count: int, near: shapely.Polygon) -> None:
    """People on pavements, and every third one on its way over a crossing, who waits for cars."""
    pavements = [np.asarray(line, float) for line in crowd.site.pavements.values()]
    crossings = [np.asarray(line, float) for line in crowd.site.crossings.values()]
    if count and not pavements and not crossings:
        raise Misfit(("traffic", "pedestrians"), "the map has no pavements and no crossings")
    for number in range(count):
        crossing = bool(crossings) and (not pavements or number % 3 == 2)
        lines = crossings if crossing else pavements
        for _ in range(TRIES):
            if _try_walker(crowd, lines, number, near, crossing=crossing):
                break
        else:
            text = f"no room for {count} pedestrians near the route"
            raise Misfit(("traffic", "pedestrians"), text)


def _try_walker(
    crowd: Crowd,
    lines: Sequence[Float[np.ndarray, "n 3"]],
    number: int,
    near: shapely.Polygon,
    *,
    crossing: bool,
) -> bool:
    random = crowd.random
    line = lines[int(random.integers(len(lines)))]
    if random.random() < 0.5:
        line = np.column_stack([line[::-1, :2], wrap_angle(line[::-1, 2] + np.pi)])
    length = float(arc_lengths(line)[-1])
    aside = float(random.uniform(-0.6, 0.6))
    start = 0.0 if crossing else float(random.uniform(0.0, max(length - 5.0, 0.1)))
    at = np.linspace(start, length, max(2, int(length - start) + 1))
    path = sample(line, at)
    path[:, 0] -= aside * np.sin(path[:, 2])
    path[:, 1] += aside * np.cos(path[:, 2])
    size = (MODELS["pedestrian"].length, MODELS["pedestrian"].width)
    speed = float(random.uniform(1.0, 1.7))
    inside = near.contains(shapely.Point(path[0, :2]))
    if not inside or not crowd.free(np.array([*path[0], *size]) - np.array([0, 0, 0, 1.2, 1.2])):
        return False
    crowd.add(
        ActorSpec(
            id=f"walker_{number}",
            kind="pedestrian",
            size=size,
            pose=path[0],
            motion=Walk(path, speed, waits=crossing),
            role="pedestrian",
        )
    )
    return True
