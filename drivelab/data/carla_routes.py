"""CARLA leaderboard routes, versions 1.0 and 2.x, in the frame of drivelab's maps.

The files give CARLA world coordinates (left-handed, degrees): y and yaw are negated, degrees become
radians. Formats: `leaderboard/data/routes_*.xml` of the branches leaderboard-1.0 and -2.x;
Bench2Drive's routes are in the 2.x format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Float

from drivelab.data.safe_xml import parse_xml
from drivelab.errors import DataError
from drivelab.geometry.poses import wrap_angle

_PLACE_KEYS = {"x", "y", "z", "yaw", "pitch", "roll"}


@dataclass(frozen=True, slots=True)
class RouteWeather:
    """Weather from a point of the route on; values are those of `carla.WeatherParameters`."""

    share: float  # of the route, in [0, 1]
    values: Mapping[str, float]
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RouteScenario:
    """A scenario of a route, and where the ego sets it off.

    Places are (x [m], y [m], z [m], yaw [rad]); yaw is NaN where the file gives none.
    """

    name: str
    type: str
    trigger: Float[np.ndarray, "4"]
    values: Mapping[str, float | str]
    ranges: Mapping[str, tuple[float, float]]
    places: Mapping[str, Float[np.ndarray, "4"]]


@dataclass(frozen=True, slots=True, eq=False)
class CarlaRoute:
    """A route as its file gives it; the way between its points is planned on the map.

    The points may lie off the road: `drivelab.maps.road_options.plan_route` projects them.
    """

    id: str
    town: str
    version: str  # "1.0" or "2.0": the format, and with it the spacing of thinned routes
    points: Float[np.ndarray, "k 4"]  # x [m], y [m], z [m], yaw [rad] (NaN in 2.0)
    weather: tuple[RouteWeather, ...]
    scenarios: tuple[RouteScenario, ...]


def read_routes(file: str | Path) -> tuple[CarlaRoute, ...]:
    """All routes of a file, in order.

    Raises:
        DataError: unreadable or broken XML, a route without id, town or two points, ids that occur
            twice, numbers that are not finite; names the file, the route and the element.
    """
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", file=path) from error
    root = parse_xml(content, path)
    if root.tag != "routes":
        raise DataError(f"found <{root.tag}>, expected <routes>", file=path)
    routes = tuple(_Route(path, element).read() for element in root.iter("route"))
    if not routes:
        raise DataError("has no <route>", file=path)
    seen: set[str] = set()
    for route in routes:
        if route.id in seen:
            raise DataError("occurs twice", file=path, where=f"route {route.id}")
        seen.add(route.id)
    return routes


@dataclass(frozen=True, slots=True)
class _Route:
    """One <route> element and where it is, for messages."""

    file: Path
    element: Element

    def read(self) -> CarlaRoute:
        old = [child for child in self.element if child.tag == "waypoint"]
        new = self.element.findall("waypoints/position")
        points = [self.place(child) for child in old or new]
        if len(points) < 2:
            self.fail("waypoints", f"has {len(points)} points; expected two or more")
        weather = [*self.element.findall("weather"), *self.element.findall("weathers/weather")]
        return CarlaRoute(
            id=self.text(self.element, "id"),
            town=self.text(self.element, "town"),
            version="1.0" if old else "2.0",
            points=np.array(points),
            weather=tuple(self.weather(child) for child in weather),
            scenarios=tuple(
                self.scenario(child) for child in self.element.findall("scenarios/scenario")
            ),
        )

    def weather(self, element: Element) -> RouteWeather:
        share = self.number(element, "route_percentage", "0") / 100.0
        values = {
            key: self.number(element, key)
            for key in element.attrib
            if key not in ("id", "route_percentage")
        }
        return RouteWeather(share, values, element.get("id", ""))

    def scenario(self, element: Element) -> RouteScenario:
        trigger = element.find("trigger_point")
        if trigger is None:
            self.fail("scenario", f"{element.get('name')!r} has no <trigger_point>")
        values: dict[str, float | str] = {}
        ranges: dict[str, tuple[float, float]] = {}
        places: dict[str, np.ndarray] = {}
        for child in element:
            keys = set(child.attrib)
            if child is trigger:
                continue
            if {"x", "y"} <= keys <= _PLACE_KEYS:
                places[child.tag] = np.array(self.place(child))
            elif keys == {"from", "to"}:
                ranges[child.tag] = (self.number(child, "from"), self.number(child, "to"))
            elif keys == {"value"}:
                values[child.tag] = _plain(child.attrib["value"])
            else:
                self.fail(child.tag, f"has the attributes {sorted(keys)}, which are not known")
        name, kind = self.text(element, "name"), self.text(element, "type")
        return RouteScenario(name, kind, np.array(self.place(trigger)), values, ranges, places)

    def place(self, element: Element) -> list[float]:
        """(x, y, z, yaw) in the map frame."""
        x, y = self.number(element, "x"), -self.number(element, "y")
        yaw = np.nan
        if "yaw" in element.attrib:
            yaw = float(wrap_angle(-np.deg2rad(self.number(element, "yaw"))))
        return [x, y, self.number(element, "z", "0"), yaw]

    def text(self, element: Element, key: str) -> str:
        value = element.get(key)
        if not value:
            self.fail(element.tag, f"has no attribute {key!r}")
        return value

    def number(self, element: Element, key: str, default: str | None = None) -> float:
        text = element.get(key, default)
        try:
            value = float(text if text is not None else "")
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            self.fail(element.tag, f"{key} is {text!r}; expected a finite number")
        return value

    def fail(self, tag: str, problem: str) -> NoReturn:
        where = f"route {self.element.get('id', '?')}, <{tag}>"
        raise DataError(problem, file=self.file, where=where)


def _plain(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if np.isfinite(value) else text
