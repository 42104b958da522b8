"""Spatial queries on a lane map, layer by layer, with one STR tree per layer built on first use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.types.lane_map import AreaKind, LaneMap, Window


class Layer(StrEnum):
    """The kinds of map objects that can be asked for."""

    LANE = "lane"
    LANE_CONNECTOR = "lane_connector"
    ROADBLOCK = "roadblock"
    ROADBLOCK_CONNECTOR = "roadblock_connector"
    INTERSECTION = "intersection"
    CARPARK = "carpark"
    DRIVABLE = "drivable"
    GENERIC = "generic"
    ROAD_SEGMENT = "road_segment"
    STOP = "stop"
    CROSSWALK = "crosswalk"
    WALKWAY = "walkway"


@dataclass(frozen=True, slots=True, eq=False)
class _LayerIndex:
    ids: tuple[str, ...]
    polygons: np.ndarray
    shapes: np.ndarray  # what window and distance queries test (connectors may be lines)
    polygon_tree: Any
    shape_tree: Any


def objects_at(lane_map: LaneMap, layer: Layer, point: Float[np.ndarray, "2"]) -> list[str]:
    """Ids of the objects whose polygon strictly contains the point, in map order."""
    index = _layer_index(lane_map, layer)
    hits = index.polygon_tree.query(shapely.Point(point[0], point[1]), predicate="within")
    return [index.ids[i] for i in np.sort(hits)]


def objects_near(
    lane_map: LaneMap, layer: Layer, point: Float[np.ndarray, "2"], radius: float
) -> list[str]:
    """Ids of the objects that meet the map's window of half-width `radius` [m], in map order."""
    index = _layer_index(lane_map, layer)
    x, y = float(point[0]), float(point[1])
    if lane_map.window is Window.SQUARE:
        window = shapely.box(x - radius, y - radius, x + radius, y + radius)
        hits = index.shape_tree.query(window, predicate="intersects")
    else:
        hits = index.polygon_tree.query(shapely.Point(x, y), predicate="dwithin", distance=radius)
    return [index.ids[i] for i in np.sort(hits)]


def nearest_object(
    lane_map: LaneMap, layer: Layer, point: Float[np.ndarray, "2"]
) -> tuple[str, float] | None:
    """The object nearest to the point and its distance [m] (0 inside); None in an empty layer."""
    index = _layer_index(lane_map, layer)
    if not index.ids:
        return None
    distance = shapely.distance(index.shapes, shapely.Point(point[0], point[1]))
    best = int(np.argmin(distance))
    return index.ids[best], float(distance[best])


def objects_meeting(lane_map: LaneMap, layer: Layer, geometry: Any) -> list[str]:
    """Ids of the objects whose polygon intersects a shapely geometry, in map order."""
    index = _layer_index(lane_map, layer)
    return [index.ids[i] for i in np.sort(index.polygon_tree.query(geometry, "intersects"))]


def layer_ids(lane_map: LaneMap, layer: Layer) -> tuple[str, ...]:
    """All ids of a layer in map order."""
    return _layer_index(lane_map, layer).ids


def layer_polygons(lane_map: LaneMap, layer: Layer) -> np.ndarray:
    """Polygons of a layer, in the order of `layer_ids`."""
    return _layer_index(lane_map, layer).polygons


def _layer_index(lane_map: LaneMap, layer: Layer) -> _LayerIndex:
    key = f"index/{layer}"
    found = lane_map.cache.get(key)
    if not isinstance(found, _LayerIndex):
        found = _build(lane_map, layer)
        lane_map.cache[key] = found
    return found


def _build(lane_map: LaneMap, layer: Layer) -> _LayerIndex:
    ids, polygons, shapes = _members(lane_map, layer)
    polygon_array = np.array(polygons, dtype=object)
    shape_array = np.array(shapes, dtype=object)
    return _LayerIndex(
        tuple(ids),
        polygon_array,
        shape_array,
        shapely.STRtree(polygon_array),
        shapely.STRtree(shape_array),
    )


def _members(lane_map: LaneMap, layer: Layer) -> tuple[Sequence[str], Sequence[Any], Sequence[Any]]:
    if layer in (Layer.LANE, Layer.LANE_CONNECTOR):
        wanted = layer is Layer.LANE_CONNECTOR
        lanes = [lane for lane in lane_map.lanes.values() if lane.connector == wanted]
        polygons = [lane.polygon for lane in lanes]
        lines = [
            shapely.LineString(lane.line) if lane.line is not None else lane.polygon
            for lane in lanes
        ]
        return [lane.id for lane in lanes], polygons, lines
    if layer in (Layer.ROADBLOCK, Layer.ROADBLOCK_CONNECTOR):
        wanted = layer is Layer.ROADBLOCK_CONNECTOR
        blocks = [block for block in lane_map.blocks.values() if block.connector == wanted]
        return [b.id for b in blocks], [b.polygon for b in blocks], [b.polygon for b in blocks]
    kind = AreaKind(layer.value)
    areas = [area for area in lane_map.areas if area.kind is kind]
    return [a.id for a in areas], [a.polygon for a in areas], [a.polygon for a in areas]
