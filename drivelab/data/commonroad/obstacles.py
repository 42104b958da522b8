"""Obstacles of a CommonRoad scenario -> `Tracks`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.data.commonroad.xml_file import (
    Element,
    XmlFile,
    fail,
    identifier,
    number,
    points,
    position,
    value,
)
from drivelab.data.motion import box_velocities
from drivelab.errors import nearest_name
from drivelab.geometry.poses import wrap_angle
from drivelab.types import STATIC_KINDS, Tracks

KIND_OF_TYPE = {
    "car": "vehicle",
    "truck": "vehicle",
    "bus": "vehicle",
    "train": "vehicle",
    "taxi": "vehicle",
    "priorityVehicle": "vehicle",
    "parkedVehicle": "vehicle",
    "bicycle": "bicycle",
    "motorcycle": "bicycle",
    "pedestrian": "pedestrian",
    "constructionZone": "barrier",
    "roadBoundary": "barrier",
    "median_strip": "barrier",
    "pillar": "generic_object",
    "building": "generic_object",
    "unknown": "generic_object",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Obstacle:
    id: str
    kind: str
    size: tuple[float, float]
    states: dict[int, tuple[float, float, float, float]]  # step -> x, y, yaw, speed (NaN: unknown)
    standing: bool


def read_tracks(source: XmlFile, least: int) -> Tracks:
    """All obstacles over the steps 0 to the last one any of them has (at least `least` frames)."""
    found = [_obstacle(source, e) for e in source.root if e.tag in _TAGS]
    moving = [step for o in found if not o.standing for step in o.states]
    frames = max([least, *(step + 1 for step in moving)])
    count = len(found)
    poses = np.full((frames, count, 3), np.nan)
    speed = np.full((frames, count), np.nan)
    valid = np.zeros((frames, count), bool)
    for i, obstacle in enumerate(found):
        for step, (x, y, yaw, v) in obstacle.states.items():
            frame = slice(None) if obstacle.standing else step
            poses[frame, i], speed[frame, i], valid[frame, i] = (x, y, yaw), v, True
    poses[..., 2] = wrap_angle(poses[..., 2])
    along = speed[..., None] * np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], -1)
    differences = box_velocities(np.arange(frames) * source.step, poses[..., :2], valid, 1)
    velocities = np.where(np.isfinite(along), along, differences)
    kinds = tuple(o.kind for o in found)
    still = np.isin(kinds, STATIC_KINDS) | np.array([o.standing for o in found], bool)
    velocities[:, still] = np.where(valid[:, still, None], 0.0, np.nan)
    sizes = np.array([o.size for o in found], float).reshape(-1, 2)
    return Tracks(tuple(o.id for o in found), kinds, sizes, poses, velocities, valid, source.step)


_TAGS = ("obstacle", "dynamicObstacle", "staticObstacle")


def _obstacle(source: XmlFile, element: Element) -> _Obstacle:
    key = identifier(source, element)
    where = f"{element.tag} {key}"
    role = (element.findtext("role") or "").strip()
    standing = element.tag == "staticObstacle" or role == "static"
    name = (element.findtext("type") or "").strip()
    if name not in KIND_OF_TYPE:
        fail(
            source,
            f"{where}, <type>",
            f"unknown type {name!r}{nearest_name(name, KIND_OF_TYPE)}; known: "
            f"{', '.join(KIND_OF_TYPE)}",
        )
    states = dict(
        _state(source, state, where)
        for state in [*element.findall("initialState"), *element.findall("trajectory/state")]
    )
    if not states:
        fail(source, where, "has no <initialState>")
    return _Obstacle(key, KIND_OF_TYPE[name], _size(source, element, where), states, standing)


def _state(
    source: XmlFile, state: Element, where: str
) -> tuple[int, tuple[float, float, float, float]]:
    time = value(source, state, "time", where)
    if time is None or time < 0:
        fail(source, where, "a state has no <time> of 0 or more")
    at = f"{where}, time {round(time)}"
    x, y = position(source, state, at)
    yaw = value(source, state, "orientation", at)
    if yaw is None:
        fail(source, at, "has no <orientation>")
    speed = value(source, state, "velocity", at)
    return round(time), (float(x), float(y), yaw, float("nan") if speed is None else speed)


def _size(source: XmlFile, element: Element, where: str) -> tuple[float, float]:
    """Length and width; circles and polygons become the box around them."""
    shape = element.find("shape")
    rectangle = None if shape is None else shape.find("rectangle")
    circle = None if shape is None else shape.find("circle")
    polygon = None if shape is None else shape.find("polygon")
    if rectangle is not None:
        length, width = (
            number(source, rectangle.findtext(tag), f"{where}, <{tag}>")
            for tag in ("length", "width")
        )
    elif circle is not None:
        length = width = 2 * number(source, circle.findtext("radius"), f"{where}, <radius>")
    elif polygon is not None:
        extent = np.abs(points(source, polygon, where)).max(axis=0)
        length, width = (2 * float(extent[0]), 2 * float(extent[1]))
    else:
        fail(source, where, "its <shape> holds no rectangle, circle or polygon")
    if min(length, width) <= 0:
        fail(source, where, f"its shape is {length} x {width} m, expected positive lengths")
    return length, width
