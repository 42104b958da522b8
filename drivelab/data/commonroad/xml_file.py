"""Reading CommonRoad XML without trusting it, and the few value forms its elements use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from drivelab.data.safe_xml import parse_xml
from drivelab.errors import DataError

VERSIONS = ("2018b", "2020a")
Element = ElementTree.Element


@dataclass(frozen=True, slots=True, eq=False)
class XmlFile:
    """A parsed file with its path for messages."""

    file: Path
    root: Element

    @property
    def step(self) -> float:
        """Length of a time step [s]."""
        return number(self, self.root.get("timeStepSize"), "timeStepSize")


def read_xml(file: Path) -> XmlFile:
    """Parse a scenario; a document type declaration (where entities live) is refused."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error})", file=file) from error
    root = parse_xml(content, file)
    version = root.get("commonRoadVersion")
    if root.tag != "commonRoad" or version not in VERSIONS:
        raise DataError(
            f"found <{root.tag}> of version {version}, expected <commonRoad> of version "
            f"{' or '.join(VERSIONS)}",
            file=file,
        )
    return XmlFile(file, root)


def fail(source: XmlFile, where: str, problem: str) -> NoReturn:
    """Raise a DataError at an element."""
    raise DataError(problem, file=source.file, where=where)


def number(source: XmlFile, text: str | None, where: str) -> float:
    """A finite number."""
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        fail(source, where, f"found {text!r}, expected a finite number")
    return value


def identifier(source: XmlFile, element: Element, attribute: str = "id") -> str:
    """The id or ref of an element."""
    value = element.get(attribute)
    if not value:
        fail(source, f"<{element.tag}>", f"has no attribute {attribute!r}")
    return value


def points(source: XmlFile, element: Element | None, where: str) -> Float[np.ndarray, "n 2"]:
    """The <point> children of an element."""
    found = [] if element is None else element.findall("point")
    rows = [
        [number(source, point.findtext(axis), f"{where}, point {i}, <{axis}>") for axis in "xy"]
        for i, point in enumerate(found)
    ]
    return np.array(rows, float).reshape(-1, 2)


def value(source: XmlFile, state: Element, tag: str, where: str) -> float | None:
    """An <exact> value or the middle of an interval; None when the element is absent."""
    element = state.find(tag)
    if element is None:
        return None
    exact = element.findtext("exact")
    if exact is not None:
        return number(source, exact, f"{where}, <{tag}>")
    ends = [
        number(source, element.findtext(end), f"{where}, <{tag}>, <{end}>")
        for end in ("intervalStart", "intervalEnd")
    ]
    return (ends[0] + ends[1]) / 2


def position(source: XmlFile, state: Element, where: str) -> Float[np.ndarray, "2"]:
    """A state's position: its point, or the centre of the region it is known to lie in."""
    place = state.find("position")
    if place is None:
        fail(source, where, "has no <position>")
    if place.find("point") is not None:
        return points(source, place, where)[0]
    for shape in ("rectangle", "circle"):
        region = place.find(shape)
        if region is not None:
            centre = region.find("center")
            if centre is None:
                return np.zeros(2)
            return np.array([number(source, centre.findtext(a), f"{where}, <{a}>") for a in "xy"])
    polygon = place.find("polygon")
    if polygon is not None:
        return points(source, polygon, where).mean(axis=0)
    fail(source, where, "its <position> holds no point, rectangle, circle or polygon")
