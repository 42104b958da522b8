"""Places of a scenario text -> poses on its map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import resample, with_headings
from drivelab.geometry.poses import compose, wrap_angle
from drivelab.sim.scenario.acts import PathPoint
from drivelab.sim.scenario.lane_line import LaneLine
from drivelab.sim.scenario.places import Place
from drivelab.sim.scenario.problems import Misfit, Path
from drivelab.sim.scenario.road_users import Nudge
from drivelab.sim.scenario.site import Site

PATH_STEP = 1.0  # vertices of free paths are at most so far apart [m]
LONGEST_PATH = 50_000.0  # 600 s at 70 m/s, and a little [m]
_ROUNDS = 3  # of cutting corners


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A pose on the map, with the lanes it was given on."""

    pose: Float[np.ndarray, "3"]
    line: LaneLine | None = None
    s: float = 0.0  # along the line [m]
    shift: tuple[float, float] = (0.0, 0.0)  # by a nudge, for the actor's paths too [m]


def find_spot(site: Site, place: Place, ego: Float[np.ndarray, "3"] | None, path: Path) -> Spot:
    """The pose that a place means.

    Args:
        site: the map.
        place: what the text says.
        ego: rear-axle pose of the ego at the start, for places beside it.
        path: of the place in the text.

    Raises:
        Misfit: no such lane, or beyond its end.
    """
    turned = np.radians(place.heading_deg)
    if place.lane is not None and place.s is not None:
        line = site.line(place.lane, (*path, "lane"))
        if not 0.0 <= place.s <= line.length:
            text = f"is {place.s:g} m, but lane `{place.lane}` runs from 0 to {line.length:.1f} m"
            raise Misfit((*path, "s"), text)
        pose = line.pose(place.s, place.offset)
        return Spot(_turned(pose, turned), line, place.s)
    if place.pose is not None:
        return _free_spot(site, place.pose)
    if ego is None or place.ahead is None:
        raise Misfit(path, "no place is given")
    return Spot(compose(ego, np.array([place.ahead, place.left, turned])))


def nudged(spot: Spot, nudge: Nudge | None) -> Spot:
    """A spot moved by a nudge; a place beside its lane keeps the lane."""
    if nudge is None:
        return spot
    along = float(spot.pose[2]) if nudge.along_deg is None else np.radians(nudge.along_deg)
    cos, sin = np.cos(along), np.sin(along)
    x = float(nudge.ahead * cos - nudge.left * sin)
    y = float(nudge.ahead * sin + nudge.left * cos)
    moved = _turned(spot.pose + np.array([x, y, 0.0]), np.radians(nudge.heading_deg))
    return Spot(moved, spot.line, spot.s, (x, y))


def find_path(
    site: Site,
    points: Sequence[PathPoint],
    ego: Float[np.ndarray, "3"],
    path: Path,
    *,
    start: Float[np.ndarray, "3"] | None = None,
    rounded: bool = False,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Float[np.ndarray, "n 3"]:
    """A free path through points, from `start` on where one is given, at most 1 m apart.

    Args:
        site: the map.
        points: [x, y] or places.
        ego: rear-axle pose of the ego at the start.
        path: of the points in the text.
        start: where the actor stands.
        rounded: cut the corners, for what cannot turn on the spot.
        shift: added to all points but the start [m].
    """
    rows = [] if start is None else [start[:2]]
    for index, point in enumerate(points):
        if isinstance(point, Place):
            rows.append(find_spot(site, point, ego, (*path, index)).pose[:2] + np.array(shift))
        else:
            rows.append(np.array(point, float) + np.array(shift))
    return free_path(np.array(rows), path, rounded=rounded)


def free_path(
    rows: Float[np.ndarray, "k 2"], path: Path, *, rounded: bool = False
) -> Float[np.ndarray, "n 3"]:
    """Points as a path with headings, at most 1 m apart; doubled points are dropped."""
    check_path_length(float(np.hypot(*np.diff(rows, axis=0).T).sum()), path)
    apart = np.concatenate([[True], np.hypot(*np.diff(rows, axis=0).T) > 1e-3])
    rows = rows[apart]
    if len(rows) < 2:
        raise Misfit(path, "the path is no longer than a point; give it two points that differ")
    if rounded and len(rows) > 2:
        rows = resample(rows, 4.0 * PATH_STEP)
        for _ in range(_ROUNDS):
            rows = _corners_cut(rows)
    return with_headings(resample(rows, PATH_STEP))


def check_path_length(length: float, path: Path) -> None:
    """Refuse what no actor can travel within the longest scenario."""
    if length > LONGEST_PATH:
        raise Misfit(path, f"is {length:g} m long; expected at most {LONGEST_PATH:g} m")


def straight_path(pose: Float[np.ndarray, "3"], length: float) -> Float[np.ndarray, "n 3"]:
    """Straight ahead from a pose."""
    count = max(2, int(np.ceil(length / PATH_STEP)) + 1)
    local = np.zeros((count, 3))
    local[:, 0] = np.linspace(0.0, length, count)
    return compose(pose, local)


def _free_spot(site: Site, given: Sequence[float]) -> Spot:
    if len(given) == 3:
        return Spot(np.array([given[0], given[1], float(wrap_angle(np.radians(given[2])))]))
    return Spot(np.array([given[0], given[1], _heading_at(site, given)]))


def _heading_at(site: Site, point: Sequence[float]) -> float:
    """Heading of the lane nearest to a point, 0 where there is none."""
    from drivelab.maps.index import Layer, objects_near
    from drivelab.sim.scenario.lane_line import lane_line

    best, heading = np.inf, 0.0
    where = np.array(point, float)
    for name in objects_near(site.map, Layer.LANE, where, 5.0):
        line = lane_line(site.map, (name,))
        s, gap = line.nearest(where)
        if gap < best:
            best, heading = gap, float(line.pose(s)[2])
    return heading


def _turned(pose: Float[np.ndarray, "3"], angle: float) -> Float[np.ndarray, "3"]:
    return np.array([pose[0], pose[1], float(wrap_angle(np.float64(pose[2] + angle)))])


def _corners_cut(rows: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "m 2"]:
    """Chaikin's rule: every inner corner becomes two points, the ends stay."""
    first = 0.75 * rows[:-1] + 0.25 * rows[1:]
    second = 0.25 * rows[:-1] + 0.75 * rows[1:]
    inner = np.stack([first, second], 1).reshape(-1, 2)[1:-1]
    return np.vstack([rows[:1], inner, rows[-1:]])
