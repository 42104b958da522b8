"""What a picture is made of: paths, dots and labels in picture units, each with a role.

Roles are the keys of `drivelab.reports.palette`; two painters (`raster`, `svg`) turn the same list
into pixels or markup, so a picture looks the same in a paper, in the report and in a video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from jaxtyping import Float

SIDE = 640.0  # side of the square map picture [picture units]
_MARGIN = 8.0  # kept beyond the border, so that cut edges get their stroke out of sight
_TOLERANCE = 0.25  # [picture units] simplification, well below a pixel


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Polylines or rings (even-odd filled) painted as one."""

    role: str
    parts: tuple[Float[np.ndarray, "_ 2"], ...]
    closed: bool = True
    title: str = ""  # tooltip in SVG


@dataclass(frozen=True, slots=True)
class Dot:
    """A circle."""

    role: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text; `y` is the middle of its height."""

    role: str
    text: str
    x: float
    y: float
    size: float = 13.0
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


Shape = Path | Dot | Label


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Shapes from back to front on a canvas of `width` x `height` picture units."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    background: str = "ground"
    title: str = ""

    def roles(self) -> frozenset[str]:
        """Roles that are drawn."""
        return frozenset(shape.role for shape in self.shapes)


def polygon_path(role: str, geometry: shapely.Geometry, title: str = "") -> Path | None:
    """A filled path of the polygons in `geometry` (picture units), cut to the window."""
    cut = shapely.intersection(geometry, _window()).simplify(_TOLERANCE)
    rings: list[np.ndarray] = []
    for part in shapely.get_parts(cut):
        if isinstance(part, shapely.Polygon) and part.area > 0.5:
            rings.extend(np.asarray(ring.coords)[:-1] for ring in (part.exterior, *part.interiors))
    return Path(role, tuple(rings), True, title) if rings else None


def line_path(role: str, lines: Iterable[Float[np.ndarray, "n 2"]], title: str = "") -> Path | None:
    """An open path of the polylines (picture units), cut to the window."""
    usable = [line for line in lines if len(line) >= 2 and np.isfinite(line).all()]
    if not usable:
        return None
    strings = [shapely.LineString(line) for line in usable]
    cut = shapely.simplify(shapely.intersection(strings, _window()), _TOLERANCE)
    parts = tuple(
        np.asarray(part.coords)
        for part in shapely.get_parts(cut)
        if isinstance(part, shapely.LineString) and part.length > 0.5
    )
    return Path(role, parts, False, title) if parts else None


def _window() -> shapely.Polygon:
    return shapely.box(-_MARGIN, -_MARGIN, SIDE + _MARGIN, SIDE + _MARGIN)
