"""Links, junctions, lights and signs of a lane map on their way into an OpenDRIVE file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from drivelab.maps.opendrive.write_roads import WrittenRoad
from drivelab.types.lane_map import Lane, LaneMap

_LIGHT, _STOP, _YIELD = "1000001", "206", "205"
_Element = ElementTree.Element
_sub = ElementTree.SubElement


class Ways:
    """Links between roads, and the junctions they lead through."""

    def __init__(self, roads: Sequence[WrittenRoad], road_of: Mapping[str, WrittenRoad]) -> None:
        self.road_of = road_of
        self.junction_after: dict[int, int] = {}
        self._spare = max((road.junction for road in roads), default=-1) + 1
        self._spare = max(self._spare, len(roads))
        self.connections: dict[int, list[tuple[WrittenRoad, WrittenRoad]]] = defaultdict(list)
        self.junctions: dict[int, None] = dict.fromkeys(
            road.junction for road in roads if road.junction >= 0
        )
        for road in roads:
            self._sort(road)

    def _after(self, lane: Lane) -> list[str]:
        return [name for name in lane.successors if name in self.road_of]

    def _next(self, road: WrittenRoad) -> list[WrittenRoad]:
        found = {
            self.road_of[name].number: self.road_of[name]
            for lane in road.lanes
            for name in self._after(lane)
        }
        return list(found.values())

    def _sort(self, road: WrittenRoad) -> None:
        """Decide whether a road ends in a junction."""
        after = self._next(road)
        forked = len(after) > 1 or any(len(self._after(lane)) > 1 for lane in road.lanes)
        entered = [other.junction for other in after if other.junction >= 0]
        if not after or not (forked or (entered and road.junction < 0)):
            return
        if entered:
            junction = entered[0]
        else:  # a fork without connectors
            junction = self._spare
            self._spare += 1
        self.junctions[junction] = None
        self.junction_after[road.number] = junction
        self.connections[junction] += [(road, other) for other in after]

    def link(self, element: _Element, road: WrittenRoad) -> None:
        """The road's own links."""
        link = _sub(element, "link")
        before = {
            self.road_of[name].number
            for lane in road.lanes
            for name in lane.predecessors
            if name in self.road_of
        }
        if len(before) == 1:
            number = before.pop()
            _sub(link, "predecessor", elementType="road", elementId=str(number), contactPoint="end")
        if road.number in self.junction_after:
            junction = str(self.junction_after[road.number])
            _sub(link, "successor", elementType="junction", elementId=junction)
            return
        for after in self._next(road):
            number_after = str(after.number)
            _sub(
                link, "successor", elementType="road", elementId=number_after, contactPoint="start"
            )

    def link_lane(self, element: _Element, road: WrittenRoad, lane: Lane) -> None:
        """A lane's links, where its road's links lead to a road."""
        link = _sub(element, "link")
        before = [name for name in lane.predecessors if name in self.road_of]
        if len(before) == 1:
            _sub(link, "predecessor", id=str(self.road_of[before[0]].ids[before[0]]))
        if road.number not in self.junction_after:
            for name in self._after(lane):
                _sub(link, "successor", id=str(self.road_of[name].ids[name]))

    def write_junctions(self, root: _Element, signals: Signals) -> None:
        """Junctions with their connections."""
        for junction in self.junctions:
            element = _sub(root, "junction", id=str(junction), name=f"junction {junction}")
            for number, (road, other) in enumerate(self.connections[junction]):
                entry = _sub(
                    element,
                    "connection",
                    id=str(number),
                    incomingRoad=str(road.number),
                    connectingRoad=str(other.number),
                    contactPoint="start",
                )
                for lane in road.lanes:
                    for name in self._after(lane):
                        if self.road_of[name] is other:
                            start, to = str(road.ids[lane.id]), str(other.ids[name])
                            _sub(entry, "laneLink", {"from": start, "to": to})
            for controller in signals.controllers_of(junction):
                _sub(element, "controller", id=controller, type="")


class Signals:
    """Lights and signs: one signal a group or sign, beside the first lane that it governs."""

    def __init__(self, lane_map: LaneMap, road_of: Mapping[str, WrittenRoad], ways: Ways) -> None:
        self.rows: dict[int, list[tuple[str, str, int, bool]]] = defaultdict(list)
        self.controllers: dict[str, tuple[str, int]] = {}  # signal and junction by controller
        control = lane_map.control
        lit = {name for lanes in control.signal_groups.values() for name in lanes}
        groups = list(control.signal_groups.values())
        alone = [
            lane.id
            for lane in lane_map.lanes.values()
            if lane.has_traffic_lights and lane.connector and lane.id not in lit
        ]
        named = [(_LIGHT, lanes) for lanes in groups]
        named += [(_LIGHT, (name,)) for name in alone]
        named += [(_STOP, (name,)) for name in control.stop_signs]
        named += [(_YIELD, (name,)) for name in control.yield_signs]
        taken = len(set(map(id, road_of.values()))) + len(ways.junctions)
        for k, (kind, lanes) in enumerate(named):
            signal = str(taken + k)
            first = True
            for name in lanes:
                road = road_of.get(name)
                if road is None:
                    continue
                self.rows[road.number].append((signal, kind, road.ids[name], first))
                if first and kind == _LIGHT and name not in alone:
                    self.controllers[str(taken + len(named) + k)] = (signal, road.junction)
                first = False

    def write(self, element: _Element, road: WrittenRoad) -> None:
        """Signals and references of a road, each valid for one lane."""
        if road.number not in self.rows:
            return
        signals = _sub(element, "signals")
        for signal, kind, lane, first in self.rows[road.number]:
            place = {"id": signal, "s": "0", "t": "0", "orientation": "+"}
            if first:
                about = {"name": "", "dynamic": "yes" if kind == _LIGHT else "no", "zOffset": "0"}
                entry = _sub(signals, "signal", {**place, **about, "type": kind, "subtype": "-1"})
            else:
                entry = _sub(signals, "signalReference", place)
            _sub(entry, "validity", fromLane=str(lane), toLane=str(lane))

    def write_controllers(self, root: _Element) -> None:
        """One controller a signal group."""
        for name, (signal, _) in self.controllers.items():
            entry = _sub(root, "controller", id=name, name=f"group {name}", sequence="0")
            _sub(entry, "control", signalId=signal, type="")

    def controllers_of(self, junction: int) -> list[str]:
        """Controllers of the lights in a junction."""
        return [name for name, (_, where) in self.controllers.items() if where == junction]
