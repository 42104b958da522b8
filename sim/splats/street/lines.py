"""What is painted on a road: lane lines, stop lines, crosswalks, arrows, all made of short bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from jaxtyping import Bool, Float, UInt8

from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.street.site import Border, Site, resample

WHITE, YELLOW = (0.86, 0.86, 0.84), (0.86, 0.64, 0.14)
WIDTH = 0.15  # of a lane line [m]
EDGE_INSET, MIDDLE_INSET = 0.32, 0.14  # of edge lines and of the lines of a double line [m]
DASH, PERIOD = 3.0, 9.0  # of lines between lanes of one direction [m]
PROBE = 0.6  # how far beyond a border one looks for what lies there [m]
STEPS = ((14.0, 0.5), (28.0, 1.0), (np.inf, 1.5))  # distance to the route -> length of a bar [m]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Short straight strips on the ground, some of them gaps in the paint.

    Attributes:
        starts: (n, 2) middle of one end, local frame [m].
        ends: (n, 2) middle of the other.
        widths: (n,) [m].
        colours: (n, 3) of the paint, 0..1.
        labels: (n,) `marking` or `crosswalk`.
        painted: (n,) whether there is paint; asphalt where there is not.
    """

    starts: Float[np.ndarray, "n 2"]
    ends: Float[np.ndarray, "n 2"]
    widths: Float[np.ndarray, " n"]
    colours: Float[np.ndarray, "n 3"]
    labels: UInt8[np.ndarray, " n"]
    painted: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def sides(self) -> Float[np.ndarray, "n 2"]:
        """Unit vectors to the left of the bars."""
        way = self.ends - self.starts
        way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        return np.stack([-way[:, 1], way[:, 0]], 1)

    def take(self, chosen: np.ndarray) -> Bars:
        """Some of them."""
        return Bars(*(getattr(self, name)[chosen] for name in _NAMES))

    def polygons(self) -> np.ndarray:
        """(n,) their outlines as shapely polygons, local frame."""
        out = 0.5 * self.widths[:, None] * self.sides
        corners = [self.starts - out, self.ends - out, self.ends + out, self.starts + out]
        return np.asarray(shapely.polygons(np.stack(corners, 1)))


_NAMES = ("starts", "ends", "widths", "colours", "labels", "painted")


@dataclass(slots=True)
class Brush:
    """Collects bars."""

    parts: list[Bars] = field(default_factory=list)

    def stroke(
        self, starts: np.ndarray, ends: np.ndarray, width: float, *,
        colour: Sequence[float] = WHITE, label: str = "marking",
        painted: np.ndarray | bool = True,
    ) -> None:  # fmt: skip
        """Add bars of one width and colour."""
        n = len(starts)
        self.parts.append(
            Bars(
                np.asarray(starts, float), np.asarray(ends, float), np.full(n, width),
                np.tile(np.asarray(colour, float), (n, 1)),
                np.full(n, NUMBER[label], np.uint8), np.broadcast_to(painted, (n,)).copy(),
            )
        )  # fmt: skip

    def done(self, site: Site) -> Bars:
        """All bars on the asphalt of the site's window."""
        if not self.parts:
            self.stroke(np.zeros((0, 2)), np.zeros((0, 2)), WIDTH)
        bars = Bars(*(np.concatenate([getattr(p, name) for p in self.parts]) for name in _NAMES))
        middles = 0.5 * (bars.starts + bars.ends)
        return bars.take((site.away(middles) < site.reach) & site.on_road(middles))


def lane_lines(site: Site, brush: Brush) -> None:
    """Dashes between lanes of one direction, solid edges, a double line between directions."""
    polygons = np.array([border.polygon for border in site.borders], object)
    tree = shapely.STRtree(polygons)
    crossing = np.array([border.crossing for border in site.borders])
    for n, border in enumerate(site.borders):
        if border.crossing:
            continue
        for line, side in ((border.left, 1.0), (border.right, -1.0)):
            neighbour = border.lane.left if side > 0 else border.lane.right
            if neighbour in site.lane_map.lanes:
                if side > 0:
                    _between(site, border, brush)
                continue
            points = _sampled(site, line)
            out = side * _normals(points)
            kinds = _beyond(site, tree, crossing, n, points, out)
            _solid(points - MIDDLE_INSET * out, kinds == 1, YELLOW, brush)
            _solid(points - EDGE_INSET * out, kinds == 0, WHITE, brush)


def _between(site: Site, border: Border, brush: Brush) -> None:
    points = _sampled(site, border.left)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    middle = 0.5 * (along[1:] + along[:-1])
    painted = middle % PERIOD < DASH
    if not border.lane.change_left:
        painted[:] = True
    brush.stroke(points[:-1], points[1:], WIDTH, painted=painted)


def _solid(points: np.ndarray, chosen: np.ndarray, colour: Sequence[float], brush: Brush) -> None:
    if chosen.any():
        brush.stroke(points[:-1][chosen], points[1:][chosen], WIDTH, colour=colour)


def _beyond(
    site: Site, tree: shapely.STRtree, crossing: np.ndarray, own: int, points: np.ndarray,
    out: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """What lies beyond each piece of a border: 0 nothing, 1 the other direction, 2 leave it."""
    middle, side = 0.5 * (points[1:] + points[:-1]), 0.5 * (out[1:] + out[:-1])
    way = np.diff(points, axis=0)
    kinds = np.zeros(len(middle), int)
    probes = shapely.points(middle + PROBE * side)
    at, hit = tree.query(probes, predicate="intersects")
    for piece, other in zip(at, hit, strict=True):
        if other == own:
            continue
        line = site.borders[other].lane.centreline
        near = np.hypot(*(line[:, :2] - site.origin - middle[piece]).T).argmin()
        against = way[piece] @ [np.cos(line[near, 2]), np.sin(line[near, 2])] < 0
        kinds[piece] = max(kinds[piece], 1 if against and not crossing[other] else 2)
    inside = shapely.points(middle - 0.5 * side)
    at, hit = tree.query(inside, predicate="intersects")
    kinds[at[hit != own]] = 2  # where ways cross or merge nothing is painted
    return kinds


def _sampled(site: Site, line: np.ndarray) -> np.ndarray:
    nearest = float(site.away(resample(line, 4.0)).min())
    step = next(step for limit, step in STEPS if nearest < limit)
    return resample(line, step)


def _normals(points: np.ndarray) -> np.ndarray:
    way = np.gradient(points, axis=0)
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    return np.stack([-way[:, 1], way[:, 0]], 1)
