"""Ways over the lane graph: straight on, and the cheapest one to a goal with lane changes."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator

from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import wrap_angle
from drivelab.types import LaneMap

CHANGE_COST = 40.0  # a lane change is worth so much of a detour [m]
LATER = 1e-3  # changes are made early: cost per metre driven before


def lane_way(lane_map: LaneMap, start: str, goals: Collection[str]) -> tuple[str, ...] | None:
    """Lanes from `start` to the cheapest goal, neighbours where it changes lanes; None = no way."""
    costs: dict[str, float] = {start: 0.0}
    parents: dict[str, str] = {}
    queue = [(0.0, start)]
    done: set[str] = set()
    while queue:
        cost, lane = heapq.heappop(queue)
        if lane in done:
            continue
        done.add(lane)
        if lane in goals:
            return _trace(parents, lane)
        for follower, price in _steps(lane_map, lane, cost):
            if cost + price < costs.get(follower, float("inf")):
                costs[follower], parents[follower] = cost + price, lane
                heapq.heappush(queue, (costs[follower], follower))
    return None


def straight_on(
    lane_map: LaneMap, lane: str, length: float, prefer: Collection[str] = ()
) -> tuple[str, ...]:
    """The lane and what follows it, the least bend at every fork, for at least `length` [m].

    At a fork a lane of `prefer` is taken, where there is one.
    """
    way, total = [lane], _length(lane_map, lane)
    while total < length:
        after = [name for name in lane_map.lanes[way[-1]].successors if name in lane_map.lanes]
        after = [name for name in after if name not in way]
        if not after:
            break
        wanted = [name for name in after if name in prefer] or after
        way.append(min(wanted, key=lambda name: abs(turn_angle(lane_map, name))))
        total += _length(lane_map, way[-1])
    return tuple(way)


def turn_angle(lane_map: LaneMap, lane: str) -> float:
    """Heading change along a lane, positive to the left [rad]."""
    line = lane_map.lanes[lane].centreline
    return float(wrap_angle(line[-1, 2] - line[0, 2]))


def _steps(lane_map: LaneMap, lane: str, cost: float) -> Iterator[tuple[str, float]]:
    here = lane_map.lanes[lane]
    for follower in here.successors:
        if follower in lane_map.lanes:
            yield follower, _length(lane_map, lane)
    if here.connector:
        return
    for side, allowed in ((here.left, here.change_left), (here.right, here.change_right)):
        if side is not None and allowed and side in lane_map.lanes:
            yield side, CHANGE_COST + LATER * cost


def _length(lane_map: LaneMap, lane: str) -> float:
    return float(arc_lengths(lane_map.lanes[lane].centreline)[-1])


def _trace(parents: dict[str, str], lane: str) -> tuple[str, ...]:
    way = [lane]
    while way[-1] in parents:
        way.append(parents[way[-1]])
    return tuple(reversed(way))
