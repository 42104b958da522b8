"""Shortest ways along lanes, lane changes included, between points that need not lie on a lane.

A point stands for the lanes whose centreline is nearest to it; where several lie equally near, as
in junctions, the way decides between them. Dijkstra's algorithm on lanes: driving a lane costs its
length, changing to a neighbour costs `CHANGE_COST`, more where the lane is too short for it. A few
links in CARLA's towns lead to a lane some metres aside; they cost as if that were a long way.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.geometry.polyline import arc_lengths
from drivelab.types.lane_map import Lane, LaneMap

CHANGE_COST = 10.0  # of a lane change, as metres of way
CHANGE_LENGTH = 20.0  # a lane change takes this long where the lane allows [m]
SHORT_CHANGE = 2.0  # cost of each metre that a change has to be shorter [m]
AMBIGUOUS = 0.75  # lanes this much farther than the nearest one may be meant instead [m]
WIDE = 4.0  # the same, where no way leads through the nearest lanes [m]
OFF_COST = 10.0  # of each metre that a lane lies farther than the nearest
JUMP_COST = 50.0  # of each metre between a lane's end and the start of the next
JUMP = 0.5  # gaps up to this are none [m]
BEHIND = 2.0  # a point this far behind the one before, on one lane, is still ahead of it [m]
LEVEL = 3.0  # lanes that differ more in height are on different levels [m]
_KEY = "lane_graph"


@dataclass(frozen=True, slots=True, eq=False)
class LaneGraph:
    """Lanes for vehicles by number: lengths, what follows, which neighbours may be changed to."""

    lanes: tuple[Lane, ...]
    number: dict[str, int]
    length: list[float]
    following: list[tuple[tuple[int, float], ...]]  # with the cost of the gap between
    beside: list[tuple[int, ...]]
    tree: Any  # shapely.STRtree of centrelines
    lines: np.ndarray


@dataclass(frozen=True, slots=True)
class Place:
    """A point on a lane: its number, the arc length there [m], what it costs to mean this lane."""

    lane: int
    s: float
    cost: float


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of one lane, from and to an arc length [m]; `changed` when entered from beside."""

    lane: str
    start: float
    stop: float
    changed: bool


def lane_graph(lane_map: LaneMap) -> LaneGraph:
    """The graph of a map, built once."""
    found = lane_map.cache.get(_KEY)
    if not isinstance(found, LaneGraph):
        found = _build(lane_map)
        lane_map.cache[_KEY] = found
    return found


def _build(lane_map: LaneMap) -> LaneGraph:
    lanes = tuple(
        lane
        for lane in lane_map.lanes.values()
        if lane.kind == "vehicle" and len(lane.centreline) > 1
    )
    if not lanes:
        raise DataError("has no lane for vehicles, so no route", where=f"map {lane_map.name}")
    number = {lane.id: k for k, lane in enumerate(lanes)}
    following, beside = [], []
    for lane in lanes:
        after = [number[name] for name in lane.successors if name in number]
        following.append(tuple((k, _jump(lane, lanes[k])) for k in after))
        sides = ((lane.left, lane.change_left), (lane.right, lane.change_right))
        open_sides = () if lane.connector else sides
        beside.append(tuple(number[name] for name, may in open_sides if may and name in number))
    lines = np.array([shapely.LineString(lane.centreline[:, :2]) for lane in lanes], object)
    length = [float(arc_lengths(lane.centreline)[-1]) for lane in lanes]
    return LaneGraph(lanes, number, length, following, beside, shapely.STRtree(lines), lines)


def _jump(lane: Lane, other: Lane) -> float:
    gap = float(np.hypot(*(other.centreline[0, :2] - lane.centreline[-1, :2])))
    return JUMP_COST * gap if gap > JUMP else 0.0


def places_near(
    graph: LaneGraph,
    point: Float[np.ndarray, "2"],
    *,
    height: float | None = None,
    margin: float = AMBIGUOUS,
) -> list[Place]:
    """The lanes that a point may mean, nearest first.

    Where the map has heights and the point too, the nearest lane in space decides the level.
    """
    spot = shapely.Point(point[0], point[1])
    nearest, flat = graph.tree.query_nearest(spot, return_distance=True)
    gap = min(_level_gap(graph, k, spot, height) for k in nearest.tolist())
    reach = float(np.hypot(flat[0], gap))
    found = []
    for k in graph.tree.query(spot, "dwithin", distance=reach + margin + 1e-6).tolist():
        away = float(shapely.distance(graph.lines[k], spot))
        found.append((away, _level_gap(graph, k, spot, height), k))
    best, level, _ = min(found, key=lambda entry: (np.hypot(entry[0], entry[1]), entry[2]))
    found = [e for e in sorted(found) if e[0] <= best + margin and abs(e[1] - level) < LEVEL]
    places = []
    for away, _, k in found:
        s = min(float(shapely.line_locate_point(graph.lines[k], spot)), graph.length[k])
        places.append(Place(k, s, OFF_COST * max(away - best, 0.0)))
    return places


def _level_gap(graph: LaneGraph, number: int, spot: shapely.Point, height: float | None) -> float:
    lane = graph.lanes[number]
    if height is None or lane.heights is None:
        return 0.0
    s = float(shapely.line_locate_point(graph.lines[number], spot))
    return abs(float(np.interp(s, arc_lengths(lane.centreline), lane.heights)) - height)


