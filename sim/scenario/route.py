"""Routes of a scenario text -> lanes in order and the line along them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import with_headings
from drivelab.sim.scenario.lane_line import lane_line
from drivelab.sim.scenario.lane_search import lane_way, straight_on, turn_angle
from drivelab.sim.scenario.problems import Misfit, Path, did_you_mean
from drivelab.sim.scenario.road_users import Route
from drivelab.sim.scenario.site import Site
from drivelab.sim.scenario.spot import Spot, find_spot
from drivelab.types import LaneMap

STRAIGHT_ON = 0.6  # heading change below which a way through is neither left nor right [rad]
U_TURN = 2.6  # and beyond which it leads back
AFTER_TURN = 120.0  # of a route behind the junction it turns at, on maps without named routes [m]
CHANGE_LENGTH = 40.0  # a lane change is drawn over so much of the line [m]
CHANGE_LEAD = 8.0  # and begins so far behind the start [m]


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Lanes with the start on the first one; neighbours follow each other at a lane change."""

    lanes: tuple[str, ...]
    start: float  # on the first lane [m]
    stop: float | None = None  # on the last lane [m]; None = its end


def find_way(
    site: Site, spot: Spot, route: Route | None, path: Path, *, length: float, beside: Spot
) -> Way:
    """The lanes of a route from a spot on.

    Args:
        site: the map.
        spot: where it starts.
        route: what the text says; None = straight on.
        path: of the route in the text.
        length: driven at most; routes without an end of their own are so long [m].
        beside: the ego's start, for goals given relative to it.

    Raises:
        Misfit: the start is on no lane, or no lanes lead there.
    """
    lane, start = _first_lane(site, spot, path)
    if route is None:
        return Way(_straight(site, spot, lane, length), start)
    if route.turn is not None:
        return Way(_turning(site, lane, route.turn, (*path, "turn")), start)
    if route.lanes is not None:
        return Way(_named(site, lane, route.lanes, (*path, "lanes")), start)
    assert route.goal is not None
    here = (*path, "goal")
    goal = find_spot(site, route.goal, beside.pose, here)
    last, stop = _first_lane(site, goal, here)
    if last == lane and stop > start:
        return Way((lane,), start, stop)
    lanes = _around(site.map, lane, last) if last == lane else lane_way(site.map, lane, {last})
    if lanes is None:
        raise Misfit(here, f"no lanes lead there from the start (lane {lane} to lane {last})")
    return Way(lanes, start, stop)


def way_line(lane_map: LaneMap, way: Way) -> Float[np.ndarray, "n 3"]:
    """The centreline along a way; lane changes are eased over up to 40 m.

    Rows are (x, y, heading); the line begins at the way's start and ends at its stop.
    """
    pieces: list[np.ndarray] = []
    at = way.start
    for lane, following in pairwise((*way.lanes, None)):
        assert lane is not None
        line = lane_line(lane_map, (lane,))
        last = following is None or following == way.lanes[-1]
        if following is None or following in lane_map.lanes[lane].successors:
            stop = line.length if following is not None or way.stop is None else way.stop
            pieces.append(line.cut(at, max(stop, at))[:, :2])
            at = 0.0
            continue
        leave = min(at + CHANGE_LEAD, max(line.length - 10.0, at))
        pieces.append(line.cut(at, leave)[:, :2])
        eased, at = _eased(lane_map, (lane, following), leave, way.stop if last else None)
        pieces.append(eased)
    return _joined(pieces)


def follow_lanes(site: Site, spot: Spot, path: Path, *, length: float) -> tuple[str, ...]:
    """Straight on from a spot for at least `length` [m], the lane under it first."""
    return _straight(site, spot, _first_lane(site, spot, path)[0], length)


def _first_lane(site: Site, spot: Spot, path: Path) -> tuple[str, float]:
    if spot.line is not None:
        return spot.line.within(spot.s)
    found = site.lane_at(spot.pose)
    if found is None:
        x, y = spot.pose[:2]
        raise Misfit(path, f"no lane runs through ({x:.1f}, {y:.1f}) in that direction")
    return found


def _straight(site: Site, spot: Spot, lane: str, length: float) -> tuple[str, ...]:
    line = spot.line
    if line is None:
        return straight_on(site.map, lane, length)
    rest = line.lanes[line.index(spot.s) :]
    covered = line.length - spot.s
    if covered >= length:
        return rest
    return (*rest[:-1], *straight_on(site.map, rest[-1], length - covered))


