"""Paths through the lane graph: cheapest lane sequence on a route, joined centrelines."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths
from drivelab.types import Lane, LaneMap


@dataclass(frozen=True, slots=True)
class LanePath:
    """Lane ids from the starting lane on; `reached` tells whether the last one is a goal."""

    lanes: tuple[str, ...]
    reached: bool


@dataclass(frozen=True, slots=True)
class _Visit:
    cost: float
    depth: int
    parent: str | None


def lane_path(
    lane_map: LaneMap, start: str, *, allowed: Collection[str], goals: Collection[str]
) -> LanePath:
    """Cheapest lane sequence from `start` to any of `goals`; a lane costs its length [m].

    Only lanes in `allowed` are entered. Equal costs leave the queue in the order of insertion and a
    goal counts when it leaves the queue. When no goal can be reached the answer is the expanded
    path with the most lanes, of these the cheapest (the rule of PDM-Closed).
    """
    visits: dict[str, _Visit] = {start: _Visit(_length(lane_map.lanes[start]), 0, None)}
    expanded: dict[str, None] = {}
    queue, inserted = [(visits[start].cost, 0, start)], 1
    while queue:
        cost, _, lane = heapq.heappop(queue)
        if lane in expanded:
            continue
        expanded[lane] = None
        if lane in goals:
            return LanePath(_trace_back(visits, lane), True)
        for follower in lane_map.lanes[lane].successors:
            if follower not in allowed or follower not in lane_map.lanes:
                continue
            reach = cost + _length(lane_map.lanes[follower])
            if follower not in visits or reach < visits[follower].cost:
                visits[follower] = _Visit(reach, visits[lane].depth + 1, lane)
                heapq.heappush(queue, (reach, inserted, follower))
                inserted += 1
    deepest = min(expanded, key=lambda lane: (-visits[lane].depth, visits[lane].cost))
    return LanePath(_trace_back(visits, deepest), False)


def concatenate(lane_map: LaneMap, lanes: Iterable[str]) -> Float[np.ndarray, "n 3"]:
    """Centreline vertices of the lanes in order; a joint that two lanes share occurs twice."""
    return np.concatenate([lane_map.lanes[lane].centreline for lane in lanes])


def _length(lane: Lane) -> float:
    return float(arc_lengths(lane.centreline)[-1])


def _trace_back(visits: dict[str, _Visit], lane: str) -> tuple[str, ...]:
    path, step = [lane], visits[lane].parent
    while step is not None:
        path.append(step)
        step = visits[step].parent
    return tuple(reversed(path))
