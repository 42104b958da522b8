"""Argoverse 2 map archives (`log_map_archive_*.json`) -> `LaneMap`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.data.lane_shape import area_between, drop_repeats, midline, polygon_parts
from drivelab.data.log_map import LaneGraph, build_lane_map
from drivelab.errors import DataError
from drivelab.geometry.polyline import with_headings
from drivelab.types import Area, AreaKind, Lane, LaneMap

_KINDS = {"VEHICLE": "vehicle", "BUS": "bus", "BIKE": "bicycle"}
_KEYS = ("drivable_areas", "lane_segments", "pedestrian_crossings")


def load_map(file: Path) -> LaneMap:
    """Read one map archive."""
    tables = _read(file)
    lanes: dict[str, Lane] = {}
    spare: list[shapely.Polygon] = []
    inside = set()
    for key, record in tables["lane_segments"].items():
        lane, parts = _lane(record, file, f"lane_segments[{key}]")
        lanes[lane.id] = lane
        spare += parts
        if record.get("is_intersection"):
            inside.add(lane.id)
    if not lanes:
        raise DataError("no lane segments; expected at least one", file=file, where="lane_segments")
    drivable = [
        part
        for key, record in tables["drivable_areas"].items()
        for part in _ring(record, "area_boundary", file, f"drivable_areas[{key}]")
    ]
    crossings = tuple(
        area
        for key, record in tables["pedestrian_crossings"].items()
        for area in _crossing(record, key, file)
    )
    graph = LaneGraph(file.stem, lanes, inside, drivable, spare, crossings)
    return build_lane_map(graph)


def _read(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        tables = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as JSON ({error})", file=file) from error
    for key in _KEYS:
        if not isinstance(tables, dict) or not isinstance(tables.get(key), dict):
            raise DataError("expected an object of id: record", file=file, where=f"key {key!r}")
    return tables


def _lane(record: Mapping[str, Any], file: Path, where: str) -> tuple[Lane, list[shapely.Polygon]]:
    left = _points(record, "left_lane_boundary", file, where)
    right = _points(record, "right_lane_boundary", file, where)
    parts = area_between(left, right)
    if not parts:
        raise DataError("its boundaries enclose no area", file=file, where=where)
    lane_type = record.get("lane_type")
    if lane_type not in _KINDS:
        raise DataError(
            f"lane_type is {lane_type!r}, expected one of {sorted(_KINDS)}", file=file, where=where
        )
    if "centerline" in record:
        line = with_headings(drop_repeats(_points(record, "centerline", file, where)))
    else:
        line = midline(left, right)
    lane = Lane(
        str(record["id"]),
        line,
        parts[0],
        kind=_KINDS[lane_type],
        successors=tuple(str(key) for key in record.get("successors") or ()),
        predecessors=tuple(str(key) for key in record.get("predecessors") or ()),
        left=_optional(record.get("left_neighbor_id")),
        right=_optional(record.get("right_neighbor_id")),
        left_boundary=left,
        right_boundary=right,
    )
    return lane, parts[1:]


def _optional(key: object) -> str | None:
    return None if key is None else str(key)


def _points(
    record: Mapping[str, Any], key: str, file: Path, where: str
) -> Float[np.ndarray, "n 2"]:
    try:
        points = np.array([(p["x"], p["y"]) for p in record[key]], float)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"expected a list of points with x and y ({error!r})", file=file, where=f"{where}.{key}"
        ) from error
    if len(points) < 2 or not np.isfinite(points).all():
        raise DataError(
            f"expected at least 2 finite points, found {len(points)}",
            file=file,
            where=f"{where}.{key}",
        )
    return points


def _ring(record: Mapping[str, Any], key: str, file: Path, where: str) -> list[shapely.Polygon]:
    points = _points(record, key, file, where)
    return polygon_parts(shapely.Polygon(points)) if len(points) > 2 else []


def _crossing(record: Mapping[str, Any], key: str, file: Path) -> list[Area]:
    edges = [
        _points(record, edge, file, f"pedestrian_crossings[{key}]") for edge in ("edge1", "edge2")
    ]
    # The two edges may run in opposite directions; the hull is the strip in either case.
    hull = shapely.MultiPoint(np.vstack(edges)).convex_hull
    return [Area(key, AreaKind.CROSSWALK, part) for part in polygon_parts(hull)]
