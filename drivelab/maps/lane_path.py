"""From a route of blocks to the centreline an ego follows: starting lane, lane path, vertices.

Rules of the PDM-Closed planner (arXiv 2306.07962) as NAVSIM runs it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import wrap_angle
from drivelab.types.lane_map import LaneMap

SEARCH_BLOCKS = 30  # how far along the route the goal lies


def starting_lane(
    lane_map: LaneMap,
    route_lanes: Sequence[str],
    nearby: Collection[str],
    pose: Float[np.ndarray, "3"],
    center: Float[np.ndarray, "2"],
    box: shapely.Polygon,
) -> str:
    """The route lane the ego is on.

    Among the `nearby` route lanes under the rear axle `pose` the one of best heading; else the
    first under the box `center`; else the lane nearest to the ego `box`.
    """
    lanes = [lane_map.lanes[name] for name in route_lanes]
    polygons = np.array([lane.polygon for lane in lanes], object)
    under = shapely.intersects_xy(polygons, pose[0], pose[1])
    candidates = [lane for lane, hit in zip(lanes, under, strict=True) if hit and lane.id in nearby]
    if candidates:
        order = {name: rank for rank, name in enumerate(nearby)}
        candidates.sort(key=lambda lane: order[lane.id])
        return min(candidates, key=lambda lane: _heading_error(lane.centreline, pose)).id
    for lane, hit in zip(
        lanes, shapely.contains_xy(polygons, center[0], center[1]), strict=True
    ):
        if hit:
            return lane.id
    return lanes[int(np.argmin(shapely.distance(polygons, box)))].id


def _heading_error(line: Float[np.ndarray, "n 3"], pose: Float[np.ndarray, "3"]) -> float:
    nearest = int(np.argmin(np.hypot(line[:, 0] - pose[0], line[:, 1] - pose[1])))
    return float(abs(wrap_angle(line[nearest, 2] - pose[2])))


def lane_path(
    lane_map: LaneMap, start: str, allowed: Collection[str], goals: Collection[str]
) -> list[str]:
    """Cheapest path of lanes (cost = centreline length) from `start` to any goal lane.

    When no goal can be reached: of the expanded lanes those most lanes away from the start, of
    these the cheapest.
    """
    wanted, known = set(goals), set(allowed)
    cost = {start: _length(lane_map, start)}
    parent: dict[str, str | None] = {start: None}
    depth = {start: 1}
    queue = [(cost[start], 0, start)]
    done: set[str] = set()
    pushed = 0
    while queue:
        spent, _, lane = heapq.heappop(queue)
        if lane in done:
            continue
        done.add(lane)
        if lane in wanted:
            return _trace(lane, parent)
        for following in lane_map.lanes[lane].successors:
            if following not in known:
                continue
            total = spent + _length(lane_map, following)
            if following not in cost or total < cost[following]:
                cost[following], parent[following] = total, lane
                depth[following] = depth[lane] + 1
                pushed += 1
                heapq.heappush(queue, (total, pushed, following))
    deepest = max(depth[lane] for lane in done)
    last = min((lane for lane in parent if depth[lane] == deepest), key=lambda lane: cost[lane])
    return _trace(last, parent)


def _trace(lane: str, parent: dict[str, str | None]) -> list[str]:
    path: list[str] = []
    step: str | None = lane
    while step is not None:
        path.append(step)
        step = parent[step]
    return path[::-1]


def _length(lane_map: LaneMap, lane: str) -> float:
    return float(arc_lengths(lane_map.lanes[lane].centreline)[-1])


def route_centreline(
    lane_map: LaneMap, route: Sequence[str], start: str, allowed: Collection[str]
) -> Float[np.ndarray, "n 3"]:
    """Vertices (x, y, heading) of the lane path from `start`; joints occur twice."""
    block = lane_map.lanes[start].block
    first = route.index(block) if block in route else 0
    target = route[first : first + SEARCH_BLOCKS][-1]
    path = lane_path(lane_map, start, allowed, lane_map.blocks[target].lanes)
    return np.concatenate([lane_map.lanes[lane].centreline for lane in path])
