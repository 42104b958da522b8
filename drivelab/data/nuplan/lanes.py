"""Lanes and lane connectors of a nuPlan city: polygons, centrelines, neighbours, stop lines."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.data.geopackage import Layer
from drivelab.data.nuplan.layers import CityLayers
from drivelab.errors import DataError
from drivelab.geometry.polyline import with_headings
from drivelab.types import Area, Lane

TURNS = ("straight", "left", "right", "u_turn", "unknown")
LANE_KINDS = ("vehicle", "bicycle")
_POLYGONS = "gen_lane_connectors_scaled_width_polygons"


def identifier(value: Any) -> str:
    """A foreign key as a string: integers, floats of columns with empty cells; "" for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        return ""
    return str(int(value))


def grouped(keys: Iterable[str], values: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Values by key, both in their order; the empty key is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        if key:
            found[key].append(value)
    return {key: tuple(members) for key, members in found.items()}


def build_lanes(city: CityLayers, stops: Mapping[str, Area]) -> dict[str, Lane]:
    """All lanes, then all connectors, each in the order of its table."""
    connectors = city["lane_connectors"]
    names = [str(fid) for fid in connectors.ids]
    exits = [identifier(value) for value in connectors.columns["exit_lane_fid"]]
    entries = [identifier(value) for value in connectors.columns["entry_lane_fid"]]
    lines = _lines(city["boundaries"], city)
    lanes = _lanes(city, lines, grouped(exits, names), grouped(entries, names))
    for lane in _connectors(city, lines, stops, exits, entries):
        if lane.id in lanes:
            raise DataError(
                f"connector {lane.id} has the id of a lane", file=city.file, where=connectors.name
            )
        lanes[lane.id] = lane
    return lanes


def _lanes(
    city: CityLayers,
    lines: Mapping[str, np.ndarray],
    successors: Mapping[str, tuple[str, ...]],
    predecessors: Mapping[str, tuple[str, ...]],
) -> dict[str, Lane]:
    layer, table = city["lanes_polygons"], city["lanes_polygons"].columns
    paths = _baselines(city, "lane_fid")
    blocks = [identifier(value) for value in table["lane_group_fid"]]
    places = [int(identifier(value) or 0) for value in table["lane_index"]]
    at_place = {
        (block, place): str(fid)
        for block, place, fid in zip(blocks, places, layer.ids, strict=True)
    }
    lanes: dict[str, Lane] = {}
    for row, fid in enumerate(layer.ids):
        name, block, place = str(fid), blocks[row], places[row]
        path = _centreline(paths, name, city, layer)
        kind = identifier(table["lane_type_fid"][row])
        lanes[name] = Lane(
            name,
            path,
            _polygon(layer.geometries[row], city, f"{layer.name} fid {fid}"),
            block=block,
            speed_limit=_speed(table["speed_limit_mps"][row]),
            successors=successors.get(name, ()),
            predecessors=predecessors.get(name, ()),
            left=at_place.get((block, place - 1)),
            right=at_place.get((block, place + 1)),
            left_boundary=_along(lines.get(identifier(table["left_boundary_fid"][row])), path),
            right_boundary=_along(lines.get(identifier(table["right_boundary_fid"][row])), path),
            kind=LANE_KINDS[1] if kind == "1" else LANE_KINDS[0],
            index=place,
        )
    return lanes


def _connectors(
    city: CityLayers,
    lines: Mapping[str, np.ndarray],
    stops: Mapping[str, Area],
    exits: Sequence[str],
    entries: Sequence[str],
) -> Iterable[Lane]:
    layer, table = city["lane_connectors"], city["lane_connectors"].columns
    paths, shapes = _baselines(city, "lane_connector_fid"), city[_POLYGONS]
    rows = {identifier(v): i for i, v in enumerate(shapes.columns["lane_connector_fid"])}
    for row, fid in enumerate(layer.ids):
        name = str(fid)
        path = _centreline(paths, name, city, layer)
        if name not in rows:
            raise DataError(
                "no polygon for this connector", file=city.file, where=f"{_POLYGONS}, {name}"
            )
        sides = (shapes.columns[f"{side}_boundary_fid"][rows[name]] for side in ("left", "right"))
        left, right = (_along(lines.get(identifier(value)), path) for value in sides)
        stop_text = str(table["traffic_light_stop_line_fids"][row] or "")
        yield Lane(
            name,
            path,
            _polygon(shapes.geometries[rows[name]], city, f"{_POLYGONS}, {name}"),
            connector=True,
            block=identifier(table["lane_group_connector_fid"][row]),
            speed_limit=_speed(table["speed_limit_mps"][row]),
            successors=(entries[row],) if entries[row] else (),
            predecessors=(exits[row],) if exits[row] else (),
            left_boundary=left,
            right_boundary=right,
            line=_vertices(layer.geometries[row], city, f"{layer.name} fid {fid}"),
            stop_lines=_stop_lines(stop_text, stops, path),
            has_traffic_lights=bool(stop_text.strip()),
            turn=_turn(table["turn_type_fid"][row]),
        )


def _baselines(city: CityLayers, column: str) -> dict[str, np.ndarray]:
    layer = city["baseline_paths"]
    paths: dict[str, np.ndarray] = {}
    for row, value in enumerate(layer.columns[column]):
        name, where = identifier(value), f"baseline_paths fid {layer.ids[row]}"
        if not name:
            continue
        if name in paths:
            raise DataError(f"second path with {column} {name}", file=city.file, where=where)
        paths[name] = _vertices(layer.geometries[row], city, where)
    return paths


def _centreline(
    paths: Mapping[str, np.ndarray], name: str, city: CityLayers, layer: Layer
) -> Float[np.ndarray, "n 3"]:
    if name not in paths:
        raise DataError(
            f"no baseline path for {layer.name} fid {name}", file=city.file, where="baseline_paths"
        )
    return with_headings(paths[name])


def _lines(layer: Layer, city: CityLayers) -> dict[str, np.ndarray]:
    return {
        str(fid): _vertices(line, city, f"{layer.name} fid {fid}")
        for fid, line in zip(layer.ids, layer.geometries, strict=True)
        if line is not None
    }


def _vertices(line: Any, city: CityLayers, where: str) -> Float[np.ndarray, "n 2"]:
    """Vertices of a line; multi-lines are merged, which must leave one piece."""
    if line is not None and line.geom_type == "MultiLineString":
        line = shapely.line_merge(line)
        if line.geom_type == "MultiLineString" and len(line.geoms) == 1:
            line = line.geoms[0]
    if line is None or line.geom_type != "LineString" or len(line.coords) < 2:
        kind = "nothing" if line is None else line.geom_type
        raise DataError(
            f"holds {kind}, expected a line of two points or more", file=city.file, where=where
        )
    return shapely.get_coordinates(line)


def _polygon(shape: Any, city: CityLayers, where: str) -> Any:
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
        kind = "nothing" if shape is None else shape.geom_type
        raise DataError(f"holds {kind}, expected a polygon", file=city.file, where=where)
    if shape.geom_type == "MultiPolygon" and len(shape.geoms) == 1:
        return shape.geoms[0]
    return shape


def _along(
    line: np.ndarray | None, path: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "m 2"] | None:
    """A boundary in the direction of its lane; files may hold it the other way round."""
    if line is None:
        return None
    start, end = path[0, :2], path[-1, :2]
    same = np.hypot(*(line[0] - start)) + np.hypot(*(line[-1] - end))
    swapped = np.hypot(*(line[-1] - start)) + np.hypot(*(line[0] - end))
    return line if same <= swapped else line[::-1]


def _stop_lines(
    text: str, stops: Mapping[str, Area], path: Float[np.ndarray, "n 3"]
) -> tuple[str, ...]:
    """The named stop polygons that meet the path; if none does, the one nearest to its start."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    known = [name for name in (identifier(part) for part in named) if name in stops]
    if not known:
        return ()
    line = shapely.LineString(path[:, :2])
    meeting = tuple(name for name in known if stops[name].polygon.intersects(line))
    if meeting:
        return meeting
    start = shapely.Point(path[0, :2])
    return (min(known, key=lambda name: stops[name].polygon.distance(start)),)


def _speed(value: Any) -> float | None:
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _turn(value: Any) -> str:
    code = identifier(value)
    return TURNS[int(code)] if code and int(code) < len(TURNS) else "unknown"
