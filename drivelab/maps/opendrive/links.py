"""Which lane is driven after which: links inside roads, between roads and through junctions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np

from drivelab.errors import DataError
from drivelab.maps.opendrive.tables import Connection, Furniture, Link, RoadNetwork

# Lanes of these types are driven on, as in CARLA.
DRIVEN = frozenset(
    {"driving", "bidirectional", "entry", "exit", "onRamp", "offRamp", "connectingRamp"}
)
CYCLED = "biking"


def lane_successors(
    network: RoadNetwork, furniture: Furniture, file: str
) -> dict[int, tuple[int, ...]]:
    """Rows of the lane table that follow each driven or cycled lane, in its direction of traffic.

    Raises:
        DataError: a link or connection names a road, junction or lane that is not in the file.
    """
    return _Linker(network, furniture, file).all()


def reversed_links(successors: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
    """What each lane is entered from; lanes that nothing leads to have an empty list."""
    found: dict[int, list[int]] = defaultdict(list)
    for row, followers in successors.items():
        for follower in followers:
            found[follower].append(row)
    return found


class _Linker:
    """The tables a link is looked up in."""

    def __init__(self, network: RoadNetwork, furniture: Furniture, file: str) -> None:
        self._network, self._furniture, self._file = network, furniture, file
        self._roads = {name: row for row, name in enumerate(network.road_ids)}
        self._forward = network.forward.tolist()
        self._lane_id = network.lane_id.tolist()
        rows = zip(network.lane_section.tolist(), self._lane_id, strict=True)
        self._rows = {key: row for row, key in enumerate(rows)}
        sections = network.sections.owner
        count = np.arange(len(network.road_ids))
        self._first = np.searchsorted(sections, count).tolist()
        self._last = (np.searchsorted(sections, count, side="right") - 1).tolist()
        self._ways: dict[tuple[str, str], list[Connection]] = defaultdict(list)
        for connection in furniture.connections:
            self._ways[connection.junction, connection.incoming].append(connection)
        self._junctions = {connection.junction for connection in furniture.connections}
        self._junctions.update(furniture.junction_controllers)

    def all(self) -> dict[int, tuple[int, ...]]:
        """The successors of every lane that carries traffic."""
        found = {}
        types = self._network.lane_type
        sections = self._network.lane_section.tolist()
        roads = self._network.lane_road.tolist()
        for row, kind in enumerate(types):
            if kind in DRIVEN or kind == CYCLED:
                found[row] = tuple(dict.fromkeys(self._next(row, sections[row], roads[row])))
        return found

    def _next(self, row: int, section: int, road: int) -> list[int]:
        forward = self._forward[row]
        links = self._furniture.lane_successor if forward else self._furniture.lane_predecessor
        linked = int(links[row])
        last = self._last[road] if forward else self._first[road]
        if section != last:
            return self._entered(section + (1 if forward else -1), linked, road, forward=forward)
        ends = self._furniture.successors if forward else self._furniture.predecessors
        link = ends.get(road)
        if link is None:
            return []
        if link.kind == "junction":
            return self._through(link, road, row)
        if link.id not in self._roads:
            self._dangling(road, f"its link names the road {link.id!r}, which is not in the file")
        return self._into(self._roads[link.id], linked, link.contact, road)

    def _through(self, link: Link, road: int, row: int) -> list[int]:
        """All ways from a lane into a junction."""
        if link.id not in self._junctions:
            problem = f"its link names the junction {link.id!r}, which is not in the file"
            self._dangling(road, problem)
        name, lane = self._network.road_ids[road], self._lane_id[row]
        found = []
        for way in self._ways.get((link.id, name), ()):
            if way.connecting not in self._roads:
                raise DataError(
                    f"a connection names the road {way.connecting!r}, which is not in the file",
                    file=self._file,
                    where=f"junction {way.junction}, <connection>",
                )
            for start, to in way.lanes:
                if start == lane:
                    found += self._into(self._roads[way.connecting], to, way.contact, road)
        return found

    def _into(self, target: int, lane: int, contact: str, road: int) -> list[int]:
        """Enter a road at its start or end; without a contact point the lane's side says which."""
        if lane == 0:
            return []
        at_start = contact == "start"
        if contact not in ("start", "end"):
            at_start = (lane < 0) ^ bool(self._network.left_hand[target])
        section = self._first[target] if at_start else self._last[target]
        return self._entered(section, lane, road, forward=at_start)

    def _entered(self, section: int, lane: int, road: int, *, forward: bool) -> list[int]:
        if lane == 0:
            return []
        row = self._rows.get((section, lane))
        if row is None:
            owner = self._network.road_ids[self._network.sections.owner[section]]
            number = self._network.section_number[section]
            place = f"road {owner}, section {number}"
            self._dangling(road, f"a link names the lane {lane} of {place}, which has none")
        return [row] if self._forward[row] == forward else []  # lanes that meet head-on: no way

    def _dangling(self, road: int, problem: str) -> NoReturn:
        raise DataError(
            problem, file=self._file, where=f"road {self._network.road_ids[road]}, <link>"
        )
