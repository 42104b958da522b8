"""Which lane a vehicle drives in, by nuPlan's rules: continuity first, then where it ends up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from drivelab.metrics.closed_loop.road import Road
from drivelab.types import LaneMap

Lanes = tuple[str, ...]  # one lane, or the connectors that may be meant


def driven_lanes(road: Road, masks: UInt8[np.ndarray, "t p"]) -> list[Lanes]:
    """Lanes or connectors of the box centre at each step; empty where it is in none.

    A vehicle stays in the lanes it was in while they hold it, then goes to followers of its only
    lane, and only then is the map asked again: a lane if there is one, else all connectors.
    Connectors that are still ambiguous are then decided backwards, by those that remain next or
    that lead into the lane driven next.
    """
    path: list[Lanes] = []
    current: Lanes = ()
    for under in road.lanes_of_center(masks):
        held = tuple(name for name in current if name in under)
        if not held and len(current) == 1:
            followers = road.map.lanes[current[0]].successors
            held = tuple(name for name in followers if name in under)
        current = held or _fresh(road.map, under)
        path.append(current)
    return _decided(road.map, path)


def _fresh(lane_map: LaneMap, under: Lanes) -> Lanes:
    """Lanes before connectors. In nuPlan's maps lanes do not overlap; elsewhere all are meant."""
    return tuple(name for name in under if not lane_map.lanes[name].connector) or under


def _decided(lane_map: LaneMap, path: list[Lanes]) -> list[Lanes]:
    decided = list(path)
    for step in range(len(path) - 2, -1, -1):
        here, following = decided[step], decided[step + 1]
        if len(here) <= 1 or not following:
            continue
        leading: Lanes = ()
        if not lane_map.lanes[following[0]].connector:
            entry = lane_map.lanes[following[0]].predecessors
            leading = tuple(name for name in here if name in entry)
        if not leading and set(following) <= set(here):
            leading = following
        decided[step] = leading or here
    return decided


def in_one_course(road: Road, masks: UInt8[np.ndarray, "t p"]) -> Bool[np.ndarray, " t"]:
    """Whether all corners stand in one lane or connector, or in ones that follow each other.

    False where any corner is in none: nuPlan's "in multiple lanes or non-drivable area" is the
    opposite of this.
    """
    out = road.one_lane_holds_all(masks)
    known: dict[tuple[frozenset[str], ...], bool] = {}
    for step in np.flatnonzero(~out):
        corners = tuple(road.lanes_of_corners(masks[step]))
        if corners not in known:
            known[corners] = _connected(road.map, corners)
        out[step] = known[corners]
    return out


def _connected(lane_map: LaneMap, corners: Sequence[frozenset[str]]) -> bool:
    front_left, rear_left, rear_right, front_right = corners
    if not all(corners):
        return False
    left_on = rear_left | _neighbours(lane_map, rear_left, "successors")
    right_on = rear_right | _neighbours(lane_map, rear_right, "successors")
    if not (rear_left & right_on or rear_right & left_on):
        return False
    left_back = front_left | _neighbours(lane_map, front_left, "predecessors")
    right_back = front_right | _neighbours(lane_map, front_right, "predecessors")
    return bool(left_back & right_on & right_back & left_on)


def _neighbours(lane_map: LaneMap, names: frozenset[str], side: str) -> frozenset[str]:
    return frozenset(other for name in names for other in getattr(lane_map.lanes[name], side))
