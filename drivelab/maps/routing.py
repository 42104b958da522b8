"""Routes on the block graph: breadth-first search and NAVSIM's route correction.

The rules reproduce the route handling of the PDM-Closed planner (Dauner et al., arXiv 2306.07962)
as NAVSIM runs it, including which of several equal paths wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle
from drivelab.maps.index import Layer, nearest_object, objects_near
from drivelab.types.lane_map import Block, LaneMap

ON_LANE_ANGLE = np.pi / 4  # [rad]
ON_LANE_DISTANCE = 3.0  # [m]
BACKWARD_DEPTH = 15
FORWARD_DEPTH = 30
LOOP_OVERLAP = 1.0  # [m^2]


def block_path(
    start: str, goals: Iterable[str], neighbours: Callable[[str], Sequence[str]], depth: int
) -> list[str] | None:
    """Shortest block path by breadth-first search, level by level; None when not found.

    The official search keeps no visited set: a level holds a block as often as it is listed, the
    level is tested in that order, and the last listing parent wins. The order of first and of last
    occurrences is all that this depends on, so those two are kept instead of the repetitions.
    """
    wanted = set(goals)
    by_first = by_last = [start]
    parents: list[dict[str, str]] = []
    for _ in range(depth):
        for block in by_first:
            if block in wanted:
                return _trace(block, parents)
        by_first = list(dict.fromkeys(c for block in by_first for c in neighbours(block)))
        if not by_first:
            return None
        parent: dict[str, str] = {}
        for block in by_last:
            for child in neighbours(block):
                parent.pop(child, None)  # a later listing moves the child to the end
                parent[child] = block
        by_last = list(parent)
        parents.append(parent)
    return None


def _trace(block: str, parents: list[dict[str, str]]) -> list[str]:
    path = [block]
    for parent in reversed(parents):
        path.append(parent[path[-1]])
    return path[::-1]


def correct_route(
    lane_map: LaneMap, route: Sequence[str], pose: Float[np.ndarray, "3"]
) -> tuple[str, ...]:
    """Make the route contain the ego, close its gaps and cut it at loops.

    `pose` is the rear axle in the map frame. Blocks that the map does not know are dropped.
    """
    blocks = [block for block in dict.fromkeys(route) if block in lane_map.blocks]
    if not blocks:
        return ()
    blocks = _reach_ego(lane_map, blocks, pose)
    blocks = _close_gaps(lane_map, blocks)
    blocks = _cut_loops(lane_map, blocks)
    return tuple(dict.fromkeys(blocks))


def _blocks_at(lane_map: LaneMap, point: Float[np.ndarray, "2"]) -> list[Block]:
    names = [
        name
        for layer in (Layer.ROADBLOCK, Layer.ROADBLOCK_CONNECTOR)
        for name in objects_near(lane_map, layer, point, 1.0)
    ]
    if not names:
        nearest = (
            nearest_object(lane_map, layer, point)
            for layer in (Layer.ROADBLOCK, Layer.ROADBLOCK_CONNECTOR)
        )
        names = [found[0] for found in nearest if found is not None]
    return [lane_map.blocks[name] for name in names]


def _lane_match(lane_map: LaneMap, lane: str, pose: Float[np.ndarray, "3"]) -> tuple[float, float]:
    """Distance to the nearest centreline vertex [m] and the heading error there [rad]."""
    line = lane_map.lanes[lane].centreline
    gaps = np.hypot(line[:, 0] - pose[0], line[:, 1] - pose[1])
    nearest = int(np.argmin(gaps))
    return float(gaps[nearest]), float(abs(wrap_angle(line[nearest, 2] - pose[2])))


def _reach_ego(lane_map: LaneMap, route: list[str], pose: Float[np.ndarray, "3"]) -> list[str]:
    on: list[tuple[str, float]] = []
    off: list[tuple[str, float]] = []
    every: list[tuple[str, float]] = []
    for block in _blocks_at(lane_map, pose[:2]):
        matches = [_lane_match(lane_map, lane, pose) for lane in block.lanes]
        if not matches:
            continue
        every.append((block.id, min(distance for distance, _ in matches)))
        for distance, angle in matches:
            if angle < ON_LANE_ANGLE and distance < ON_LANE_DISTANCE:
                (on if block.id in route else off).append((block.id, distance))
    candidates = on or off or every
    if not candidates:
        return route
    start = min(candidates, key=lambda entry: entry[1])[0]
    if start in route:
        return route
    near = {block for block, _ in candidates}
    back = block_path(
        route[0], near, lambda name: _known(lane_map, name, backward=True), BACKWARD_DEPTH
    )
    if back is not None:
        return [*back[:0:-1], *route]
    ahead = block_path(start, route[:3], lambda name: _known(lane_map, name), FORWARD_DEPTH)
    if ahead is None:
        return route
    return [*ahead, *route[route.index(ahead[-1]) + 1 :]]


def _known(lane_map: LaneMap, name: str, *, backward: bool = False) -> list[str]:
    block = lane_map.blocks[name]
    linked = block.predecessors if backward else block.successors
    return [other for other in linked if other in lane_map.blocks]


def _close_gaps(lane_map: LaneMap, route: list[str]) -> list[str]:
    closed = route[:1]
    for last, block in pairwise(route):
        if last not in lane_map.blocks[block].predecessors:
            path = block_path(last, [block], lambda name: _known(lane_map, name), FORWARD_DEPTH)
            if path is not None and len(path) >= 3:
                closed += path[1:-1]
        closed.append(block)
    return closed


def _cut_loops(lane_map: LaneMap, route: list[str]) -> list[str]:
    earlier: list[shapely.Geometry] = []
    for index, name in enumerate(route):
        block = lane_map.blocks[name]
        if not block.connector:
            continue
        overlaps = (shapely.area(shapely.intersection(block.polygon, other)) for other in earlier)
        if any(area > LOOP_OVERLAP for area in overlaps):
            return route[:index]
        earlier.append(block.polygon)
    return route


def route_lanes(lane_map: LaneMap, route: Iterable[str]) -> tuple[str, ...]:
    """Lanes of all blocks of the route, in order."""
    return tuple(lane for block in route for lane in lane_map.blocks[block].lanes)
