"""The drivable-area map of a scene: the polygons that the NAVSIM scores ask about, as flat arrays.

Order and kinds follow NAVSIM (pdms v1.1 and v2.2): blocks, the lanes inside them, the connectors
inside connector blocks, intersections, car parks; then areas of kind "drivable", which NAVSIM's own
maps do not have but other logs do. Connector blocks themselves are not in the list. Coordinates are
relative to `origin`, so that UTM-sized maps lose no digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int

from drivelab.kernels import ego_area
from drivelab.kernels.polygons import build_polygon_set
from drivelab.maps.index import Layer, layer_ids, layer_polygons, objects_near
from drivelab.types.lane_map import LaneMap

RADIUS = 100.0  # half-width of the window about the ego centre [m]

_KIND_OF_AREA = (
    (Layer.INTERSECTION, ego_area.INTERSECTION),
    (Layer.CARPARK, ego_area.CARPARK),
    (Layer.DRIVABLE, ego_area.DRIVABLE),
)


@dataclass(frozen=True, slots=True, eq=False)
class DrivableMap:
    """Polygons by row: id, kind (codes of `drivelab.kernels.ego_area`), whether on the route."""

    ids: tuple[str, ...]
    kinds: Int[np.ndarray, " p"]
    on_route: Bool[np.ndarray, " p"]
    polygons: tuple[np.ndarray, ...]  # see drivelab.kernels.polygons
    origin: Float[np.ndarray, "2"]

    def with_route(self, route_lanes: Iterable[str]) -> DrivableMap:
        """Mark the lanes and connectors of a route."""
        wanted = set(route_lanes)
        lane = (self.kinds == ego_area.LANE) | (self.kinds == ego_area.LANE_CONNECTOR)
        marks = np.fromiter((name in wanted for name in self.ids), bool, len(self.ids))
        return replace(self, on_route=marks & lane)


def drivable_map(
    lane_map: LaneMap,
    center: Float[np.ndarray, "2"],
    origin: Float[np.ndarray, "2"],
    radius: float = RADIUS,
) -> DrivableMap:
    """Collect the polygons whose object meets the map's window about `center` [m]."""
    ids: list[str] = []
    kinds: list[int] = []
    shapes: list[shapely.Geometry] = []
    for layer, lane_kind in (
        (Layer.ROADBLOCK, ego_area.LANE),
        (Layer.ROADBLOCK_CONNECTOR, ego_area.LANE_CONNECTOR),
    ):
        blocks = objects_near(lane_map, layer, center, radius)
        if layer is Layer.ROADBLOCK:
            ids += blocks
            kinds += [ego_area.ROADBLOCK] * len(blocks)
            shapes += [lane_map.blocks[name].polygon for name in blocks]
        inside = [lane for name in blocks for lane in lane_map.blocks[name].lanes]
        ids += inside
        kinds += [lane_kind] * len(inside)
        shapes += [lane_map.lanes[name].polygon for name in inside]
    for layer, kind in _KIND_OF_AREA:
        found = set(objects_near(lane_map, layer, center, radius))
        for name, polygon in zip(
            layer_ids(lane_map, layer), layer_polygons(lane_map, layer), strict=True
        ):
            if name in found:
                ids.append(name)
                kinds.append(kind)
                shapes.append(polygon)
    return DrivableMap(
        ids=tuple(ids),
        kinds=np.array(kinds, np.int64),
        on_route=np.zeros(len(ids), bool),
        polygons=polygon_arrays(shapes, origin),
        origin=np.asarray(origin, float),
    )


def polygon_arrays(
    shapes: list[shapely.Geometry], origin: Float[np.ndarray, "2"]
) -> tuple[np.ndarray, ...]:
    """Pack (multi)polygons with holes into the arrays of `drivelab.kernels.polygons`."""
    if not shapes:
        return build_polygon_set(np.zeros((0, 4)), np.zeros(1, np.int64))
    parts, owner_of_part = shapely.get_parts(np.array(shapes, object), return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    points = points - origin
    same_ring = ring_of_point[1:] == ring_of_point[:-1]
    edges = np.concatenate([points[:-1], points[1:]], 1)[same_ring]
    owner = owner_of_part[part_of_ring[ring_of_point[:-1][same_ring]]]
    start = np.searchsorted(owner, np.arange(len(shapes) + 1))
    return build_polygon_set(np.ascontiguousarray(edges), start.astype(np.int64))
