"""Speed limits of lanes.

The last sign that traffic has passed wins, then what a lane itself says, then the road's type.
That is how CARLA's vehicles learn their limit, and its towns need it: their streets carry the
editor's placeholder of 55 mph while the signs say 30 km/h. Signs stand in the file as signals 274
or as objects named "Speed_30" (km/h). A sign holds from its lane on (from the next lane if it
stands in the second half) along the successors until another sign; of two that reach a lane, the
nearer.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence

import numpy as np

from drivelab.maps.opendrive.table_build import SPEED_SIGN, sign_limit
from drivelab.maps.opendrive.tables import Furniture, RoadNetwork

_NAMED_SIGN = re.compile(r"sp+e+d_?(?:limit)?_?(\d+)", re.IGNORECASE)  # "Sppedlimit40" exists


def speed_limits(
    network: RoadNetwork,
    furniture: Furniture,
    successors: Mapping[int, Sequence[int]],
    lengths: Mapping[int, float],
) -> dict[int, float | None]:
    """Limit of each lane with traffic [m/s], by row of the lane table; None where none is known."""
    rows = np.array(sorted(successors), np.int64)
    start = network.sections.s[network.lane_section[rows]]
    own = furniture.lane_speed.find(rows, start)
    by_type = furniture.road_speed.find(network.lane_road[rows], start)
    signed = _spread(_signs(network, furniture, successors), successors, lengths)
    found: dict[int, float | None] = {}
    for k, row in enumerate(rows.tolist()):
        choices = [
            signed.get(row, np.nan),
            furniture.lane_speed.values[own[k], 0] if own[k] >= 0 else np.nan,
            furniture.road_speed.values[by_type[k], 0] if by_type[k] >= 0 else np.nan,
        ]
        found[row] = next((float(c) for c in choices if np.isfinite(c)), None)
    return _inherited(found, successors)


def _signs(
    network: RoadNetwork, furniture: Furniture, successors: Mapping[int, Sequence[int]]
) -> list[tuple[int, float, float]]:
    """Signs as (row of the lane, share of the lane before the sign, limit [m/s])."""
    places = [
        (signal.road, signal.s, signal.t, sign_limit(signal))
        for signal in furniture.signals
        if signal.type == SPEED_SIGN and not signal.reference
    ]
    for thing in furniture.objects:
        match = _NAMED_SIGN.match(thing.name)
        if match:
            places.append((thing.road, thing.s, thing.t, float(match[1]) / 3.6))
    found = []
    for road, s, t, limit in places:
        if not np.isfinite(limit):
            continue
        section = int(network.sections.find(np.array([road]), np.array([s]))[0])
        low, high = np.searchsorted(network.lane_section, [section, section + 1]).tolist()
        driven = [row for row in range(low, high) if row in successors]
        beside = [row for row in driven if (network.lane_id[row] > 0) == (t > 0.0)]
        begin, end = network.sections.s[section], network.section_end[section]
        share = (s - begin) / max(end - begin, 1e-9)
        for row in beside or driven:  # a sign on the far side of a one-way road
            found.append((row, share if network.forward[row] else 1.0 - share, limit))
    return found


def _spread(
    signs: Sequence[tuple[int, float, float]],
    successors: Mapping[int, Sequence[int]],
    lengths: Mapping[int, float],
) -> dict[int, float]:
    """Carry limits along the traffic, nearest sign first, until every reachable lane has one."""
    queue: list[tuple[float, int, float]] = []
    found: dict[int, float] = {}
    for row, share, limit in sorted(signs, key=lambda sign: sign[:2]):
        if share < 0.5:
            found[row] = limit  # the last of several signs in a lane
        ahead = lengths[row] * (1.0 - share)
        queue += [(ahead, follower, limit) for follower in successors[row]]
    heapq.heapify(queue)
    while queue:
        distance, row, limit = heapq.heappop(queue)
        if row in found:
            continue
        found[row] = limit
        for follower in successors[row]:
            if follower not in found:
                heapq.heappush(queue, (distance + lengths[row], follower, limit))
    return found


def _inherited(
    limits: dict[int, float | None], successors: Mapping[int, Sequence[int]]
) -> dict[int, float | None]:
    """Lanes of junctions often have no limit of their own: they take it from the lane before."""
    queue = [row for row, limit in limits.items() if limit is not None]
    for row in queue:  # grows while it is read
        for follower in successors[row]:
            if limits.get(follower) is None and follower in limits:
                limits[follower] = limits[row]
                queue.append(follower)
    return limits
