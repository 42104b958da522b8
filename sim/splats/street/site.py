"""The building site of a street: the part of a lane map around a route, in a local frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from drivelab.types.lane_map import Area, AreaKind, Lane, LaneMap

ROAD_AREAS = (AreaKind.INTERSECTION, AreaKind.CARPARK, AreaKind.DRIVABLE)
SPACING = 0.5  # of the points at which a route is held [m]
CLOSED = 0.15  # gaps between lanes up to twice this wide are asphalt [m]
SMALLEST_ISLAND = 3.0  # holes in the asphalt that are smaller are asphalt too [m^2]


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """Both borders of a lane in driving direction, local frame; whether it crosses a junction.

    Some maps call no lane a connector, but say where junctions are.
    """

    lane: Lane
    crossing: bool
    left: Float[np.ndarray, "n 2"]
    right: Float[np.ndarray, "m 2"]
    polygon: shapely.Polygon


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """What streets are built on.

    Attributes:
        lane_map: the whole map, in its own frame.
        origin: of the local frame in the map frame [m]; the axes are parallel.
        route: (m, 2) what the ego follows, local, points `SPACING` apart.
        reach: distance from the route up to which there is a street [m].
        window: everything within `reach` of the route.
        borders: of all lanes that meet the window, connectors too.
        road: asphalt within the window.
        walkways: what the map calls so, within the window.
        crosswalks: what the map calls so, local.
        near: tree of the route's points.
    """

    lane_map: LaneMap
    origin: Float[np.ndarray, "2"]
    route: Float[np.ndarray, "m 2"]
    reach: float
    window: shapely.Polygon
    borders: tuple[Border, ...]
    road: shapely.Geometry
    walkways: shapely.Geometry
    crosswalks: tuple[shapely.Polygon, ...]
    near: Any

    def away(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """Distances to the route [m]."""
        return np.asarray(self.near.query(points)[0])

    def on_road(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Which points lie on asphalt."""
        return np.asarray(shapely.contains_xy(self.road, points[:, 0], points[:, 1]))


def survey(lane_map: LaneMap, route: Float[np.ndarray, "m k"], reach: float) -> Site:
    """Cut what lies around a route out of a map.

    Raises:
        ValueError: the map has no lane, or none near the route; the route is not at least two
            finite points; a lane is not finite; the reach is not above 0.
    """
    path, middle = _checked(lane_map, route, reach)
    window = shapely.LineString(path).buffer(reach, quad_segs=6)
    junctions = shapely.union_all(
        [area.polygon for area in lane_map.areas if area.kind is AreaKind.INTERSECTION]
    )
    shapely.prepare(junctions)
    borders = tuple(
        _border(lane, middle, junctions) for lane in lane_map.lanes.values()
        if shapely.intersects(_moved(shapely.box(*lane.polygon.bounds), middle), window)
    )  # fmt: skip
    if not borders:
        raise ValueError(
            f"street: map {lane_map.name!r} has no lane within {reach:g} m of the route, which "
            f"begins at ({route[0][0]:.1f}, {route[0][1]:.1f})"
        )
    areas = [(area, _moved(area.polygon, middle)) for area in lane_map.areas]
    shapes = [border.polygon for border in borders]
    shapes += [shape for area, shape in areas if area.kind in ROAD_AREAS]
    road = _asphalt(shapes, window)
    shapely.prepare(road)
    return Site(
        lane_map, middle, path, reach, window, borders, road,
        _union(areas, AreaKind.WALKWAY, window), _crosswalks(areas, window), cKDTree(path),
    )  # fmt: skip


def resample(line: Float[np.ndarray, "n 2"], step: float) -> Float[np.ndarray, "m 2"]:
    """Points of a polyline about `step` [m] apart, its ends among them."""
    gaps = np.hypot(*np.diff(line[:, :2], axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(gaps)])
    count = max(2, round(along[-1] / step) + 1)
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])], 1)


