"""nuScenes map expansion (`maps/expansion/CITY.json`) -> map features of the JSON format.

A lane's centreline is stored as arc-line paths: three pieces of constant curvature each, named by
their turns ("LSR" = left, straight, right).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.data.lane_shape import polygon_parts
from drivelab.errors import DataError

CURVATURE_SIGN = {"L": 1.0, "S": 0.0, "R": -1.0}
SPACING = 1.0  # of centreline points [m]
_TABLES = ("polygon", "line", "node", "lane", "lane_connector", "drivable_area", "road_divider",
           "lane_divider", "arcline_path_3")  # fmt: skip
_DIVIDERS = {
    "lane_divider": "ROAD_LINE_BROKEN_SINGLE_WHITE",
    "road_divider": "ROAD_LINE_SOLID_SINGLE_YELLOW",
}


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """One city's tables, indexed by token."""

    file: Path
    tables: Mapping[str, Any]
    nodes: Mapping[str, tuple[float, float]]
    polygons: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, Mapping[str, Any]]
    shapes: dict[str, shapely.Geometry] = field(default_factory=dict)  # polygons built so far


def read_expansion(folder: Path, city: str) -> Expansion:
    """Load the tables of a city from `maps/expansion` below the data root."""
    file = folder / "maps" / "expansion" / f"{city}.json"
    try:
        tables = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            "missing; the map expansion is a download of its own (nuScenes-map-expansion, v1.3)",
            file=file,
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as JSON ({error})", file=file) from error
    missing = [name for name in _TABLES if not isinstance(tables, dict) or name not in tables]
    if missing:
        raise DataError(f"the tables {', '.join(missing)} are missing", file=file)
    try:
        nodes = {row["token"]: (float(row["x"]), float(row["y"])) for row in tables["node"]}
        polygons = {row["token"]: row for row in tables["polygon"]}
        lines = {row["token"]: row for row in tables["line"]}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a row lacks a field ({error!r})", file=file, where="node, polygon or line"
        ) from error
    return Expansion(file, tables, nodes, polygons, lines)


def map_features(city: Expansion, window: shapely.Geometry) -> dict[str, dict[str, Any]]:
    """Lanes, dividers and drivable boundaries that meet the window, in the JSON format."""
    features: dict[str, dict[str, Any]] = {}
    for i, ring in enumerate(_drivable_rings(city, window)):
        features[f"boundary_{i}"] = {"type": "DRIVABLE_BOUNDARY", "polyline": _rounded(ring)}
    for table, kind in _DIVIDERS.items():
        for row in city.tables[table]:
            points = _line(city, table, row)
            if len(points) > 1 and shapely.LineString(points).intersects(window):
                features[row["token"]] = {"type": kind, "polyline": _rounded(points)}
    for table in ("lane", "lane_connector"):
        for row in city.tables[table]:
            points = _centreline(city, row["token"])
            if len(points) < 2 or not shapely.LineString(points).intersects(window):
                continue
            feature = {"type": "LANE_SURFACE_STREET", "polyline": _rounded(points)}
            if table == "lane":
                shape = _polygon(city, row["polygon_token"])
                feature["polygon"] = _rounded(np.array(shape.exterior.coords))
            features[row["token"]] = feature
    return features


def _rounded(points: Float[np.ndarray, "n 2"]) -> list[list[float]]:
    return np.round(points, 3).tolist()  # metres to the millimetre


def _drivable_rings(
    city: Expansion, window: shapely.Geometry
) -> Iterable[Float[np.ndarray, "n 2"]]:
    pieces = [
        _polygon(city, token)
        for row in city.tables["drivable_area"]
        for token in row["polygon_tokens"]
    ]
    near = [piece for piece in pieces if piece.intersects(window)]
    ground = shapely.intersection(shapely.union_all(near), window)
    for part in polygon_parts(ground):
        yield np.array(part.exterior.coords)
        yield from (np.array(hole.coords) for hole in part.interiors)


def _polygon(city: Expansion, token: str) -> shapely.Polygon:
    if token not in city.shapes:
        row = city.polygons.get(token)
        if row is None:
            raise DataError("no polygon with this token", file=city.file, where=token)
        outer = _points(city, row["exterior_node_tokens"], token)
        holes = [_points(city, h["node_tokens"], token) for h in row.get("holes") or ()]
        parts = polygon_parts(shapely.Polygon(outer, [h for h in holes if len(h) > 2]))
        if not parts:
            raise DataError("encloses no area", file=city.file, where=f"polygon {token}")
        city.shapes[token] = parts[0]
    shape = city.shapes[token]
    assert isinstance(shape, shapely.Polygon)
    return shape


def _line(city: Expansion, table: str, row: Mapping[str, Any]) -> Float[np.ndarray, "n 2"]:
    line = city.lines.get(row.get("line_token", ""))
    if line is None:
        raise DataError("its line is missing", file=city.file, where=f"{table} {row.get('token')}")
    return _points(city, line["node_tokens"], str(row.get("token")))


def _points(city: Expansion, tokens: list[str], where: str) -> Float[np.ndarray, "n 2"]:
    try:
        return np.array([city.nodes[token] for token in tokens], float).reshape(-1, 2)
    except KeyError as error:
        raise DataError(f"no node with the token {error}", file=city.file, where=where) from error


def _centreline(city: Expansion, token: str) -> Float[np.ndarray, "n 2"]:
    try:
        pieces = [arc_line(path) for path in city.tables["arcline_path_3"].get(token, ())]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a field is missing or wrong ({error!r})",
            file=city.file,
            where=f"arcline_path_3 {token}",
        ) from error
    return np.concatenate(pieces) if pieces else np.zeros((0, 2))


def arc_line(path: Mapping[str, Any], spacing: float = SPACING) -> Float[np.ndarray, "n 2"]:
    """Points along one path, at most `spacing` [m] apart, both ends kept."""
    lengths = np.array(path["segment_length"], float)
    turn = np.array([CURVATURE_SIGN[sign] for sign in path["shape"]]) / float(path["radius"])
    total = float(lengths.sum())
    at = np.linspace(0.0, total, max(2, int(np.ceil(total / spacing)) + 1))
    x, y, yaw = (float(value) for value in path["start_pose"])
    points = np.empty((len(at), 2))
    begin = 0.0
    for length, curvature in zip(lengths, turn, strict=True):
        inside = at >= begin - 1e-9
        points[inside] = _on_arc(x, y, yaw, curvature, at[inside] - begin)
        x, y = _on_arc(x, y, yaw, curvature, np.array([length]))[0]
        yaw += curvature * length
        begin += length
    return points


def _on_arc(
    x: float, y: float, yaw: float, curvature: float, s: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k 2"]:
    """Points at arc lengths `s` on a circle (or line) that starts at a pose."""
    if curvature == 0:
        return np.column_stack([x + s * np.cos(yaw), y + s * np.sin(yaw)])
    end = yaw + curvature * s
    return np.column_stack(
        [x + (np.sin(end) - np.sin(yaw)) / curvature, y - (np.cos(end) - np.cos(yaw)) / curvature]
    )
