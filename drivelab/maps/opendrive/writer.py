"""Lane maps -> OpenDRIVE 1.4.

Each block becomes a road of right-hand lanes (several, where its lanes lie on one another): the
reference line is fitted to the centreline of its leftmost lane, the lane offset and the widths to
the boundaries. A lane without boundaries is 3.5 m
wide. Roads that follow one another are linked; where a lane can be left in several directions, or
into a connector, the way leads through a junction. Lights, signs, speed limits, lane changes and
crosswalks are written; other areas are not, for OpenDRIVE has no place for them outside a road.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from drivelab.maps.opendrive.curve_fit import corners
from drivelab.maps.opendrive.write_links import Signals, Ways
from drivelab.maps.opendrive.write_roads import WrittenRoad, written_roads
from drivelab.types.lane_map import AreaKind, Lane, LaneMap

_KINDS = {"vehicle": "driving", "bus": "driving", "bicycle": "biking"}
_Element = ElementTree.Element
_sub = ElementTree.SubElement


def write_opendrive(lane_map: LaneMap, path: str | Path) -> dict[str, str]:
    """Write a map; returns the id that each of its lanes has when the file is read again.

    Raises:
        DataError: the map has no lanes, or a lane has a centreline of fewer than two points.
    """
    roads = written_roads(lane_map)
    road_of = {lane.id: road for road in roads for lane in road.lanes}
    root = ElementTree.Element("OpenDRIVE")
    _sub(root, "header", revMajor="1", revMinor="4", name=lane_map.name, version="1.00")
    ways = Ways(roads, road_of)
    signals = Signals(lane_map, road_of, ways)
    for road in roads:
        element = _road_element(root, road, lane_map.name)
        ways.link(element, road)
        _shape(element, road)
        _lanes(element, road, ways)
        if road.number == 0:
            _crosswalks(element, road, lane_map)
        signals.write(element, road)
    signals.write_controllers(root)
    ways.write_junctions(root, signals)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)
    return {name: f"{road.number}/0/{road.ids[name]}" for name, road in road_of.items()}


def _road_element(root: _Element, road: WrittenRoad, name: str) -> _Element:
    return _sub(
        root,
        "road",
        name=road.lanes[0].block or name,
        length=repr(road.length),
        id=str(road.number),
        junction=str(road.junction),
    )


def _shape(element: _Element, road: WrittenRoad) -> None:
    view = _sub(element, "planView")
    for piece in road.pieces:
        x, y, heading = (repr(float(value)) for value in piece.start)
        place = _sub(
            view, "geometry", s=repr(piece.s), x=x, y=y, hdg=heading, length=repr(piece.length)
        )
        if piece.cubic is None:
            _sub(place, "line")
        else:
            names = ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV")
            values = {n: repr(float(v)) for n, v in zip(names, piece.cubic.ravel(), strict=True)}
            _sub(place, "paramPoly3", {"pRange": "normalized", **values})


def _linear(element: _Element, tag: str, key: str, s: np.ndarray, value: np.ndarray) -> None:
    """A function of s as records of straight lines."""
    rows = corners(s, value)
    for first, last in pairwise(rows):
        slope = (value[last] - value[first]) / (s[last] - s[first])
        a, b = repr(float(value[first])), repr(float(slope))
        _sub(element, tag, {key: repr(float(s[first])), "a": a, "b": b, "c": "0", "d": "0"})


def _lanes(element: _Element, road: WrittenRoad, ways: Ways) -> None:
    lanes = _sub(element, "lanes")
    _linear(lanes, "laneOffset", "s", road.s, road.left_edge)
    section = _sub(lanes, "laneSection", s="0")
    centre = _sub(_sub(section, "center"), "lane", id="0", type="none", level="false")
    _sub(centre, "roadMark", sOffset="0", type="solid", color="white", laneChange="none")
    right = _sub(section, "right")
    for k, (lane, width) in enumerate(road.strips):
        kind = "none" if lane is None else _KINDS.get(lane.kind, "driving")
        entry = _sub(right, "lane", id=str(-k - 1), type=kind, level="false")
        if lane is not None:
            ways.link_lane(entry, road, lane)
        _linear(entry, "width", "sOffset", road.s, width)
        beside = road.strips[k + 1][0] if k + 1 < len(road.strips) else None
        change = _change(lane, beside)
        style = "solid" if change == "none" else "broken"
        _sub(entry, "roadMark", sOffset="0", type=style, color="white", laneChange=change)
        if lane is not None and lane.speed_limit is not None:
            _sub(entry, "speed", sOffset="0", max=repr(lane.speed_limit), unit="m/s")


def _change(lane: Lane | None, beside: Lane | None) -> str:
    if lane is None or beside is None:
        return "none"
    choices = {
        (True, True): "both",
        (True, False): "increase",
        (False, True): "decrease",
        (False, False): "none",
    }
    return choices[beside.change_left, lane.change_right]


def _crosswalks(element: _Element, road: WrittenRoad, lane_map: LaneMap) -> None:
    """Crosswalks as objects of one road, their outlines in its frame at s = 0."""
    areas = [area for area in lane_map.areas if area.kind is AreaKind.CROSSWALK]
    if not areas:
        return
    objects = _sub(element, "objects")
    x, y, heading = road.pieces[0].start
    cos, sin = np.cos(heading), np.sin(heading)
    for k, area in enumerate(areas):
        place = {"s": "0", "t": "0", "zOffset": "0", "hdg": "0", "orientation": "none"}
        entry = _sub(
            objects, "object", {"id": str(k), "type": "crosswalk", "name": area.id, **place}
        )
        outline = _sub(entry, "outline")
        rings = getattr(area.polygon, "geoms", [area.polygon])
        ring = np.array(max(rings, key=lambda part: float(part.area)).exterior.coords)[:, :2]
        for u, v in (ring - np.array([x, y])) @ np.array([[cos, -sin], [sin, cos]]):
            _sub(outline, "cornerLocal", u=repr(float(u)), v=repr(float(v)), z="0")
