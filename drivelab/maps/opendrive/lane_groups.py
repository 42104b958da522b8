"""Runs of lanes that lie side by side in one direction: blocks, neighbours, lane changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from drivelab.maps.opendrive.links import CYCLED, DRIVEN
from drivelab.maps.opendrive.tables import Furniture, RoadNetwork


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Rows of the lane table from left to right as their traffic sees them: one block."""

    id: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """Neighbours of a lane in its direction (rows, None for none), and where it may change to."""

    left: int | None = None
    right: int | None = None
    change_left: bool = True
    change_right: bool = True


def lane_groups(network: RoadNetwork) -> list[LaneGroup]:
    """Lanes with traffic, cut where another kind of lane or the other direction begins."""
    section, lane_id = network.lane_section.tolist(), network.lane_id.tolist()
    forward = network.forward.tolist()
    runs: list[list[int]] = []
    for row, kind in enumerate(network.lane_type):
        if kind not in DRIVEN and kind != CYCLED:
            continue
        last = runs[-1][-1] if runs else None
        joined = (
            last is not None
            and section[last] == section[row]
            and lane_id[last] == lane_id[row] + 1
            and forward[last] == forward[row]
            and (network.lane_type[last] == CYCLED) == (kind == CYCLED)
        )
        if joined:
            runs[-1].append(row)
        else:
            runs.append([row])
    return _named(network, runs)


def _named(network: RoadNetwork, runs: Sequence[Sequence[int]]) -> list[LaneGroup]:
    """Ids ROAD/SECTION/SIDE, with .2, .3 ... for further runs of a side, outwards from the left."""
    count: dict[str, int] = defaultdict(int)
    groups = []
    for run in runs:
        first = run[0]
        section = network.lane_section[first]
        road = network.road_ids[network.sections.owner[section]]
        side = "left" if network.lane_id[first] > 0 else "right"
        name = f"{road}/{network.section_number[section]}/{side}"
        count[name] += 1
        rows = tuple(run) if network.forward[first] else tuple(reversed(run))
        number = count[name]
        groups.append(LaneGroup(name if number == 1 else f"{name}.{number}", rows))
    return groups


def neighbours(
    network: RoadNetwork, furniture: Furniture, groups: Sequence[LaneGroup]
) -> dict[int, Beside]:
    """Neighbours by row of the lane table; marks between two lanes belong to the inner one."""
    rank, lane_id = network.lane_rank, network.lane_id
    between: dict[tuple[int, int], bool] = {}
    found = {}
    for group in groups:
        for a, b in pairwise(group.rows):
            inner = a if rank[a] < rank[b] else b
            for start, stop in ((a, b), (b, a)):
                rises = lane_id[stop] > lane_id[start]
                flags = furniture.change_up if rises else furniture.change_down
                between[start, stop] = bool(flags[inner])
        for k, row in enumerate(group.rows):
            left = group.rows[k - 1] if k else None
            right = group.rows[k + 1] if k + 1 < len(group.rows) else None
            found[row] = Beside(
                left,
                right,
                left is None or between[row, left],
                right is None or between[row, right],
            )
    return found