def rings(shape: shapely.Geometry) -> list[Float[np.ndarray, "n 2"]]:
    """Closed outlines of polygons with the inside on their left."""
    found: list[np.ndarray] = []
    for part in shapely.get_parts(shape):
        if isinstance(part, shapely.Polygon) and not part.is_empty:
            turned = shapely.geometry.polygon.orient(part)
            found += [np.asarray(ring.coords) for ring in (turned.exterior, *turned.interiors)]
    return found


def _checked(
    lane_map: LaneMap, route: np.ndarray, reach: float
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "2"]]:
    if not lane_map.lanes:
        raise ValueError(f"street: map {lane_map.name!r} has no lanes to build a street from")
    points = np.asarray(route, float)
    if points.ndim != 2 or len(points) < 2 or points.shape[1] < 2:
        raise ValueError(
            f"street: route has the shape {points.shape}; expected (m >= 2, 2 or more)"
        )
    points = points[:, :2]
    wrong = ~np.isfinite(points).all(axis=1)
    if wrong.any():
        raise ValueError(f"street: route[{int(wrong.argmax())}] is not finite")
    if not (np.isfinite(reach) and reach > 0):
        raise ValueError(f"street: reach={reach}; expected a length above 0 [m]")
    length = np.hypot(*np.diff(points, axis=0).T).sum()
    if length < 1e-6:  # an ego that stands still has a street about it too
        points = np.stack([points[0], points[0] + [0.01, 0.0]])
    path = resample(points, SPACING)
    middle = np.round(path[len(path) // 2], 3)
    return path - middle, middle


def _border(lane: Lane, middle: np.ndarray, junctions: shapely.Geometry) -> Border:
    lines = (lane.centreline, lane.left_boundary, lane.right_boundary)
    if not all(np.isfinite(line).all() for line in lines if line is not None):
        raise ValueError(f"street: lane {lane.id!r} has points that are not finite")
    sides = []
    width = lane.polygon.area / max(shapely.LineString(lane.centreline[:, :2]).length, 1.0)
    for given, side in ((lane.left_boundary, 1.0), (lane.right_boundary, -1.0)):
        if given is None or len(given) < 2:
            turn = lane.centreline[:, 2] + 0.5 * np.pi
            out = np.stack([np.cos(turn), np.sin(turn)], 1)
            given = lane.centreline[:, :2] + 0.5 * side * width * out
        sides.append(np.asarray(given, float)[:, :2] - middle)
    centre = lane.centreline[len(lane.centreline) // 2]
    crossing = lane.connector or bool(shapely.contains_xy(junctions, centre[0], centre[1]))
    return Border(lane, crossing, sides[0], sides[1], _moved(lane.polygon, middle))


def _asphalt(shapes: list[Any], window: shapely.Polygon) -> shapely.Geometry:
    wide = window.buffer(20.0, quad_segs=2)
    near = [shape for shape in shapes if shape.intersects(wide)]
    near = [shapely.make_valid(shape).buffer(CLOSED, quad_segs=2) for shape in near]
    united = shapely.union_all(near).buffer(-CLOSED, quad_segs=2).simplify(0.02)
    parts = []
    for part in shapely.get_parts(united):
        holes = [h for h in part.interiors if shapely.Polygon(h).area >= SMALLEST_ISLAND]
        parts.append(shapely.Polygon(part.exterior, holes))
    return shapely.union_all(parts).intersection(wide)


def _crosswalks(
    areas: list[tuple[Area, Any]], window: shapely.Polygon
) -> tuple[shapely.Polygon, ...]:
    found = [s for area, s in areas if area.kind is AreaKind.CROSSWALK and s.intersects(window)]
    return tuple(
        part for part in shapely.get_parts(found)
        if isinstance(part, shapely.Polygon) and part.area > 1.0
    )  # fmt: skip


def _union(
    areas: list[tuple[Area, Any]], kind: AreaKind, window: shapely.Polygon
) -> shapely.Geometry:
    shapes = [shape for area, shape in areas if area.kind is kind]
    found = shapely.union_all([shapely.make_valid(s) for s in shapes if s.intersects(window)])
    shapely.prepare(found)
    return found


def _moved(shape: Any, middle: np.ndarray) -> Any:
    return shapely.transform(shape, lambda points: points - middle)
