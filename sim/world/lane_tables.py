"""The lanes of a map as arrays: vertices, links, speeds, conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from jaxtyping import Float, Int

from drivelab.kernels.world.lanes import (
    conflict_pieces,
    lane_speeds,
    lane_steps,
    lane_vertices,
)
from drivelab.types import Lane, LaneMap

DEFAULT_LIMIT = 15.0  # where a map knows no speed limit [m/s], as nuPlan's planners assume
LATERAL, BRAKING = 2.2, 1.6  # how bends are driven and approached [m/s^2]
WIDTH = 3.5  # of lanes without an area [m]
NARROWEST, WIDEST = 1.0, 8.0  # what the mean width of a lane is held to [m]
CLEARANCE = 0.6  # lanes conflict where their strips overlap by more than this [m]
STRAIGHT_ON = 0.6  # heading change below which a way through is neither left nor right [rad]
SIDE, ONCOMING = np.radians(45.0), np.radians(135.0)  # directions of who comes from right or ahead


def lane_arrays(
    lane_map: LaneMap, numbers: Mapping[str, int], origin: Float[np.ndarray, "2"]
) -> dict[str, np.ndarray]:
    """The fields of `Roads` from lane_first to lane_connector, the links and the vertices."""
    lanes = list(lane_map.lanes.values())
    first = np.cumsum([0, *(len(lane.centreline) for lane in lanes)])
    points = np.concatenate([np.zeros((0, 3)), *(lane.centreline for lane in lanes)])
    points[:, :2] -= origin
    length, pieces = lane_steps(points, first)
    start, x, y, yaw = lane_vertices(points, first, length, pieces)
    step = length / pieces
    area = shapely.area(np.array([lane.polygon for lane in lanes], object))
    width = np.where(area > 0.0, np.clip(area / length, NARROWEST, WIDEST), WIDTH)
    limit = np.array([lane.speed_limit or DEFAULT_LIMIT for lane in lanes], float)
    successor_first, successor = _links([lane.successors for lane in lanes], numbers)
    predecessor_first, predecessor = _links([lane.predecessors for lane in lanes], numbers)
    return {
        "lane_first": start,
        "lane_step": step,
        "lane_length": length,
        "lane_width": width,
        "lane_limit": limit,
        "lane_left": _neighbours([lane.left for lane in lanes], numbers),
        "lane_right": _neighbours([lane.right for lane in lanes], numbers),
        "lane_connector": np.array([lane.connector for lane in lanes], bool),
        "successor_first": successor_first,
        "successor": successor,
        "predecessor_first": predecessor_first,
        "predecessor": predecessor,
        "x": x,
        "y": y,
        "yaw": yaw,
        "speed": lane_speeds(start, step, yaw, limit, successor_first, successor, LATERAL, BRAKING),
    }


def _links(
    linked: Sequence[Sequence[str]], numbers: Mapping[str, int]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " k"]]:
    """Links as (first, item); lanes that the map does not hold are left out."""
    known = [[numbers[name] for name in names if name in numbers] for names in linked]
    first = np.cumsum([0, *(len(row) for row in known)])
    return first.astype(np.int32), np.array([n for row in known for n in row], np.int32)


def _neighbours(names: Sequence[str | None], numbers: Mapping[str, int]) -> Int[np.ndarray, " n"]:
    return np.array([-1 if name is None else numbers.get(name, -1) for name in names], np.int32)


def conflict_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The conflict fields of `Roads` but their ranks: where strips of two lanes overlap.

    Connectors count, and lanes that share a successor. Left out are pairs that begin at the same
    lane, pairs of which one follows the other, and neighbours.
    """
    members = _candidates(arrays)
    start = arrays["lane_first"]
    half = arrays["lane_width"] / 2
    pairs = members[_meeting(arrays, members)].reshape(-1, 2)
    pairs = pairs[[_may_conflict(arrays, int(a), int(b)) for a, b in pairs]].reshape(-1, 2)
    apart = half[pairs[:, 0]] + half[pairs[:, 1]] - CLEARANCE
    pieces = conflict_pieces(pairs, start, arrays["lane_step"], arrays["x"], arrays["y"], apart)
    meet = ~np.isnan(pieces[:, 0])
    pairs, pieces = pairs[meet], pieces[meet]
    mine = np.concatenate([pairs[:, 0], pairs[:, 1]])
    other = np.concatenate([pairs[:, 1], pairs[:, 0]])
    spans = np.concatenate([pieces, pieces[:, [2, 3, 0, 1]]])
    order = np.lexsort((other, spans[:, 0], mine))
    mine, other, spans = mine[order], other[order], spans[order]
    return {
        "conflict_first": np.searchsorted(mine, np.arange(len(half) + 1)).astype(np.int32),
        "conflict_lane": other.astype(np.int32),
        "conflict_in": np.ascontiguousarray(spans[:, 0]),
        "conflict_out": np.ascontiguousarray(spans[:, 1]),
        "conflict_other_in": np.ascontiguousarray(spans[:, 2]),
        "conflict_other_out": np.ascontiguousarray(spans[:, 3]),
    }


