"""Lights, stop and yield signs, stop lines: who waits where.

RoadRunner, which made CARLA's towns, puts a signal beside the road and a reference to it, valid for
single lanes, on each connecting road behind it. Signals may also name lanes of the approach
themselves: then the lanes that follow are governed. A validity of lane 0 alone names no lane.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.maps.opendrive.areas import object_corners
from drivelab.maps.opendrive.geometry import reference_poses
from drivelab.maps.opendrive.lane_poses import beside, lane_edges
from drivelab.maps.opendrive.links import reversed_links
from drivelab.maps.opendrive.tables import Furniture, RoadNetwork, Signal
from drivelab.types.lane_map import Area, AreaKind

LIGHTS = frozenset({"1000001", "1000011"})
STOP_SIGN = "206"
YIELD_SIGN = "205"
_LINE_DEPTH = 0.4  # of stop areas along the road [m]
_COVERED = 0.5  # a stop line belongs to the lanes it covers by this share of their width


@dataclass(frozen=True, slots=True)
class Governed:
    """Rows of lanes entered past a signal; groups by their id, the junction's name first."""

    groups: Mapping[str, tuple[int, ...]]
    stop: tuple[int, ...]
    give_way: tuple[int, ...]


def governed_lanes(
    network: RoadNetwork, furniture: Furniture, successors: Mapping[int, Sequence[int]]
) -> Governed:
    """Sort lights into groups that are green together, and find lanes behind signs."""
    meant = {signal.id: signal for signal in furniture.signals if not signal.reference}
    predecessors = reversed_links(successors)
    lanes: dict[str, list[int]] = defaultdict(list)
    for signal in furniture.signals:
        found = meant.get(signal.id)
        if found is not None and found.type in LIGHTS | {STOP_SIGN, YIELD_SIGN}:
            lanes[signal.id] += _governed(network, signal, successors, predecessors)
    lights = {i: rows for i, rows in lanes.items() if meant[i].type in LIGHTS and rows}
    groups = _groups(network, furniture, lights, predecessors)
    lit = {row for rows in groups.values() for row in rows}
    by_type = {
        kind: [r for i, rows in lanes.items() if meant[i].type == kind for r in rows]
        for kind in (STOP_SIGN, YIELD_SIGN)
    }
    stop = dict.fromkeys(row for row in by_type[STOP_SIGN] if row not in lit)
    give_way = dict.fromkeys(r for r in by_type[YIELD_SIGN] if r not in lit and r not in stop)
    return Governed(groups, tuple(stop), tuple(give_way))


def _governed(
    network: RoadNetwork,
    signal: Signal,
    successors: Mapping[int, Sequence[int]],
    predecessors: Mapping[int, Sequence[int]],
) -> list[int]:
    """Lanes entered past one signal or reference."""
    rows = [row for row in _signal_rows(network, signal) if row in successors]
    if not network.junctions[signal.road]:
        return [follower for row in rows for follower in successors[row]]
    entries = []
    for row in rows:
        road, entry, seen = network.lane_road[row], row, {row}
        before = [p for p in predecessors.get(entry, ()) if network.lane_road[p] == road]
        while before and before[0] not in seen:
            entry = before[0]
            seen.add(entry)
            before = [p for p in predecessors.get(entry, ()) if network.lane_road[p] == road]
        entries.append(entry)
    return entries


def _signal_rows(network: RoadNetwork, signal: Signal) -> list[int]:
    section = int(network.sections.find(np.array([signal.road]), np.array([signal.s]))[0])
    low, high = np.searchsorted(network.lane_section, [section, section + 1]).tolist()
    if signal.lanes:
        ranges = [pair for pair in signal.lanes if pair != (0, 0)]
        return [
            row
            for row in range(low, high)
            if any(first <= network.lane_id[row] <= last for first, last in ranges)
        ]
    facing = {"+": (True,), "-": (False,)}.get(signal.orientation, (True, False))
    return [row for row in range(low, high) if bool(network.forward[row]) in facing]


def _groups(
    network: RoadNetwork,
    furniture: Furniture,
    lights: Mapping[str, Sequence[int]],
    predecessors: Mapping[int, Sequence[int]],
) -> dict[str, tuple[int, ...]]:
    """By controller, or by the road lights are approached on. A lane has one group."""
    controller = {
        signal: name for name, signals in furniture.controllers.items() for signal in signals
    }
    found: dict[str, list[int]] = defaultdict(list)
    taken: set[int] = set()
    for signal, rows in lights.items():
        for row in rows:
            if row in taken:
                continue
            taken.add(row)
            road = network.lane_road[row]
            name = controller.get(signal)
            if name is None:
                before = predecessors.get(row, ())
                approach = network.lane_road[before[0]] if before else road
                name = f"road-{network.road_ids[approach]}"
            found[f"{network.junctions[road] or 'road'}/{name}"].append(row)
    return {name: tuple(rows) for name, rows in found.items()}


@dataclass(frozen=True, slots=True, eq=False)
class StopPlaces:
    """Stop areas, and the ids of those at the lanes (rows) that wait at them."""

    areas: tuple[Area, ...]
    of_lane: Mapping[int, tuple[str, ...]]