def _turning(site: Site, lane: str, turn: str, path: Path) -> tuple[str, ...]:
    """A named route of the template, else the next junction's way in that direction."""
    if not site.routes:
        return _turn_ahead(site.map, lane, turn, path)
    if turn not in site.routes:
        raise Misfit(path, f"unknown turn `{turn}`{did_you_mean(turn, list(site.routes))}")
    chains = site.routes[turn]
    for chain in chains:
        if lane in chain:
            return chain[chain.index(lane) :]
    ways = [lane_way(site.map, lane, {chain[-1]}) for chain in chains]
    found = [
        way
        for way, chain in zip(ways, chains, strict=True)
        if way is not None and _connectors(site.map, chain) <= set(way)
    ]
    if not found:
        raise Misfit(path, f"no `{turn}` can be reached from lane {lane}")
    return min(found, key=len)


def _connectors(lane_map: LaneMap, lanes: Iterable[str]) -> set[str]:
    return {lane for lane in lanes if lane_map.lanes[lane].connector}


def _turn_ahead(lane_map: LaneMap, lane: str, turn: str, path: Path) -> tuple[str, ...]:
    words = ("left", "straight", "right", "u_turn")
    if turn not in words:
        raise Misfit(path, f"unknown turn `{turn}`{did_you_mean(turn, words)}")
    way = list(straight_on(lane_map, lane, 2000.0))
    for index, here in enumerate(way):
        for side in (here, *_beside(lane_map, here)):
            fork = [name for name in lane_map.lanes[side].successors if name in lane_map.lanes]
            fork = [name for name in fork if lane_map.lanes[name].connector]
            fitting = [name for name in fork if _label(turn_angle(lane_map, name)) == turn]
            if fitting and (len(fork) > 1 or side != here or turn != "straight"):
                change = () if side == here else (side,)
                rest = straight_on(lane_map, fitting[0], AFTER_TURN)
                return (*way[: index + 1], *change, *rest)
    raise Misfit(path, f"no junction with a way `{turn}` lies ahead of lane {lane}")


def _label(angle: float) -> str:
    if abs(angle) < STRAIGHT_ON:
        return "straight"
    if abs(angle) > U_TURN:
        return "u_turn"
    return "left" if angle > 0 else "right"


def _named(site: Site, lane: str, names: Sequence[int | str], path: Path) -> tuple[str, ...]:
    """Lane chains or ids in order; gaps between them are closed over the lane graph."""
    way = [lane]
    for index, name in enumerate(names):
        here = (*path, index)
        chain = site.line(name, here).lanes
        if way[-1] in chain:
            way += chain[chain.index(way[-1]) + 1 :]
            continue
        link = lane_way(site.map, way[-1], set(chain))
        if link is None:
            raise Misfit(here, f"no lanes lead from lane {way[-1]} to `{name}`")
        way += [*link[1:], *chain[chain.index(link[-1]) + 1 :]]
    return tuple(way)


def _around(lane_map: LaneMap, lane: str, goal: str) -> tuple[str, ...] | None:
    """A way that leaves a lane and comes back to it."""
    for after in lane_map.lanes[lane].successors:
        found = lane_way(lane_map, after, {goal}) if after in lane_map.lanes else None
        if found is not None:
            return (lane, *found)
    return None


def _beside(lane_map: LaneMap, lane: str) -> list[str]:
    here = lane_map.lanes[lane]
    return [side for side in (here.left, here.right) if side is not None and side in lane_map.lanes]


def _eased(
    lane_map: LaneMap, lanes: tuple[str, str], leave: float, bound: float | None
) -> tuple[Float[np.ndarray, "n 2"], float]:
    """A lane change that leaves the first lane at `leave`; also where it ends on the second.

    It ends before `bound` on the second lane [m], where one is given.
    """
    first, second = (lane_line(lane_map, (lane,)) for lane in lanes)
    enter, _ = second.nearest(first.pose(leave))
    room = min(first.length - leave, (second.length if bound is None else bound) - enter)
    length = float(np.clip(room, 1.0, CHANGE_LENGTH))
    share = np.linspace(0.0, 1.0, max(int(length) + 1, 3))
    ease = (share**2 * (3.0 - 2.0 * share))[:, None]
    from_points = np.array([first.pose(leave + u * length)[:2] for u in share])
    to_points = np.array([second.pose(enter + u * length)[:2] for u in share])
    return from_points + ease * (to_points - from_points), enter + length


def _joined(pieces: Sequence[Float[np.ndarray, "n 2"]]) -> Float[np.ndarray, "m 3"]:
    points = np.concatenate(pieces)
    step = np.hypot(*np.diff(points, axis=0).T)
    return with_headings(points[np.concatenate([[True], step > 1e-3])])
