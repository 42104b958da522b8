"""A scenario and a seed -> an episode of the native world; equal inputs give equal episodes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float

from drivelab.geometry.boxes import ego_boxes
from drivelab.geometry.polyline import with_headings
from drivelab.sim.scenario.behaviours import Stage
from drivelab.sim.scenario.cast import build_actor
from drivelab.sim.scenario.crowd import draw_crowd
from drivelab.sim.scenario.lane_search import straight_on
from drivelab.sim.scenario.lights import light_faults, plan_lights
from drivelab.sim.scenario.logs import LogPart, log_part, recorded_line
from drivelab.sim.scenario.map_choice import LogMap
from drivelab.sim.scenario.problems import Fault, Misfit, Path, ScenarioError, path_text
from drivelab.sim.scenario.road_users import ReplayMotion, Route
from drivelab.sim.scenario.route import Way, find_way, way_line
from drivelab.sim.scenario.rules import rule_faults
from drivelab.sim.scenario.sampler import draws, plain, sample, stream
from drivelab.sim.scenario.schema import Scenario, Terminate
from drivelab.sim.scenario.site import Site, cropped, load_site
from drivelab.sim.scenario.spot import Spot, find_spot, straight_path
from drivelab.sim.scenario.start_check import start_faults
from drivelab.sim.world.episode import ActorSpec, Episode, Termination
from drivelab.sim.world.start import DT
from drivelab.types import PACIFICA

BEYOND = 60.0  # of a route without a goal, beyond what can be driven [m]
UNKNOWN_BEYOND = 20.0  # of a recorded way that ends on no lane [m]
SHORTEST_ROUTE = 5.0  # [m]
GOAL_REACH = 1.0  # the route's line ends so near to its goal [m]


def build_episode(scenario: Scenario, seed: int = 0, *, folder: FilePath | None = None) -> Episode:
    """The episode of a seed.

    Args:
        scenario: what the text says.
        seed: decides what varies and the traffic; a negative one takes the text as it is written.
        folder: of the scenario's file, for maps that lie beside it.

    Raises:
        ScenarioError: it cannot be built; every reason with its path.
    """
    episode, faults = try_build(scenario, seed, folder=folder)
    if episode is None:
        place = f"scenario {scenario.id}, seed {seed}"
        raise ScenarioError([f"{place}: {path_text(f.path)}: {f.text}" for f in faults])
    return episode


def try_build(
    scenario: Scenario, seed: int, *, folder: FilePath | None = None
) -> tuple[Episode | None, list[Fault]]:
    """The episode of a seed, or all reasons why there is none."""
    try:
        concrete = sample(scenario, seed)
    except (msgspec.ValidationError, LookupError) as error:
        return None, [Fault(("vary",), f"what seed {seed} draws does not fit: {error}")]
    faults = rule_faults(concrete)
    if faults:
        return None, faults
    try:
        made = _set_stage(concrete, folder)
    except Misfit as misfit:
        return None, [misfit.fault]
    return _populated(scenario, concrete, seed, made)


@dataclass(frozen=True, slots=True, eq=False)
class _Set:
    """Map, ego and route of one seed."""

    stage: Stage
    way: Way
    log: LogPart | None
    faults: tuple[Fault, ...] = ()  # of the route; the way is straight on then


def _set_stage(scenario: Scenario, folder: FilePath | None) -> _Set:
    site = load_site(scenario.map, folder)
    log = None
    if isinstance(scenario.map, LogMap):
        assert site.log is not None
        log = log_part(site.log, scenario.map.at, scenario.duration)
        _check_length(scenario, log)
    ego = _ego_spot(site, scenario, log)
    site = cropped(site, ego.pose)
    length = _route_length(site, scenario)
    faults = []
    try:
        way, line = _route(site, ego, scenario.route, length, log)
    except Misfit as misfit:
        if scenario.route is None:
            raise
        faults.append(misfit.fault)
        way, line = _route(site, ego, None, length, log)
    start = scenario.ego.s if scenario.ego.s is not None else 0.0
    return _Set(Stage(site, ego, start, line), way, log, tuple(faults))


def _ego_spot(site: Site, scenario: Scenario, log: LogPart | None) -> Spot:
    said = scenario.ego
    if log is not None and said.lane is None and said.pose is None:
        return Spot(log.expert.poses[0])
    return find_spot(site, said, None, ("ego",))


def _ego_speed(scenario: Scenario, log: LogPart | None) -> float:
    if scenario.ego.speed is not None:
        return scenario.ego.speed
    return 0.0 if log is None else max(float(log.expert.velocities[0, 0]), 0.0)


def _check_length(scenario: Scenario, log: LogPart) -> None:
    """Replayed traffic vanishes where the log ends; that must not happen by accident."""
    replays = any(isinstance(actor.motion, ReplayMotion) for actor in scenario.actors)
    length = DT * (len(log.tracks.poses) - 1)
    if replays and scenario.duration > length + DT / 2:
        text = f"is {scenario.duration:g} s, but the log ends after {length:.1f} s"
        raise Misfit(("duration",), text)


def _route(
    site: Site, ego: Spot, route: Route | None, length: float, log: LogPart | None
) -> tuple[Way, Float[np.ndarray, "m 3"]]:
    if route is not None and route.recorded:
        assert log is not None
        return _recorded(site, ego, log, length)
    path: Path = ("route",) if route is not None else ("ego",)
    way = find_way(site, ego, route, path, length=length, beside=ego)
    line = way_line(site.map, way)
    _check_route(site, ego, route, line)
    return way, line


def _route_length(site: Site, scenario: Scenario) -> float:
    """As far as an ego can come within the scenario's time, and a little farther [m]."""
    limits = {lane.speed_limit for lane in site.map.lanes.values() if lane.speed_limit}
    fastest = max([scenario.ego.speed or 0.0, *limits, 14.0])
    return 1.2 * fastest * scenario.duration + BEYOND


