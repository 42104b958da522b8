"""The raster of roads, lines and road users in front of the ego (TransFuser's BEV semantics)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np
import shapely
from jaxtyping import Float, Int, UInt8

from drivelab.agents.features.options import SemanticOptions
from drivelab.agents.features.raster import fill_polygon, thick_lines
from drivelab.agents.features.road_users import boxes_now
from drivelab.geometry.boxes import box_corners
from drivelab.geometry.poses import relative
from drivelab.maps.index import Layer, layer_ids, layer_polygons, objects_near
from drivelab.types import LaneMap, Scene
from drivelab.types.tracks import STATIC_KINDS


class SemanticClass(IntEnum):
    """Classes of the raster in the order of painting: later ones cover earlier ones."""

    NOTHING = 0
    ROAD = 1
    WALKWAY = 2
    CENTRE_LINE = 3
    STATIC = 4
    VEHICLE = 5
    PEDESTRIAN = 6


KINDS = {
    SemanticClass.STATIC: STATIC_KINDS,
    SemanticClass.VEHICLE: ("vehicle",),
    SemanticClass.PEDESTRIAN: ("pedestrian",),
}


def semantic_target(scene: Scene, options: SemanticOptions) -> UInt8[np.ndarray, "h w"]:
    """The present seen from above: rows forward from the ego, columns from its right to its left.

    Args:
        scene: its map and the boxes of its present.
        options: sizes.
    """
    ego = scene.ego.poses[scene.now]
    boxes, kinds = boxes_now(scene)
    return paint(map_shapes(scene.map, ego, options.radius), boxes, kinds, options)


Shapes = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


def map_shapes(lane_map: LaneMap, ego: Float[np.ndarray, "3"], radius: float) -> Shapes:
    """Roads and walkways as outlines, centre lines as polylines: (n, 2) [m] in the ego frame.

    Roads are lanes (not connectors) and intersections; outlines have no holes.
    """
    roads: list[np.ndarray] = []
    walkways: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    for layer, into in (
        (Layer.LANE, roads), (Layer.INTERSECTION, roads), (Layer.WALKWAY, walkways),
    ):  # fmt: skip
        near = set(objects_near(lane_map, layer, ego[:2], radius))
        polygons = zip(layer_ids(lane_map, layer), layer_polygons(lane_map, layer), strict=True)
        into.extend(
            _in_ego(ring, ego) for name, shape in polygons if name in near for ring in _rings(shape)
        )
    for layer in (Layer.LANE, Layer.LANE_CONNECTOR):
        for name in objects_near(lane_map, layer, ego[:2], radius):
            lines.append(_in_ego(lane_map.lanes[name].centreline[:, :2], ego))
    return roads, walkways, lines


def paint(
    shapes: Shapes, boxes: Float[np.ndarray, "n 5"], kinds: Sequence[str], options: SemanticOptions
) -> UInt8[np.ndarray, "h w"]:
    """Classes of all pixels.

    Args:
        shapes: of `map_shapes`.
        boxes: x, y, yaw, length, width in the ego frame.
        kinds: of the boxes.
        options: sizes.
    """
    roads, walkways, lines = shapes
    corners = box_corners(boxes)
    canvas = np.zeros((options.columns, options.rows), np.uint8)  # y by x, as it is painted
    for number, outlines in ((SemanticClass.ROAD, roads), (SemanticClass.WALKWAY, walkways)):
        _cover(canvas, number, outlines, options)
    mask = np.zeros(canvas.shape, bool)
    for line in lines:
        thick_lines(mask, to_pixels(line, options), options.thickness)
    canvas[mask] = SemanticClass.CENTRE_LINE
    for number, wanted in KINDS.items():
        chosen = (corners[n] for n, kind in enumerate(kinds) if kind in wanted)
        _cover(canvas, number, chosen, options)
    return np.ascontiguousarray(canvas.T)


def to_pixels(points: Float[np.ndarray, "n 2"], options: SemanticOptions) -> Int[np.ndarray, "n 2"]:
    """(column, row) on the canvas of x, y [m]: cut towards zero, after y was moved to the middle.

    So x just behind the ego falls on its own row, as in the original.
    """
    moved = np.asarray(points, float) / options.pixel + [0.0, options.columns / 2]
    return np.trunc(moved).astype(np.int64)


def _cover(
    canvas: np.ndarray, number: int, outlines: Iterable[np.ndarray], options: SemanticOptions
) -> None:
    mask = np.zeros(canvas.shape, bool)
    for outline in outlines:
        fill_polygon(mask, to_pixels(outline, options))
    canvas[mask] = number


def _rings(shape: shapely.Geometry) -> list[np.ndarray]:
    """Outer rings of a polygon or of several."""
    parts = shapely.get_parts(shape)
    return [np.asarray(part.exterior.coords)[:, :2] for part in parts if not part.is_empty]


def _in_ego(points: Float[np.ndarray, "n 2"], ego: Float[np.ndarray, "3"]) -> np.ndarray:
    return relative(ego, np.column_stack([points, np.zeros(len(points))]))[:, :2]
