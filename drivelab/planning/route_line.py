"""From a route of blocks to the centreline an ego follows: starting lane, lane path, vertices.

Rules of the PDM-Closed planner (arXiv 2306.07962) as NAVSIM runs it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle
from drivelab.planning.centreline import concatenate, lane_path
from drivelab.types.lane_map import LaneMap

SEARCH_BLOCKS = 30  # how far along the route the goal lies


def starting_lane(
    lane_map: LaneMap,
    route_lanes: Sequence[str],
    nearby: Sequence[str],
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
    under = set(np.array(route_lanes)[shapely.intersects_xy(polygons, pose[0], pose[1])])
    candidates = [lane_map.lanes[name] for name in nearby if name in under]
    if candidates:
        return min(candidates, key=lambda lane: _heading_error(lane.centreline, pose)).id
    for lane, hit in zip(lanes, shapely.contains_xy(polygons, center[0], center[1]), strict=True):
        if hit:
            return lane.id
    return lanes[int(np.argmin(shapely.distance(polygons, box)))].id


def _heading_error(line: Float[np.ndarray, "n 3"], pose: Float[np.ndarray, "3"]) -> float:
    nearest = int(np.argmin(np.hypot(line[:, 0] - pose[0], line[:, 1] - pose[1])))
    return float(abs(wrap_angle(line[nearest, 2] - pose[2])))


def route_centreline(
    lane_map: LaneMap, route: Sequence[str], start: str, allowed: Collection[str]
) -> Float[np.ndarray, "n 3"]:
    """Vertices (x, y, heading) of the lane path from `start`; joints occur twice."""
    block = lane_map.lanes[start].block
    first = route.index(block) if block in route else 0
    target = route[first : first + SEARCH_BLOCKS][-1]
    goals = lane_map.blocks[target].lanes
    path = lane_path(lane_map, start, allowed=set(allowed), goals=set(goals))
    return concatenate(lane_map, path.lanes)