def _meeting(
    arrays: Mapping[str, np.ndarray], members: Int[np.ndarray, " k"]
) -> Int[np.ndarray, "p 2"]:
    """Pairs of places in `members` of lanes whose bounding boxes, widened by the lanes, meet."""
    if not len(members):
        return np.zeros((0, 2), int)
    start, half = arrays["lane_first"][:-1], arrays["lane_width"][members] / 2
    x, y = arrays["x"], arrays["y"]
    boxes = shapely.box(
        np.minimum.reduceat(x, start)[members] - half,
        np.minimum.reduceat(y, start)[members] - half,
        np.maximum.reduceat(x, start)[members] + half,
        np.maximum.reduceat(y, start)[members] + half,
    )
    pairs = shapely.STRtree(boxes).query(boxes, predicate="intersects").T
    return pairs[pairs[:, 0] < pairs[:, 1]]


def _candidates(arrays: Mapping[str, np.ndarray]) -> Int[np.ndarray, " k"]:
    merging = arrays["lane_connector"].copy()
    first, predecessor = arrays["predecessor_first"], arrays["predecessor"]
    for lane in np.flatnonzero(np.diff(first) > 1):
        merging[predecessor[first[lane] : first[lane + 1]]] = True
    return np.flatnonzero(merging)


def _may_conflict(arrays: Mapping[str, np.ndarray], a: int, b: int) -> bool:
    def row(name: str, lane: int) -> set[int]:
        first = arrays[f"{name}_first"]
        return set(arrays[name][first[lane] : first[lane + 1]].tolist())

    after_a, after_b = row("successor", a), row("successor", b)
    before = row("predecessor", a) & row("predecessor", b)
    return not (before or b in after_a or a in after_b)


def conflict_ranks(
    arrays: Mapping[str, np.ndarray],
    control: Int[np.ndarray, " L"],
    signalled: np.ndarray,
) -> Int[np.ndarray, " c"]:
    """1 where the lane waits for the other one, -1 the other way round, 0 where none has priority.

    In this order: who comes from a stop or yield sign waits for who does not; left turns and
    U-turns wait for oncoming traffic; without signs and signals the one from the right goes first.
    `control` is the sign that each lane obeys at its start, `signalled` whether it has a signal.
    """
    first, yaw = arrays["lane_first"], arrays["yaw"]
    mine = np.repeat(np.arange(len(first) - 1), np.diff(arrays["conflict_first"]))
    other = arrays["conflict_lane"]
    begin, turn = yaw[first[:-1]], yaw[first[1:] - 1] - yaw[first[:-1]]
    across = np.arctan2(
        np.sin(begin[other] - begin[mine]), np.cos(begin[other] - begin[mine])
    )  # the other's direction as I see it
    minor_mine, minor_other = control[mine] > 0, control[other] > 0
    oncoming = np.abs(across) > ONCOMING
    left_mine, left_other = turn[mine] > STRAIGHT_ON, turn[other] > STRAIGHT_ON
    from_right, from_left = (across > SIDE) & ~oncoming, (across < -SIDE) & ~oncoming
    waits = np.zeros(len(other), np.int8)
    settled = minor_mine != minor_other
    waits[settled] = np.where(minor_mine, 1, -1)[settled]
    turning = ~settled & oncoming & (left_mine != left_other)
    waits[turning] = np.where(left_mine, 1, -1)[turning]
    free = ~settled & ~turning & ~minor_mine & ~signalled[mine] & ~signalled[other]
    waits[free & from_right] = 1
    waits[free & from_left] = -1
    return waits


def sign_before(
    arrays: Mapping[str, np.ndarray], at_end: Int[np.ndarray, " L"]
) -> Int[np.ndarray, " L"]:
    """The sign that a lane obeys before it is entered: that at the end of its predecessors."""
    out = np.zeros_like(at_end)
    lane = np.repeat(np.arange(len(at_end)), np.diff(arrays["predecessor_first"]))
    np.maximum.at(out, lane, at_end[arrays["predecessor"]])
    return out


def lane_numbers(lanes: Mapping[str, Lane]) -> dict[str, int]:
    """Number of each lane: its place in the map."""
    return {name: number for number, name in enumerate(lanes)}
