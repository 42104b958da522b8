"""Blocks on their way into an OpenDRIVE file: fitted reference lines and widths."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.geometry.polyline import arc_lengths
from drivelab.maps.opendrive.curve_fit import Piece, fit_line, offsets_along, trace
from drivelab.types.lane_map import Lane, LaneMap

_GAP = 0.1  # neighbouring lanes farther apart get a lane without traffic between them [m]
_HALF_WIDTH = 1.75  # of lanes without boundaries [m]
_STATION = 1.0  # spacing at which widths are measured [m]


@dataclass(frozen=True, slots=True, eq=False)
class WrittenRoad:
    """A block on its way into the file; `ids` are the lane numbers it gives its lanes."""

    number: int
    lanes: tuple[Lane, ...]
    pieces: list[Piece]
    s: Float[np.ndarray, " k"]
    left_edge: Float[np.ndarray, " k"]
    strips: tuple[tuple[Lane | None, Float[np.ndarray, " k"]], ...]  # widths; None: no traffic
    junction: int

    @property
    def ids(self) -> dict[str, int]:
        """OpenDRIVE lane ids of the road's lanes."""
        return {lane.id: -k - 1 for k, (lane, _) in enumerate(self.strips) if lane is not None}

    @property
    def length(self) -> float:
        """Length of the reference line [m]."""
        return self.pieces[-1].s + self.pieces[-1].length


def written_roads(lane_map: LaneMap) -> list[WrittenRoad]:
    """Roads for all blocks, and for lanes without a block, numbered from 0; junctions follow.

    Raises:
        DataError: the map has no lanes, or a centreline has no length.
    """
    groups = [
        tuple(lane_map.lanes[name] for name in block.lanes) for block in lane_map.blocks.values()
    ]
    grouped = {lane.id for group in groups for lane in group}
    groups += [(lane,) for lane in lane_map.lanes.values() if lane.id not in grouped]
    groups = [group for group in groups if group]
    if not groups:
        raise DataError("has no lanes to write", where=f"map {lane_map.name}")
    places = [_place(lane_map.name, part) for group in groups for part in _apart(group)]
    junctions: dict[str, int] = {}
    roads = []
    for number, (lanes, pieces) in enumerate(places):
        junction = -1
        if lanes[0].connector:
            block = lane_map.blocks.get(lanes[0].block)
            name = (block.intersection if block is not None else None) or f"of {lanes[0].block}"
            junction = junctions.setdefault(name, len(places) + len(junctions))
        roads.append(_road(number, lanes, pieces, junction))
    return roads


def _apart(lanes: tuple[Lane, ...]) -> list[tuple[Lane, ...]]:
    """Cut a block where a lane lies on its neighbour, as ending lanes do: no road can hold both."""
    parts = [[lanes[0]]]
    for lane, other in pairwise(lanes):
        shared = float(shapely.area(shapely.intersection(lane.polygon, other.polygon)))
        length = float(arc_lengths(lane.centreline)[-1])
        if shared > _GAP * length:
            parts.append([other])
        else:
            parts[-1].append(other)
    return [tuple(part) for part in parts]


def _place(name: str, lanes: tuple[Lane, ...]) -> tuple[tuple[Lane, ...], list[Piece]]:
    for lane in lanes:
        if len(lane.centreline) < 2 or np.ptp(lane.centreline[:, :2], axis=0).max() < 1e-3:
            raise DataError(
                "its centreline has no length; expected two or more points",
                where=f"map {name}, lane {lane.id}",
            )
    return lanes, fit_line(lanes[0].centreline)


def _road(number: int, lanes: tuple[Lane, ...], pieces: list[Piece], junction: int) -> WrittenRoad:
    line, along = trace(pieces)
    s = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / _STATION)) + 1))
    edges = [[offsets_along(line, along, edge, s) for edge in _boundaries(lane)] for lane in lanes]
    strips: list[tuple[Lane | None, np.ndarray]] = []
    for k, lane in enumerate(lanes):
        left, right = edges[k]
        gap = right - edges[k + 1][0] if k + 1 < len(lanes) else np.zeros_like(s)
        if gap.max() <= _GAP and k + 1 < len(lanes):
            right = edges[k + 1][0] = (right + edges[k + 1][0]) / 2
        strips.append((lane, np.maximum(left - right, 0.0)))
        if gap.max() > _GAP:
            strips.append((None, np.maximum(gap, 0.0)))
            edges[k + 1][0] = right - strips[-1][1]
    return WrittenRoad(number, lanes, pieces, s, edges[0][0], tuple(strips), junction)


def _boundaries(lane: Lane) -> tuple[np.ndarray, np.ndarray]:
    left, right = lane.left_boundary, lane.right_boundary
    if left is not None and right is not None and len(left) > 1 and len(right) > 1:
        return left[:, :2], right[:, :2]
    normal = np.column_stack([-np.sin(lane.centreline[:, 2]), np.cos(lane.centreline[:, 2])])
    middle = lane.centreline[:, :2]
    return middle + _HALF_WIDTH * normal, middle - _HALF_WIDTH * normal
