"""Map features of a JSON log -> `LaneMap`.

What the format leaves open is decided here. Lanes have no successor lists: a lane follows another
when it begins within 0.3 m of its end at a similar heading. Lanes with a polygon are ordinary
lanes, those without are connectors, which join lanes in intersections but also elsewhere, so no
intersection areas are made of them; a connector gets its centreline widened to 3.5 m and cut to the
drivable area, so that an invented shape never adds drivable ground.
Drivable ground is the even-odd fill of all boundary rings. Neighbours come from geometry. The
connectors' `speed_limit_kmh` is 100 in every file (a converter's constant) and is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float
from scipy.spatial import cKDTree

from drivelab.data.lane_shape import drop_repeats, polygon_parts
from drivelab.data.log_map import LaneGraph, build_lane_map
from drivelab.data.nuscenes.json_file import JsonLog
from drivelab.errors import DataError
from drivelab.geometry.polyline import arc_lengths, sample, with_headings
from drivelab.geometry.poses import wrap_angle
from drivelab.types import Lane, LaneMap

LANE, BOUNDARY = "LANE_SURFACE_STREET", "DRIVABLE_BOUNDARY"
IGNORED = ("ROAD_LINE_BROKEN_SINGLE_WHITE", "ROAD_LINE_SOLID_SINGLE_YELLOW")
JOINT = 0.3  # a lane begins this near to the end of its predecessor [m]
JOINT_TURN = np.pi / 4  # and with a heading this near to it [rad]
HALF_WIDTH = 1.75  # of a connector without a polygon [m]
END_PIECE = 1.0  # headings at lane ends are taken over this length [m]


def build_map(log: JsonLog) -> LaneMap:
    """Lanes, derived successors and drivable area of a log."""
    features: Mapping[str, Mapping[str, Any]] = log.data["map_features"]
    _check_types(log, features)
    ground = drivable_ground(log)
    lanes: dict[str, Lane] = {}
    spare: list[shapely.Polygon] = []
    for key, feature in features.items():
        if feature["type"] != LANE:
            continue
        parts = _lane_polygon(log, key, ground)
        line = drop_repeats(log.feature_points(key, "polyline"))
        lanes[key] = Lane(key, with_headings(line), parts[0])
        spare += parts[1:]
    if not lanes:
        raise DataError(f"no {LANE}; expected at least one", file=log.file, where="map_features")
    name = str(log.data["map"])
    joined = _with_successors(lanes)
    return build_lane_map(
        LaneGraph(name, joined, drivable=polygon_parts(ground), spare=spare, find_neighbours=True)
    )


def _check_types(log: JsonLog, features: Mapping[str, Mapping[str, Any]]) -> None:
    known = (LANE, BOUNDARY, *IGNORED)
    for key, feature in features.items():
        kind = feature.get("type") if isinstance(feature, dict) else None
        if kind not in known:
            raise DataError(
                f"unknown type {kind!r}, expected one of {', '.join(known)}",
                file=log.file,
                where=f"map_features[{key}]",
            )


def drivable_ground(log: JsonLog) -> shapely.Geometry:
    """Even-odd fill of all boundary rings: a ring inside a ring is a hole."""
    ground: shapely.Geometry = shapely.MultiPolygon()
    for key, feature in log.data["map_features"].items():
        if feature["type"] != BOUNDARY:
            continue
        ring = log.feature_points(key, "polyline")
        if len(ring) > 2:
            filled = shapely.union_all(polygon_parts(shapely.Polygon(ring)))
            ground = shapely.symmetric_difference(ground, filled)
    return ground


def _lane_polygon(log: JsonLog, key: str, ground: shapely.Geometry) -> list[shapely.Polygon]:
    if "polygon" in log.data["map_features"][key]:
        parts = polygon_parts(shapely.Polygon(log.feature_points(key, "polygon")))
    else:
        line = shapely.LineString(drop_repeats(log.feature_points(key, "polyline")))
        strip = shapely.buffer(line, HALF_WIDTH, cap_style="flat")
        # Off the mapped ground (at the edge of the crop) the strip itself has to do.
        parts = polygon_parts(shapely.intersection(strip, ground)) or polygon_parts(strip)
        parts = parts[:1]
    if not parts:
        raise DataError("encloses no area", file=log.file, where=f"map_features[{key}]")
    return parts


def _with_successors(lanes: Mapping[str, Lane]) -> dict[str, Lane]:
    keys = list(lanes)
    ends = np.array([_end_poses(lanes[key].centreline) for key in keys])  # (n, [first, last], 3)
    starts = cKDTree(ends[:, 0, :2])
    out = {}
    for i, key in enumerate(keys):
        near = starts.query_ball_point(ends[i, 1, :2], JOINT)
        turn = np.abs(wrap_angle(ends[near, 0, 2] - ends[i, 1, 2]))
        found = [
            keys[j] for j, bend in zip(near, turn, strict=True) if bend < JOINT_TURN and j != i
        ]
        order = {name: number for number, name in enumerate(keys)}
        out[key] = replace(lanes[key], successors=tuple(sorted(found, key=order.__getitem__)))
    return out


def _end_poses(line: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "2 3"]:
    """First and last point, each with the heading over the metre next to it."""
    length = float(arc_lengths(line)[-1])
    piece = min(END_PIECE, length)
    after, before = sample(line, piece)[:2], sample(line, length - piece)[:2]
    first, last = line[0, :2], line[-1, :2]
    out = np.empty((2, 3))
    out[0] = (*first, np.arctan2(*(after - first)[::-1]))
    out[1] = (*last, np.arctan2(*(last - before)[::-1]))
    return out