def _recorded(
    site: Site, ego: Spot, log: LogPart, length: float
) -> tuple[Way, Float[np.ndarray, "m 3"]]:
    """The recorded ego's way, and on along the lanes beyond it; it has no lanes of its own."""
    points = recorded_line(log.expert, ego.pose)
    end = log.expert.poses[-1]
    blocks = (site.map.blocks[name] for name in log.history.route if name in site.map.blocks)
    routed = {lane for block in blocks for lane in block.lanes}
    found = site.lane_at(end, routed)
    if found is None:
        beyond = straight_path(end, UNKNOWN_BEYOND)
    else:
        lanes = straight_on(site.map, found[0], length + found[1], routed)
        beyond = way_line(site.map, Way(lanes, found[1]))
    ahead = (beyond[:, :2] - points[-1]) @ np.array([np.cos(end[2]), np.sin(end[2])])
    return Way((), 0.0), with_headings(
        np.vstack([points, beyond[int(np.argmax(ahead > 1.0)) :, :2]])
    )


def _check_route(
    site: Site, ego: Spot, route: Route | None, line: Float[np.ndarray, "m 3"]
) -> None:
    length = float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum())
    if length < SHORTEST_ROUTE:
        text = f"ends {length:.1f} m from the start; expected at least {SHORTEST_ROUTE:g} m"
        raise Misfit(("route",) if route is not None else ("ego",), text)
    if route is not None and route.goal is not None:
        goal = find_spot(site, route.goal, ego.pose, ("route", "goal"))
        end = goal.line.pose(goal.s) if goal.line is not None else goal.pose
        gap = float(np.hypot(*(line[-1, :2] - end[:2])))
        if goal.line is not None and gap > GOAL_REACH:
            text = "lies behind the place where its lane can be reached"
            raise Misfit(("route", "goal"), text)


def _populated(
    scenario: Scenario, concrete: Scenario, seed: int, made: _Set
) -> tuple[Episode | None, list[Fault]]:
    stage, actors = made.stage, list[ActorSpec]()
    faults = [*made.faults, *light_faults(stage.site.groups, concrete.lights)]
    owners: dict[str, Path] = {"ego": ("ego",)}
    tracks = () if made.log is None else made.log.tracks.ids
    for index, actor in enumerate(concrete.actors):
        path: Path = ("actors", index)
        owners[actor.id] = owners[f"{actor.id}.door"] = path
        try:
            actors += build_actor(stage, actor, path, duration=concrete.duration, tracks=tracks)
        except Misfit as misfit:
            faults.append(misfit.fault)
    vehicle = PACIFICA if made.log is None else made.log.history.vehicle
    box = ego_boxes(stage.ego.pose, vehicle)
    faults += start_faults(stage.site.map, box, actors, owners)
    if not faults:
        try:
            actors += _crowd(concrete, seed, stage, box, actors)
            stops, yields = _signs(concrete, stage.site)
        except Misfit as misfit:
            faults.append(misfit.fault)
    if faults:
        return None, faults
    return _episode(scenario, concrete, seed, made, tuple(actors), stops, yields), []


