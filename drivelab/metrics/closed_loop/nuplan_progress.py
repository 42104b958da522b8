"""Progress along the blocks that the expert drove through, by nuPlan's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Bool, Float

from drivelab.geometry.polyline import arc_lengths
from drivelab.metrics.closed_loop.nuplan_lanes import Lanes
from drivelab.metrics.closed_loop.road import along
from drivelab.types import LaneMap

NEGLIGIBLE = 2.0  # progress below which two drivers count as equal [m]


@dataclass(frozen=True, slots=True, eq=False)
class ExpertRoute:
    """Polygons of the expert's blocks in order, and in each the centreline that it followed."""

    blocks: tuple[shapely.Geometry, ...]
    lines: tuple[Float[np.ndarray, "_ 2"], ...]  # map frame

    def __len__(self) -> int:
        return len(self.blocks)


def expert_route(lane_map: LaneMap, path: Sequence[Lanes]) -> ExpertRoute:
    """Blocks of the lanes that the expert drove in, without repetition."""
    blocks: list[shapely.Geometry] = []
    lines: list[Float[np.ndarray, "_ 2"]] = []
    last = None
    for lanes in path:
        if not lanes:
            continue
        lane = lane_map.lanes[lanes[0]]
        name = lane.block or lane.id
        if name == last:
            continue
        last = name
        block = lane_map.blocks.get(lane.block)
        blocks.append(lane.polygon if block is None else block.polygon)
        lines.append(lane.centreline[:, :2])
    return ExpertRoute(tuple(blocks), tuple(lines))


def progress_along(route: ExpertRoute, centers: Float[np.ndarray, "t 2"]) -> float:
    """Signed distance driven along the route's centrelines [m]; `centers` in the map frame.

    Steps outside the present block count nothing, unless a later block of the route holds them:
    then what was left of the present one, all blocks skipped, and the way into that one count.
    """
    arcs = np.stack([along(line, centers)[0] for line in route.lines])
    inside = np.stack([shapely.contains_xy(block, *centers.T) for block in route.blocks])
    ends = np.array([arc_lengths(line)[-1] for line in route.lines])
    block, last, total = 0, float(arcs[0, 0]), 0.0
    for step in range(1, len(centers)):
        if not inside[block, step]:
            entered = _next_block(inside, block, step)
            if entered is None:
                continue
            total += float(ends[block]) - last + _skipped(route, block, entered)
            before = along(route.lines[entered], route.lines[block][-1:])[0][0]
            block, last = entered, float(before)
        total += float(arcs[block, step]) - last
        last = float(arcs[block, step])
    return total


def _next_block(inside: Bool[np.ndarray, "b t"], block: int, step: int) -> int | None:
    ahead = np.flatnonzero(inside[block + 1 :, step])
    return None if not len(ahead) else block + 1 + int(ahead[0])


def _skipped(route: ExpertRoute, block: int, entered: int) -> float:
    """Length of the blocks between, each from the end of the one before to the next one's start."""
    total = 0.0
    for k in range(block + 1, entered):
        ends = np.stack([route.lines[k - 1][-1], route.lines[k + 1][0]])
        first, last = along(route.lines[k], ends)[0]
        total += float(last - first)
    return total


def progress_ratio(ego: float, expert: float) -> float:
    """Share of the expert's progress, in [0, 1]; 0 for driving back more than 2 m."""
    if ego < -NEGLIGIBLE:
        return 0.0
    return min(1.0, max(ego, NEGLIGIBLE) / max(expert, NEGLIGIBLE))
