"""The lane map as data: lanes, blocks, areas. Queries on it live in `drivelab.maps`.

Words follow nuPlan: a *block* is a lane group (roadblock), a *connector* is a lane or block inside
a junction or between two groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import shapely
from jaxtyping import Float


class AreaKind(StrEnum):
    """What an area is for."""

    INTERSECTION = "intersection"
    CARPARK = "carpark"
    DRIVABLE = "drivable"  # asphalt that scores count as drivable
    GENERIC = "generic"  # nuPlan's generic drivable areas: NAVSIM does not count them
    ROAD_SEGMENT = "road_segment"
    STOP = "stop"
    CROSSWALK = "crosswalk"
    WALKWAY = "walkway"


class Window(StrEnum):
    """How a map answers "what is within r of a point": the official map sources differ."""

    CIRCLE = "circle"  # geometry meets the disc of radius r; connectors by their polygon
    SQUARE = "square"  # geometry meets the axis-aligned square; connectors by their line (nuPlan)


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One lane or lane connector; `centreline` rows are (x [m], y [m], heading [rad])."""

    id: str
    centreline: Float[np.ndarray, "n 3"]
    polygon: shapely.Polygon
    connector: bool = False
    block: str = ""
    speed_limit: float | None = None  # [m/s]
    successors: tuple[str, ...] = ()
    predecessors: tuple[str, ...] = ()
    left: str | None = None  # id of the left neighbour in the same direction
    right: str | None = None
    left_boundary: Float[np.ndarray, "l 2"] | None = None
    right_boundary: Float[np.ndarray, "r 2"] | None = None
    line: Float[np.ndarray, "m 2"] | None = None  # what window queries test, where not the polygon
    kind: str = "vehicle"  # vehicle | bus | bicycle
    stop_lines: tuple[str, ...] = ()
    has_traffic_lights: bool = False
    index: int = 0  # place in its block, counted from the left
    turn: str = ""  # connectors: straight | left | right | u_turn | unknown, as the source says
    heights: Float[np.ndarray, " n"] | None = None  # of the road at the centreline's vertices [m]
    change_left: bool = True  # marks let traffic change to the left neighbour somewhere along it
    change_right: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A group of parallel lanes (roadblock) or of parallel connectors."""

    id: str
    lanes: tuple[str, ...]
    polygon: shapely.Polygon
    connector: bool = False
    successors: tuple[str, ...] = ()
    predecessors: tuple[str, ...] = ()
    intersection: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A polygon with a meaning."""

    id: str
    kind: AreaKind
    polygon: shapely.Polygon | shapely.MultiPolygon
    detail: str = ""  # subtype as the source names it, e.g. a stop polygon's reason


@dataclass(frozen=True, slots=True, eq=False)
class TrafficControl:
    """Who has to wait before a lane: all ids name lanes that are entered past a light or sign.

    These are connectors nearly always; the place to wait is the end of their predecessors. Lanes of
    one signal group are green together. Group ids begin with the junction, `JUNCTION/GROUP`: the
    groups of a junction take turns.
    """

    signal_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stop_signs: tuple[str, ...] = ()
    yield_signs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LaneMap:
    """A map in the metric `map` frame; dict order is the source's order and decides ties."""

    name: str
    lanes: Mapping[str, Lane]
    blocks: Mapping[str, Block]
    areas: tuple[Area, ...] = ()
    window: Window = Window.CIRCLE
    control: TrafficControl = field(default_factory=TrafficControl)
    # Filled by drivelab.maps.index on first use; lives and dies with the map.
    cache: dict[str, object] = field(default_factory=dict, repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without the cache: trees are rebuilt where the map arrives."""
        parts = (dict(self.lanes), dict(self.blocks), self.areas, self.window, self.control)
        return (LaneMap, (self.name, *parts))