def stop_places(
    network: RoadNetwork,
    furniture: Furniture,
    governed: Governed,
    successors: Mapping[int, Sequence[int]],
) -> StopPlaces:
    """Painted stop lines, and the ends of lanes that wait for a light or sign but have no line."""
    areas: list[Area] = []
    of_lane: dict[int, list[str]] = defaultdict(list)
    for name, line, road, s in _painted(network, furniture, successors):
        rows = _covered(network, line, road, s, successors)
        areas.append(Area(name, AreaKind.STOP, _band(line), "stop_line"))
        for row in rows:
            of_lane[row].append(name)
    reasons = {row: "light" for rows in governed.groups.values() for row in rows}
    reasons |= {row: "yield_sign" for row in governed.give_way}
    reasons |= {row: "stop_sign" for row in governed.stop}
    waiting = {
        row: reasons[follower]
        for row, followers in successors.items()
        for follower in followers
        if follower in reasons and row not in of_lane
    }
    for row, reason in waiting.items():
        line = _end_line(network, row)
        if np.hypot(*(line[1] - line[0])) > 0.1:
            road = network.road_ids[network.lane_road[row]]
            name = f"stop/{road}/{network.section_number[network.lane_section[row]]}"
            name = f"{name}/{network.lane_id[row]}"
            areas.append(Area(name, AreaKind.STOP, _band(line), reason))
            of_lane[row].append(name)
    return StopPlaces(tuple(areas), {row: tuple(names) for row, names in of_lane.items()})


def _painted(
    network: RoadNetwork, furniture: Furniture, successors: Mapping[int, Sequence[int]]
) -> Iterable[tuple[str, Float[np.ndarray, "2 2"], int, float]]:
    """Painted lines as (id, end points, road, s)."""
    for thing in furniture.objects:
        if thing.name.lower().startswith("stopline") or thing.type.lower() == "stopline":
            corners = object_corners(network, thing)
            gaps = np.hypot(*(corners[:, None] - corners[None]).T)
            a, b = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
            if gaps[a, b] > 0.1:
                yield f"object/{thing.id}", corners[[a, b]], thing.road, thing.s
    for signal in furniture.signals:
        if not signal.reference and signal.name.lower().startswith("stopline"):
            line = _signal_line(network, signal, successors)
            if line is not None:
                yield f"signal/{signal.id}", line, signal.road, signal.s


def _signal_line(
    network: RoadNetwork, signal: Signal, successors: Mapping[int, Sequence[int]]
) -> Float[np.ndarray, "2 2"] | None:
    """A line given as a signal has a middle but no width: it crosses the lanes of its side."""
    section = int(network.sections.find(np.array([signal.road]), np.array([signal.s]))[0])
    low, high = np.searchsorted(network.lane_section, [section, section + 1]).tolist()
    rows = np.array([row for row in range(low, high) if row in successors], np.int64)
    if not len(rows):
        return None
    s = np.full(len(rows), signal.s)
    edges = lane_edges(network, rows, s)
    gap = np.abs((edges.inner + edges.outer) / 2 - signal.t)
    side = network.forward[rows] == network.forward[rows[int(np.argmin(gap))]]
    span = np.concatenate([edges.inner[side], edges.outer[side]])
    reference = reference_poses(network.geometry, np.repeat(signal.road, 2), s[[0, 0]])
    return beside(reference, np.array([span.min(), span.max()]))


def _covered(
    network: RoadNetwork,
    line: Float[np.ndarray, "2 2"],
    road: int,
    s: float,
    successors: Mapping[int, Sequence[int]],
) -> list[int]:
    """Lanes of the road at s of which a line covers at least half."""
    section = int(network.sections.find(np.array([road]), np.array([s]))[0])
    low, high = np.searchsorted(network.lane_section, [section, section + 1]).tolist()
    rows = np.array([row for row in range(low, high) if row in successors], np.int64)
    if not len(rows):
        return []
    edges = lane_edges(network, rows, np.full(len(rows), s))
    reference = reference_poses(network.geometry, np.array([road]), np.array([s]))
    normal = np.array([-np.sin(reference.heading[0]), np.cos(reference.heading[0])])
    t = (line - np.array([reference.x[0], reference.y[0]])) @ normal
    low_edge, high_edge = np.minimum(edges.inner, edges.outer), np.maximum(edges.inner, edges.outer)
    shared = np.minimum(high_edge, t.max()) - np.maximum(low_edge, t.min())
    return rows[shared > _COVERED * np.maximum(high_edge - low_edge, 0.1)].tolist()


def _end_line(network: RoadNetwork, row: int) -> Float[np.ndarray, "2 2"]:
    section = network.lane_section[row]
    forward = network.forward[row]
    s = network.section_end[section] if forward else network.sections.s[section]
    edges = lane_edges(network, np.array([row]), np.array([s]))
    road = np.array([network.lane_road[row]] * 2)
    reference = reference_poses(network.geometry, road, np.array([s, s]))
    return beside(reference, np.array([edges.inner[0], edges.outer[0]]))


def _band(line: Float[np.ndarray, "2 2"]) -> shapely.Polygon:
    return shapely.buffer(shapely.LineString(line), _LINE_DEPTH / 2, cap_style="flat")