def _crowd(
    concrete: Scenario,
    seed: int,
    stage: Stage,
    box: Float[np.ndarray, "5"],
    actors: list[ActorSpec],
) -> tuple[ActorSpec, ...]:
    traffic = concrete.traffic
    if traffic is None:
        return ()
    own = traffic.seed if traffic.seed is not None else max(seed, 0)
    return draw_crowd(
        stage.site,
        traffic,
        ego=box,
        route_line=stage.route_line,
        actors=actors,
        random=stream(concrete.id, own, "traffic"),
    )


def _episode(
    scenario: Scenario,
    concrete: Scenario,
    seed: int,
    made: _Set,
    actors: tuple[ActorSpec, ...],
    stops: tuple[str, ...],
    yields: tuple[str, ...],
) -> Episode:
    stage, log = made.stage, made.log
    site = stage.site
    return Episode(
        id=f"{scenario.id}-{seed}" if seed >= 0 else scenario.id,
        map=site.map,
        ego_pose=stage.ego.pose,
        ego_speed=_ego_speed(concrete, log),
        route=made.way.lanes,
        route_line=stage.route_line,
        duration=concrete.duration,
        actors=actors,
        lights=plan_lights(site.groups, site.junctions, concrete.lights, made.way.lanes),
        light_log=None if log is None or concrete.lights is not None else log.lights,
        stop_signs=stops,
        yield_signs=yields,
        log=None if log is None else log.tracks,
        expert=None if log is None else log.expert,
        history=None if log is None else log.history,
        vehicle=PACIFICA if log is None else log.history.vehicle,
        termination=_termination(concrete.terminate),
        goal=stage.route_line[-1, :2],
        family=scenario.family,
        source="scenario",
        licence="" if log is None else log.licence,
        seed=int(stream(scenario.id, max(seed, 0), "world").integers(2**31)),
        line_told=concrete.route is not None and not concrete.route.recorded,
        info=_info(scenario, concrete, seed),
    )


def _signs(concrete: Scenario, site: Site) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lanes at whose end one must stop, and give way."""
    said = concrete.signs
    if said is None:
        return site.stop_signs, site.yield_signs
    keep = said.mode == "map"
    stops = dict.fromkeys(site.stop_signs if keep else ())
    yields = dict.fromkeys(site.yield_signs if keep else ())
    for index, lane in enumerate(said.stop):
        stops[_before_junction(site, lane, ("signs", "stop", index))] = None
    for index, lane in enumerate(said.give_way):
        yields[_before_junction(site, lane, ("signs", "give_way", index))] = None
    return tuple(stops), tuple(lane for lane in yields if lane not in stops)


def _before_junction(site: Site, lane: int | str, path: Path) -> str:
    """The last lane of a chain before its first junction."""
    lanes = site.line(lane, path).lanes
    for before, after in pairwise(lanes):
        if site.map.lanes[after].connector:
            return before
    return lanes[-1]


def _termination(said: Terminate) -> Termination:
    heading = said.heading_deviation_deg
    return Termination(
        collision=said.collision,
        off_road=said.off_road,
        kerb=said.kerb,
        wrong_way=said.wrong_way,
        route_deviation=said.route_deviation,
        heading_deviation=None if heading is None else float(np.radians(heading)),
        blocked_for=said.blocked_for,
        route_done=said.route_done,
    )


def _info(scenario: Scenario, concrete: Scenario, seed: int) -> dict[str, Any]:
    """What a rollout keeps of its scenario, for sensor worlds, scores and expectations."""
    data = plain(concrete)
    sensors = data.get("sensors") or {}
    info: dict[str, Any] = {
        "scenario": scenario.id,
        "scenario_seed": seed,
        "weather": data.get("weather", "clear"),
        "time_of_day": data.get("time_of_day", "day"),
        "sensor_faults": list(sensors.get("faults", ())),
        "expect": data.get("expect", {}),
        "drawn": draws(scenario, seed) if seed >= 0 else {},
    }
    if concrete.scenario_kinds:
        info["scenario_kinds"] = tuple(concrete.scenario_kinds)
    return info
