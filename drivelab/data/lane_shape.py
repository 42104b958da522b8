"""Shapes of lanes from what logs store: areas between boundaries, centrelines, neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, with_headings
from drivelab.geometry.poses import wrap_angle
from drivelab.types import Lane

SLIVER = 0.01  # parts of a repaired polygon below this area are dropped [m^2]
SAMPLE = 2.0  # spacing at which two lanes are compared [m]
TOUCH = 0.5  # neighbouring lanes lie at most this far apart [m]
PARALLEL = np.pi / 6  # headings of parallel lanes differ by less [rad]
ON_TOP = 1.2  # centrelines closer than this run on top of each other [m]
SHARE = 0.5  # parallel along at least this share of the shorter lane


class Side(StrEnum):
    """Where a parallel lane lies."""

    LEFT = "left"
    RIGHT = "right"
    ON_TOP = "on_top"


@dataclass(frozen=True, slots=True)
class Beside:
    """A parallel lane: its side and how far the two run together [m]."""

    side: Side
    length: float


def drop_repeats(points: Float[np.ndarray, "n 2"], gap: float = 1e-3) -> Float[np.ndarray, "m 2"]:
    """Leave out vertices within `gap` [m] of the one before (the first and last point stay)."""
    if len(points) < 2:
        return points
    step = np.hypot(*np.diff(points[:, :2], axis=0).T)
    kept = points[np.concatenate([[True], step > gap])]
    if len(kept) == 1 or np.hypot(*(kept[-1] - points[-1])[:2]) > gap:
        kept = np.vstack([kept, points[-1]])
    return kept


def polygon_parts(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Valid, counter-clockwise polygons of a geometry that may cross itself, largest first."""
    repaired = shapely.make_valid(geometry)
    parts = [p for p in shapely.get_parts(repaired, return_index=False) if not p.is_empty]
    polygons: list[shapely.Polygon] = []
    for part in parts:
        inner = shapely.get_parts(part) if part.geom_type.startswith("Multi") else [part]
        polygons += [p for p in inner if p.geom_type == "Polygon" and p.area > SLIVER]
    polygons.sort(key=lambda polygon: -float(polygon.area))
    return [shapely.geometry.polygon.orient(polygon) for polygon in polygons]


def area_between(
    left: Float[np.ndarray, "n 2"], right: Float[np.ndarray, "m 2"]
) -> list[shapely.Polygon]:
    """The area between two boundaries of one direction of travel, largest part first."""
    ring = np.vstack([left[:, :2], right[::-1, :2]])
    return polygon_parts(shapely.Polygon(ring))


def midline(
    left: Float[np.ndarray, "n 2"], right: Float[np.ndarray, "m 2"], spacing: float = 1.0
) -> Float[np.ndarray, "k 3"]:
    """Centreline: the mean of both boundaries at equal shares of their lengths, with headings."""
    length = max(arc_lengths(left)[-1], arc_lengths(right)[-1])
    share = np.linspace(0.0, 1.0, max(2, int(np.ceil(length / spacing)) + 1))
    points = (_at_share(left, share) + _at_share(right, share)) / 2
    return with_headings(drop_repeats(points))


def _at_share(
    points: Float[np.ndarray, "n 2"], share: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k 2"]:
    s = arc_lengths(points)
    at = share * s[-1]
    return np.column_stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])])


def beside(lane: Lane, other: Lane) -> Beside | None:
    """Whether two lanes run side by side or on top of each other in the same direction.

    They do when, along at least half of the shorter one, the foot points on the other centreline
    exist and the headings agree within 30 degrees. `Side.LEFT` means: `other` is left of `lane`.
    """
    length = [float(arc_lengths(x.centreline)[-1]) for x in (lane, other)]
    short, long = (lane, other) if length[0] <= length[1] else (other, lane)
    points = _spaced(short.centreline)
    offset, matched = _offsets(points, long.centreline)
    if np.mean(matched) < SHARE:
        return None
    shared = float(np.mean(matched)) * min(length)
    middle = float(np.median(offset[matched]))
    if abs(middle) < ON_TOP:
        return Beside(Side.ON_TOP, shared)
    if shapely.distance(lane.polygon, other.polygon) > TOUCH:
        return None
    short_is_left = middle > 0
    other_is_left = short_is_left if short is other else not short_is_left
    return Beside(Side.LEFT if other_is_left else Side.RIGHT, shared)


def _spaced(centreline: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "k 3"]:
    s = arc_lengths(centreline)
    at = (np.arange(max(2, int(s[-1] / SAMPLE))) + 0.5) * s[-1] / max(2, int(s[-1] / SAMPLE))
    index = np.clip(np.searchsorted(s, at, side="right") - 1, 0, len(s) - 2)
    step = np.where(s[index + 1] > s[index], s[index + 1] - s[index], 1.0)
    share = ((at - s[index]) / step)[:, None]
    xy = centreline[index, :2] + share * (centreline[index + 1, :2] - centreline[index, :2])
    return np.column_stack([xy, centreline[index, 2]])


def _offsets(
    points: Float[np.ndarray, "k 3"], line: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, " k"], np.ndarray]:
    """Signed offset of each point from a line (positive = left), and where it is parallel to it."""
    start, delta = line[:-1, :2], np.diff(line[:, :2], axis=0)
    squared = np.einsum("ij,ij->i", delta, delta)
    reach = points[:, None, :2] - start[None]
    raw = np.einsum("kij,ij->ki", reach, delta) / np.where(squared > 0, squared, 1.0)
    foot = np.clip(raw, 0.0, 1.0)
    gap = reach - foot[..., None] * delta
    best = np.argmin(np.hypot(gap[..., 0], gap[..., 1]), axis=1)
    row = np.arange(len(points))
    inside = ((best > 0) | (raw[row, best] >= 0)) & (
        (best < len(start) - 1) | (raw[row, best] <= 1)
    )
    heading = line[best, 2]
    turn = np.abs(wrap_angle(points[:, 2] - heading))
    chosen = gap[row, best]
    offset = np.cos(heading) * chosen[:, 1] - np.sin(heading) * chosen[:, 0]
    return offset, inside & (turn < PARALLEL)
