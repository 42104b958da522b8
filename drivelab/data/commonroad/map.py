"""Lanelets -> `LaneMap`, with speed limits, intersections and lights where the file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from drivelab.data.commonroad.xml_file import Element, XmlFile, fail, identifier, number, points
from drivelab.data.lane_shape import area_between, midline
from drivelab.data.log_map import LaneGraph, build_lane_map
from drivelab.types import Area, AreaKind, Lane, LaneMap

SPEED_SIGNS = ("274", "R2-1")  # maximum speed: Germany and countries like it, USA; values in m/s
_FOOT = {"sidewalk": AreaKind.WALKWAY, "crosswalk": AreaKind.CROSSWALK}
_KINDS = {"bicycleLane": "bicycle", "busLane": "bus"}


@dataclass(frozen=True, slots=True)
class Light:
    """A light's cycle in time steps; `colours` are (colour, steps)."""

    colours: tuple[tuple[str, int], ...]
    offset: int

    def is_red(self, step: int) -> bool:
        """Whether it shows red (also red and yellow) at a time step."""
        total = sum(length for _, length in self.colours)
        if total <= 0:
            return False
        left = (step - self.offset) % total
        for colour, length in self.colours:
            if left < length:
                return colour in ("red", "redYellow")
            left -= length
        return False


def build_map(source: XmlFile) -> LaneMap:
    """All lanelets of a file; foot paths become areas."""
    limits = _speed_limits(source)
    behind_light = {lane for lanes in lanes_of_lights(source).values() for lane in lanes}
    lanes: dict[str, Lane] = {}
    spare: list[shapely.Polygon] = []
    areas: list[Area] = []
    for element in source.root.findall("lanelet"):
        lane, parts = _lane(source, element, limits, behind_light)
        foot = [_FOOT[t] for t in _types(element) if t in _FOOT]
        if foot:
            areas += [Area(lane.id, foot[0], lane.polygon)]
        else:
            lanes[lane.id] = lane
            spare += parts
    if not lanes:
        fail(source, "<lanelet>", "there is none; expected at least one")
    inside = _inside_intersections(source)
    name = source.root.get("benchmarkID") or source.file.stem
    return build_lane_map(LaneGraph(name, lanes, inside, (), spare, tuple(areas)))


def _lane(
    source: XmlFile, element: Element, limits: Mapping[str, float], behind_light: set[str]
) -> tuple[Lane, list[shapely.Polygon]]:
    key = identifier(source, element)
    where = f"lanelet {key}"
    bounds = []
    for tag in ("leftBound", "rightBound"):
        bound = points(source, element.find(tag), f"{where}, <{tag}>")
        if len(bound) < 2:
            fail(source, f"{where}, <{tag}>", f"has {len(bound)} points, expected at least 2")
        bounds.append(bound)
    left, right = bounds
    parts = area_between(left, right)
    if not parts:
        fail(source, where, "its bounds enclose no area")
    kinds = [_KINDS[t] for t in _types(element) if t in _KINDS]
    lane = Lane(
        key,
        midline(left, right),
        parts[0],
        kind=kinds[0] if kinds else "vehicle",
        speed_limit=_limit(source, element, limits, where),
        successors=_refs(source, element, "successor"),
        predecessors=_refs(source, element, "predecessor"),
        left=_neighbour(element, "adjacentLeft"),
        right=_neighbour(element, "adjacentRight"),
        left_boundary=left,
        right_boundary=right,
        has_traffic_lights=key in behind_light,
    )
    return lane, parts[1:]


def _types(element: Element) -> list[str]:
    return [(child.text or "").strip() for child in element.findall("laneletType")]


def _refs(source: XmlFile, element: Element, tag: str) -> tuple[str, ...]:
    return tuple(identifier(source, child, "ref") for child in element.findall(tag))


def _neighbour(element: Element, tag: str) -> str | None:
    child = element.find(tag)
    if child is None or child.get("drivingDir") != "same":
        return None
    return child.get("ref")


def _limit(
    source: XmlFile, element: Element, limits: Mapping[str, float], where: str
) -> float | None:
    own = element.findtext("speedLimit")
    if own is not None:
        return number(source, own, f"{where}, <speedLimit>")
    signs = [limits[ref] for ref in _refs(source, element, "trafficSignRef") if ref in limits]
    return min(signs) if signs else None


def _speed_limits(source: XmlFile) -> dict[str, float]:
    found = {}
    for sign in source.root.findall("trafficSign"):
        for part in sign.findall("trafficSignElement"):
            if (part.findtext("trafficSignID") or "").strip() in SPEED_SIGNS:
                key = identifier(source, sign)
                text = part.findtext("additionalValue")
                found[key] = number(source, text, f"trafficSign {key}, <additionalValue>")
    return found


def _inside_intersections(source: XmlFile) -> set[str]:
    return {
        identifier(source, child, "ref")
        for incoming in source.root.findall("intersection/incoming")
        for child in incoming
        if child.tag.startswith("successors")
    }


def lights(source: XmlFile) -> dict[str, Light]:
    """Active lights by id."""
    found = {}
    for element in source.root.findall("trafficLight"):
        if (element.findtext("active") or "true").strip() == "false":
            continue
        key = identifier(source, element)
        cycle = tuple(
            (
                (part.findtext("color") or "").strip(),
                round(number(source, part.findtext("duration"), f"trafficLight {key}, <duration>")),
            )
            for part in element.findall("cycle/cycleElement")
        )
        offset = number(source, element.findtext("cycle/timeOffset") or "0", f"trafficLight {key}")
        found[key] = Light(cycle, round(offset))
    return found


def lanes_of_lights(source: XmlFile) -> dict[str, list[str]]:
    """The lanes that a light closes: the successors of the lanelets that name it."""
    closed: dict[str, list[str]] = {}
    for element in source.root.findall("lanelet"):
        for key in _refs(source, element, "trafficLightRef"):
            closed.setdefault(key, []).extend(_refs(source, element, "successor"))
    return closed


def red_lanes(source: XmlFile, lane_map: LaneMap, frames: int) -> tuple[tuple[str, ...], ...]:
    """Lanes closed by a red light, by frame; empty when the file has no lights."""
    cycles, closed = lights(source), lanes_of_lights(source)
    if not cycles:
        return ()
    return tuple(
        tuple(
            dict.fromkeys(
                lane
                for key, light in cycles.items()
                if light.is_red(step)
                for lane in closed.get(key, ())
                if lane in lane_map.lanes
            )
        )
        for step in np.arange(frames).tolist()
    )
