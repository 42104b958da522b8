"""The still part of a picture: ground, drivable area, lanes with direction, route, red lights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, sample, with_headings
from drivelab.maps.index import Layer, layer_polygons, objects_meeting
from drivelab.reports.shapes import Path, Shape, line_path, polygon_path
from drivelab.reports.view import View
from drivelab.types import Lane, Scene

_ARROW_SPACING = 18.0  # [m]
_ARROW_LENGTH = 5.0  # [picture units]
_ROAD_LAYERS = (
    Layer.ROADBLOCK,
    Layer.ROADBLOCK_CONNECTOR,
    Layer.INTERSECTION,
    Layer.DRIVABLE,
    Layer.GENERIC,
    Layer.ROAD_SEGMENT,
    Layer.LANE,
    Layer.LANE_CONNECTOR,
)


def map_layers(scene: Scene, view: View) -> list[Shape]:
    """Everything that does not move, from back to front."""
    window = view.map_window()
    shapely.prepare(window)
    lanes = _lanes(scene, window)
    paths = [
        _area(scene, view, window, "walkway", (Layer.WALKWAY,)),
        _area(scene, view, window, "carpark", (Layer.CARPARK,)),
        _area(scene, view, window, "road", _ROAD_LAYERS),
        _route(scene, view, window),
        _area(scene, view, window, "crosswalk", (Layer.CROSSWALK,)),
        _lane_borders(view, lanes),
        line_path("centre", (view.points(lane.centreline[:, :2]) for lane in lanes)),
        _arrows(view, lanes),
        *_red_lights(scene, view, lanes),
    ]
    return [path for path in paths if path is not None]


def light_layers(scene: Scene, view: View) -> list[Path]:
    """Only the red lights of the scene's current frame."""
    red = scene.red_lights[scene.now] if scene.now < len(scene.red_lights) else ()
    lanes = [scene.map.lanes[name] for name in red if name in scene.map.lanes]
    return [path for path in _red_lights(scene, view, lanes) if path is not None]


def _lanes(scene: Scene, window: shapely.Polygon) -> list[Lane]:
    ids = [
        *objects_meeting(scene.map, Layer.LANE, window),
        *objects_meeting(scene.map, Layer.LANE_CONNECTOR, window),
    ]
    return [scene.map.lanes[lane_id] for lane_id in ids]


def _area(
    scene: Scene, view: View, window: shapely.Polygon, role: str, layers: Sequence[Layer]
) -> Path | None:
    seen: list[shapely.Geometry] = []
    for layer in layers:
        polygons = layer_polygons(scene.map, layer)
        if len(polygons):
            seen.extend(polygons[shapely.intersects(window, polygons)])
    return _merged(role, view, seen)


def _merged(role: str, view: View, polygons: Iterable[shapely.Geometry]) -> Path | None:
    drawn = [shapely.make_valid(view.geometry(polygon)) for polygon in polygons]
    return polygon_path(role, shapely.union_all(drawn)) if drawn else None


def _route(scene: Scene, view: View, window: shapely.Polygon) -> Path | None:
    blocks = [scene.map.blocks[block] for block in scene.route if block in scene.map.blocks]
    return _merged(
        "route", view, [b.polygon for b in blocks if shapely.intersects(window, b.polygon)]
    )


def _lane_borders(view: View, lanes: Sequence[Lane]) -> Path | None:
    """Outlines of lanes; connectors overlap inside junctions and would only clutter them."""
    rings = (
        np.asarray(lane.polygon.exterior.coords)[:, :2] for lane in lanes if not lane.connector
    )
    return line_path("lane", (view.points(ring) for ring in rings))


def _arrows(view: View, lanes: Sequence[Lane]) -> Path | None:
    """Chevrons along the centrelines of lanes."""
    chevrons: list[Float[np.ndarray, "3 2"]] = []
    wing = _ARROW_LENGTH / (view.scale * view.fineness)
    for lane in lanes:
        if lane.connector or len(lane.centreline) < 2:
            continue
        path = with_headings(lane.centreline[:, :2])
        length = float(arc_lengths(path)[-1])
        for pose in sample(path, np.arange(_ARROW_SPACING / 2, length, _ARROW_SPACING)):
            back = pose[2] + np.pi + np.array([0.6, -0.6])
            tips = pose[:2] + wing * np.column_stack([np.cos(back), np.sin(back)])
            chevrons.append(view.points(np.stack([tips[0], pose[:2], tips[1]])))
    return line_path("arrow", chevrons)


def _red_lights(scene: Scene, view: View, lanes: Sequence[Lane]) -> list[Path | None]:
    """Red connectors as lines with a stop bar across their start."""
    red_ids = scene.red_lights[scene.now] if scene.now < len(scene.red_lights) else ()
    red = [lane for lane in lanes if lane.id in red_ids and len(lane.centreline) >= 2]
    bars = []
    for lane in red:
        start = lane.centreline[0, :2]
        yaw = with_headings(lane.centreline[:2, :2])[0, 2]
        across = 1.5 * np.array([-np.sin(yaw), np.cos(yaw)])
        bars.append(view.points(np.stack([start + across, start - across])))
    lines = (view.points(lane.centreline[:, :2]) for lane in red)
    return [line_path("red_light", lines), line_path("stop_bar", bars)]