def way_through(
    lane_map: LaneMap,
    points: Float[np.ndarray, "k 2"],
    *,
    heights: Sequence[float] | None = None,
    margin: float = AMBIGUOUS,
) -> list[Step] | None:
    """Cheapest way through all points in order; None where none exists."""
    graph = lane_graph(lane_map)
    levels = heights if heights is not None else [None] * len(points)
    places = [
        places_near(graph, point, height=level, margin=margin)
        for point, level in zip(points, levels, strict=True)
    ]
    total = [place.cost for place in places[0]]
    ways: list[list[tuple[int, list[Step]] | None]] = []
    for start, goal in pairwise(places):
        reached = _leg(graph, start, total, goal)
        total = [cost for cost, _, _ in reached]
        ways.append([(origin, steps) if steps else None for _, origin, steps in reached])
        if not np.isfinite(total).any():
            return None
    best = int(np.argmin(total))
    legs: list[list[Step]] = []
    for way in reversed(ways):
        found = way[best]
        if found is None:
            return None
        best, steps = found
        legs.append(steps)
    return _joined(legs[::-1])


def _leg(
    graph: LaneGraph, starts: Sequence[Place], totals: Sequence[float], goals: Sequence[Place]
) -> list[tuple[float, int, list[Step]]]:
    """Cheapest way from any start to each goal: cost so far, number of the start, steps."""
    # A node is (lane, how): entered at its beginning (0) or somewhere along it (1).
    search = _Search(graph, starts, totals)
    wanted = {goal.lane for goal in goals}
    best: list[tuple[float, tuple[int, int] | None]] = [(np.inf, None)] * len(goals)
    for cost, node in search:
        if cost > max(known for known, _ in best):
            break
        if node[0] not in wanted:
            continue
        for k, goal in enumerate(goals):
            if goal.lane == node[0]:
                ahead = goal.s - search.begin[node]
                if node[1] == 1 and ahead < -BEHIND:
                    continue
                price = cost + max(ahead, 0.0) + goal.cost
                if price < best[k][0]:
                    best[k] = (price, node)
    return [
        (price, *search.trace(node, goal.s)) if node is not None else (np.inf, -1, [])
        for (price, node), goal in zip(best, goals, strict=True)
    ]


class _Search:
    """Dijkstra's algorithm; iterating settles nodes in order of cost."""

    def __init__(self, graph: LaneGraph, starts: Sequence[Place], totals: Sequence[float]) -> None:
        self.graph = graph
        self.begin: dict[tuple[int, int], float] = {}  # arc length at which a lane is entered
        self.origin: dict[tuple[int, int], int] = {}
        self.parent: dict[tuple[int, int], tuple[int, int] | None] = {}
        self.queue: list[tuple[float, int, int, float, int, tuple[int, int] | None]] = [
            (total, place.lane, 1, place.s, k, None)
            for k, (place, total) in enumerate(zip(starts, totals, strict=True))
            if np.isfinite(total)
        ]
        heapq.heapify(self.queue)

    def __iter__(self) -> Iterator[tuple[float, tuple[int, int]]]:
        graph = self.graph
        while self.queue:
            cost, lane, how, begin, origin, parent = heapq.heappop(self.queue)
            node = (lane, how)
            if node in self.begin:
                continue
            self.begin[node], self.origin[node], self.parent[node] = begin, origin, parent
            yield cost, node
            rest = graph.length[lane] - begin
            for follower, jump in graph.following[lane]:
                if (follower, 0) not in self.begin:
                    price = cost + rest + jump
                    heapq.heappush(self.queue, (price, follower, 0, 0.0, origin, node))
            price = cost + CHANGE_COST + SHORT_CHANGE * max(0.0, CHANGE_LENGTH - rest)
            for other in graph.beside[lane]:
                if (other, how) not in self.begin:
                    share = begin / max(graph.length[lane], 1e-9)
                    at = share * graph.length[other]
                    heapq.heappush(self.queue, (price, other, how, at, origin, node))

    def trace(self, node: tuple[int, int], stop: float) -> tuple[int, list[Step]]:
        """Number of the start, and the steps from it to an arc length in the node's lane."""
        origin, steps, leave = self.origin[node], [], stop
        at: tuple[int, int] | None = node
        while at is not None:
            lane, before = self.graph.lanes[at[0]], self.parent[at]
            changed = before is not None and at[0] in self.graph.beside[before[0]]
            begin = self.begin[at]
            steps.append(Step(lane.id, begin, max(leave, begin), changed))
            if before is not None:
                # A lane that is left sideways ends where the next begins.
                share = begin / max(self.graph.length[at[0]], 1e-9)
                length = self.graph.length[before[0]]
                leave = share * length if changed else length
            at = before
        return origin, steps[::-1]


def _joined(legs: Sequence[Sequence[Step]]) -> list[Step]:
    """Legs put together: a lane that goes on after a point is one step."""
    steps: list[Step] = []
    for leg in legs:
        first, rest = leg[0], leg[1:]
        if steps and steps[-1].lane == first.lane:
            last = steps.pop()
            first = Step(last.lane, last.start, max(last.stop, first.stop), last.changed)
        steps += [first, *rest]
    return steps
