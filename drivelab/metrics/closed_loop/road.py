"""The road under a driven path: which lanes and areas hold which points of the ego, by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Bool, Float, UInt8

from drivelab.geometry.polyline import arc_lengths
from drivelab.kernels.places import (
    CENTER,
    CORNERS,
    REAR_AXLE,
    off_distances,
    place_masks,
    points_held,
    project_points,
)
from drivelab.kernels.polylines import chunk_bounds
from drivelab.maps.drivable import polygon_arrays
from drivelab.maps.index import Layer, layer_ids, layer_polygons, objects_near
from drivelab.types import LaneMap

MARGIN = 15.0  # of the window about the path [m]
EDGE_TOLERANCE = 0.05  # seams between polygons that are no road border [m]

_LANES = (Layer.LANE, Layer.LANE_CONNECTOR)
_BLOCKS = (Layer.ROADBLOCK, Layer.ROADBLOCK_CONNECTOR)
_AREAS = (Layer.INTERSECTION, Layer.CARPARK, Layer.DRIVABLE, Layer.GENERIC)


@dataclass(frozen=True, slots=True, eq=False)
class Road:
    """Polygons near a path, relative to `origin`, in the order of the map.

    All of them are drivable: lanes, connectors, their blocks, intersections, car parks and the
    drivable areas of the source. `lane` marks the rows that vehicles drive along.
    """

    map: LaneMap
    origin: Float[np.ndarray, "2"]
    ids: tuple[str, ...]
    lane: Bool[np.ndarray, " p"]
    intersection: Bool[np.ndarray, " p"]
    polygons: tuple[np.ndarray, ...]

    def masks(
        self, states: Float[np.ndarray, "t 11"], size: Float[np.ndarray, "3"]
    ) -> UInt8[np.ndarray, "t p"]:
        """Bits of the ego's points in each polygon (see `drivelab.kernels.places`)."""
        return place_masks(states, size, self.polygons)

    def off_distance(
        self,
        states: Float[np.ndarray, "t 11"],
        size: Float[np.ndarray, "3"],
        masks: UInt8[np.ndarray, "t p"],
    ) -> Float[np.ndarray, " t"]:
        """How far the worst corner is off everything drivable [m]."""
        return off_distances(states, size, self.polygons, np.ones(len(self.ids), bool), masks)

    def holds(self, points: Float[np.ndarray, "k 2"]) -> Bool[np.ndarray, " k"]:
        """Whether each point stands on something drivable."""
        return points_held(points, self.polygons)

    def in_intersection(self, masks: UInt8[np.ndarray, "t p"]) -> Bool[np.ndarray, " t"]:
        """Whether the rear axle stands in an intersection."""
        return ((masks[:, self.intersection] & REAR_AXLE) != 0).any(1)

    def lanes_of_center(self, masks: UInt8[np.ndarray, "t p"]) -> list[tuple[str, ...]]:
        """Ids of the lanes and connectors under the box centre at each step, in map order."""
        rows = np.flatnonzero(self.lane)
        inside = (masks[:, rows] & CENTER) != 0
        changed = np.concatenate([[True], (inside[1:] != inside[:-1]).any(1)])
        found: list[tuple[str, ...]] = []
        for step, new in enumerate(changed):
            names = tuple(self.ids[rows[k]] for k in np.flatnonzero(inside[step])) if new else ()
            found.append(names if new else found[-1])
        return found

    def one_lane_holds_all(self, masks: UInt8[np.ndarray, "t p"]) -> Bool[np.ndarray, " t"]:
        """Whether some lane or connector holds all four corners."""
        return ((masks[:, self.lane] & CORNERS) == CORNERS).any(1)

    def lanes_of_corners(self, mask: UInt8[np.ndarray, " p"]) -> list[frozenset[str]]:
        """Lanes and connectors of the corners FL, RL, RR, FR of one step."""
        rows = np.flatnonzero(self.lane & ((mask & CORNERS) != 0))
        return [
            frozenset(self.ids[row] for row in rows if mask[row] & (1 << corner))
            for corner in range(4)
        ]


def road_under(
    lane_map: LaneMap, points: Float[np.ndarray, "k columns"], origin: Float[np.ndarray, "2"]
) -> Road:
    """Collect the polygons of the map within reach of points (relative to `origin`)."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    center = (low + high) / 2 + origin
    radius = float(np.hypot(*(high - low))) / 2 + MARGIN
    ids: list[str] = []
    shapes: list[shapely.Geometry] = []
    layers: list[Layer] = []
    for layer in (*_LANES, *_BLOCKS, *_AREAS):
        found = objects_near(lane_map, layer, center, radius)
        ids += found
        shapes += _polygons(lane_map, layer, found)
        layers += [layer] * len(found)
    lane = [
        layer in _LANES and lane_map.lanes[name].kind != "bicycle"
        for layer, name in zip(layers, ids, strict=True)
    ]
    return Road(
        map=lane_map,
        origin=origin,
        ids=tuple(ids),
        lane=np.array(lane, bool),
        intersection=np.array([layer is Layer.INTERSECTION for layer in layers], bool),
        polygons=polygon_arrays(shapes, origin),
    )


def _polygons(lane_map: LaneMap, layer: Layer, names: list[str]) -> list[shapely.Geometry]:
    if layer in _LANES:
        return [lane_map.lanes[name].polygon for name in names]
    if layer in _BLOCKS:
        return [lane_map.blocks[name].polygon for name in names]
    pairs = zip(layer_ids(lane_map, layer), layer_polygons(lane_map, layer), strict=True)
    wanted = set(names)
    return [polygon for name, polygon in pairs if name in wanted]


def along(
    line: Float[np.ndarray, "n columns"], query: Float[np.ndarray, "k 2"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Arc lengths of the nearest points of a polyline, and the distances to them [m]."""
    points = np.ascontiguousarray(line[:, :2], float)
    if len(points) < 2:
        gap = np.hypot(*(query - points[0]).T)
        return np.zeros(len(query)), gap
    found = project_points(
        points, arc_lengths(points), chunk_bounds(points), np.ascontiguousarray(query, float)
    )
    return found[:, 0], found[:, 1]
