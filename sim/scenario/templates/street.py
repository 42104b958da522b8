"""Roads with everything beside them: lanes of both directions, shoulders, bays, pavements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, sample
from drivelab.geometry.poses import wrap_angle
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder
from drivelab.sim.generator.roads import Carriageway, Road, carriageway, reverse, roadside, shift
from drivelab.sim.generator.shapes import straight
from drivelab.sim.scenario.templates.template import Chain
from drivelab.types import AreaKind

PAVEMENT = 2.5  # width [m]
SHOULDER = 2.8  # width of a hard shoulder [m]
VERGE = 1.0  # asphalt beside a lane without a shoulder [m]
BAY_WIDTH, BAY_LENGTH = 2.3, 6.0  # of a parking bay along the road [m]
CROSSING_WIDTH = 4.0  # of a pedestrian crossing, along the road [m]
STEP = 1.0  # between the vertices of a pedestrian's path [m]
ORIGIN = np.zeros(3)


def new_map() -> MapBuilder:
    """A builder whose map frame is the template's own."""
    return MapBuilder(ORIGIN, rounded=False)


def lay_road(
    builder: MapBuilder,
    name: str,
    line: Float[np.ndarray, "n 3"],
    *,
    lanes: tuple[int, int],
    speed_limit: float,
    width: float = LANE_WIDTH,
) -> Road:
    """A road about its dividing line with `lanes` (ahead, back); no lanes back = one way."""
    empty = Carriageway((), ())
    ahead = carriageway(builder, f"{name}f", line, lanes[0], speed_limit=speed_limit, width=width)
    if not lanes[1]:
        return Road(ahead, empty)
    back = carriageway(
        builder, f"{name}b", reverse(line), lanes[1], speed_limit=speed_limit, width=width
    )
    return Road(ahead, back)


def numbered(prefix: str, chains: Sequence[Chain]) -> dict[str, Chain]:
    """Name chains that are listed from left to right by their number from the right."""
    return {f"{prefix}{number}": chain for number, chain in enumerate(reversed(chains))}


class Roadside:
    """Lays strips outward from the two edges of a road, one behind the other.

    `line` is the dividing line; `right` and `left` are the present outer edges, measured to its
    left [m].
    """

    def __init__(
        self,
        builder: MapBuilder,
        line: Float[np.ndarray, "n 3"],
        *,
        right: float,
        left: float,
        name: str = "road",
    ) -> None:
        self.builder, self.line, self.name = builder, line, name
        self.edge: dict[str, float] = {"right": right, "left": left}

    def strip(self, side: str, width: float, kind: AreaKind, name: str) -> float:
        """Lay a strip along the whole road; returns the offset of its middle."""
        inner = self.edge[side]
        outer = inner - width if side == "right" else inner + width
        edges = (inner, outer) if side == "right" else (outer, inner)
        roadside(self.builder, f"{self.name}_{name}_{side}", self.line, edges=edges, kind=kind)
        self.edge[side] = outer
        return (inner + outer) / 2

    def bays(self, side: str) -> Float[np.ndarray, "k 3"]:
        """Parking bays along the whole road; returns the cars' box centres in driving order."""
        middle = self.strip(side, BAY_WIDTH, AreaKind.CARPARK, "bays")
        path = self.path(side, middle)
        length = arc_lengths(path)[-1]
        places = np.arange(BAY_LENGTH / 2, length - BAY_LENGTH / 2 + 1e-6, BAY_LENGTH)
        return sample(path, places)

    def pavements(self) -> Mapping[str, Float[np.ndarray, "n 3"]]:
        """Pavements on both sides; returns a path in the middle of each."""
        return {
            side: self.path(side, self.strip(side, PAVEMENT, AreaKind.WALKWAY, "pavement"))
            for side in ("right", "left")
        }

    def path(self, side: str, offset: float) -> Float[np.ndarray, "n 3"]:
        """Along the road at an offset, as the traffic of that side runs."""
        moved = shift(self.line, offset)
        return moved if side == "right" else reverse(moved)


def across(
    line: Float[np.ndarray, "n 3"], at: float, *, right: float, left: float
) -> Float[np.ndarray, "n 3"]:
    """A pedestrian's path over a road at an arc length of its dividing line.

    It begins at the offset `right` [m] (measured to the left of the line) and ends at `left`.
    """
    pose = sample(line, at)
    heading = wrap_angle(pose[2] + np.pi / 2)
    normal = np.array([np.cos(heading), np.sin(heading)])
    start = np.array([*(pose[:2] + right * normal), heading])
    return straight(start, left - right, spacing=STEP)


def zebra(builder: MapBuilder, name: str, path: Float[np.ndarray, "n 3"]) -> None:
    """Mark a pedestrian crossing about the path."""
    roadside(
        builder,
        name,
        path[[0, -1]] if len(path) > 2 else path,
        edges=(CROSSING_WIDTH / 2, -CROSSING_WIDTH / 2),
        kind=AreaKind.CROSSWALK,
    )
