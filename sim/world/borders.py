"""The border of the drivable area: one area out of all that counts, as oriented segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.types import AreaKind, LaneMap

CLOSE = 0.025  # neighbours up to twice this far apart count as touching [m]
SMALLEST_HOLE = 0.1  # holes below this area are gaps between neighbours, not islands [m^2]
TOLERANCE = 0.01  # the border may leave the source's outline by so much [m]
VIEW_TOLERANCE = 0.1  # the same for the border as it is observed [m]

# The kinds that the NAVSIM scores count as drivable, see drivelab.maps.drivable.
DRIVABLE_KINDS = (AreaKind.INTERSECTION, AreaKind.CARPARK, AreaKind.DRIVABLE)


def drivable_area(lane_map: LaneMap, origin: Float[np.ndarray, "2"]) -> Any:
    """Union of lanes, blocks and drivable areas as a (multi)polygon relative to `origin` [m].

    Gaps of up to 2 CLOSE between neighbours are closed, by growing and shrinking the union with
    mitred corners; straight edges stay where they are.
    """
    shapes = [lane.polygon for lane in lane_map.lanes.values()]
    shapes += [block.polygon for block in lane_map.blocks.values() if not block.connector]
    shapes += [area.polygon for area in lane_map.areas if area.kind in DRIVABLE_KINDS]
    moved = shapely.transform(np.array(shapes, object), lambda xy: xy - origin)
    broken = ~shapely.is_valid(moved)
    moved[broken] = shapely.make_valid(moved[broken])
    grown = shapely.buffer(moved, CLOSE, join_style="mitre")
    united = shapely.buffer(shapely.union_all(grown), -CLOSE, join_style="mitre")
    slim = shapely.simplify(united, TOLERANCE)
    parts = [part for part in shapely.get_parts(slim) if part.geom_type == "Polygon"]
    return shapely.orient_polygons(
        shapely.MultiPolygon([_without_gaps(part) for part in parts if part.area > SMALLEST_HOLE])
    )


def _without_gaps(polygon: shapely.Polygon) -> shapely.Polygon:
    holes = [hole for hole in polygon.interiors if shapely.Polygon(hole).area > SMALLEST_HOLE]
    return (
        polygon
        if len(holes) == len(polygon.interiors)
        else shapely.Polygon(polygon.exterior, holes)
    )


def ring_segments(area: Any) -> Float[np.ndarray, "b 4"]:
    """All edges (ax, ay, bx, by) of a (multi)polygon; inside lies to their left when oriented."""
    rings = shapely.get_rings(shapely.get_parts(area))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    edges = np.concatenate([points[:-1], points[1:]], 1)[same]
    long = (edges[:, 0] != edges[:, 2]) | (edges[:, 1] != edges[:, 3])
    return np.ascontiguousarray(edges[long])
