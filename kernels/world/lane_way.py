"""Ways along lanes: which lane comes next, where so many metres lead, which lane is near."""

from __future__ import annotations

from math import hypot, inf, nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from drivelab.kernels.tracker import wrapped
from drivelab.kernels.world.excerpts import Lanes
from drivelab.kernels.world.inner import inner, wide


class Outset(NamedTuple):
    """Where a way along lanes begins."""

    route: Int[np.ndarray, " R"]  # lanes to come
    at: int  # place of the lane in it
    lane: int
    s: float  # along the lane [m]


@inner
def lane_pose(lanes: Lanes, lane: int, s: float) -> tuple[float, float, float]:
    """Point and heading of a centreline at distance `s` [m]; straight on before and beyond it."""
    a, b = lanes.first[lane], lanes.first[lane + 1]
    step = lanes.step[lane]
    k = a + min(max(int(s / step), 0), b - a - 2)
    t = s / step - (k - a)
    yaw = lanes.yaw[k] + min(max(t, 0.0), 1.0) * (lanes.yaw[k + 1] - lanes.yaw[k])
    return (
        lanes.x[k] + t * (lanes.x[k + 1] - lanes.x[k]),
        lanes.y[k] + t * (lanes.y[k + 1] - lanes.y[k]),
        yaw,
    )


@inner
def lane_after(lanes: Lanes, route: Int[np.ndarray, " R"], at: int, lane: int) -> int:
    """The lane that follows: the route's next one where it is a successor, else the straightest.

    -1 where the map ends.
    """
    first, last = lanes.after_first[lane], lanes.after_first[lane + 1]
    for place in range(at + 1, route.shape[0]):
        for k in range(first, last):
            if lanes.after[k] == route[place]:
                return route[place]
        if route[place] < 0:
            break
    best, bend = -1, inf
    for k in range(first, last):
        follower = lanes.after[k]
        a, b = lanes.first[follower], lanes.first[follower + 1]
        turn = abs(lanes.yaw[b - 1] - lanes.yaw[a])
        if turn < bend:
            best, bend = follower, turn
    return best


@inner
def pose_ahead(
    lanes: Lanes, outset: Outset, distance: float
) -> tuple[float, float, float, int, float]:
    """Point and heading `distance` [m] further along the lanes, the lane there and the place on it.

    The lane is -1 where the map ends before; the pose is then that of the last lane, carried on.
    """
    route, at, lane = outset.route, outset.at, outset.lane
    s = outset.s + distance
    while s > lanes.length[lane]:
        follower = lane_after(lanes, route, at, lane)
        if follower < 0 or follower == lane:
            x, y, yaw = lane_pose(lanes, lane, s)
            return x, y, yaw, -1, s
        s -= lanes.length[lane]
        for place in range(at + 1, route.shape[0]):
            if route[place] == follower:
                at = place
                break
        lane = follower
    x, y, yaw = lane_pose(lanes, lane, s)
    return x, y, yaw, lane, s


@inner
def lane_room(lanes: Lanes, outset: Outset, wanted: float) -> float:
    """How far the lanes go on from a place, at most `wanted` [m]."""
    lane = outset.lane
    room = lanes.length[lane] - outset.s
    while room < wanted:
        follower = lane_after(lanes, outset.route, outset.at, lane)
        if follower < 0 or follower == lane:
            return room
        lane = follower
        room += lanes.length[lane]
    return wanted


@inner
def place_on_lane(lanes: Lanes, lane: int, x: float, y: float) -> tuple[float, float]:
    """Distance along a centreline to its point nearest to (x, y), and how far left (x, y) lies."""
    best, along, aside = inf, 0.0, 0.0
    for k in range(lanes.first[lane], lanes.first[lane + 1] - 1):
        ux, uy = lanes.x[k + 1] - lanes.x[k], lanes.y[k + 1] - lanes.y[k]
        length = hypot(ux, uy)
        ux, uy = ux / length, uy / length
        dx, dy = x - lanes.x[k], y - lanes.y[k]
        s = min(max(dx * ux + dy * uy, 0.0), length)
        gap = hypot(dx - s * ux, dy - s * uy)
        if gap < best:
            best = gap
            step = lanes.step[lane]
            along = (k - lanes.first[lane] + s / length) * step
            aside = gap if dy * ux - dx * uy >= 0.0 else -gap
    return along, aside


@inner
def nearest_lane(
    lanes: Lanes, number: int, x: float, y: float, yaw: float, reach: float, turn: float
) -> int:
    """The lane of map `number` nearest to a pose whose heading differs by less than `turn` [rad].

    -1 when none comes within `reach` [m].
    """
    best, found = reach, -1
    for lane in range(lanes.map.shape[0]):
        if lanes.map[lane] != number:
            continue
        a, b = lanes.first[lane], lanes.first[lane + 1]
        slack = best + lanes.step[lane]
        for k in range(a, b - 1):
            dx, dy = x - lanes.x[k], y - lanes.y[k]
            if dx * dx + dy * dy > slack * slack or abs(wrapped(lanes.yaw[k] - yaw)) > turn:
                continue
            ux, uy = lanes.x[k + 1] - lanes.x[k], lanes.y[k + 1] - lanes.y[k]
            length = hypot(ux, uy)
            s = min(max((dx * ux + dy * uy) / length, 0.0), length)
            gap = hypot(dx - s * ux / length, dy - s * uy / length)
            if gap < best:
                best, found = gap, lane
                slack = best + lanes.step[lane]
    return found


@inner
def turn_route(lanes: Lanes, route: Int[np.ndarray, " R"], at: int, lane: int, steps: int) -> int:
    """Make `lane`, which the actor just came to, the present lane of its route; returns its place.

    Where the route holds the lane it goes on from there. Else what follows is moved over by `steps`
    neighbours (to the left where positive) for as long as those lanes follow each other.
    """
    for place in range(at, route.shape[0]):
        if route[place] == lane:
            return place
        if route[place] < 0:
            break
    route[at] = lane
    before = lane
    for place in range(at + 1, route.shape[0]):
        following, moved = wide(route[place]), -1
        if before >= 0 and following >= 0:
            moved = neighbour(lanes, following, steps)
        if moved >= 0 and not _follows(lanes, before, moved):
            moved = -1
        route[place] = before = moved
    return at


@inner
def neighbour(lanes: Lanes, lane: int, steps: int) -> int:
    """The lane `steps` to the left (to the right where negative) in the same direction, or -1."""
    for _ in range(abs(steps)):
        if lane >= 0:
            lane = lanes.left[lane] if steps > 0 else lanes.right[lane]
    return lane


@inner
def _follows(lanes: Lanes, lane: int, follower: int) -> bool:
    for k in range(lanes.after_first[lane], lanes.after_first[lane + 1]):
        if lanes.after[k] == follower:
            return True
    return False


@inner
def distance_to_light(lanes: Lanes, outset: Outset, reach: float) -> float:
    """How far ahead the first lane with lights or crossing traffic ends [m].

    NaN when none begins within `reach`; the lane one is on counts.
    """
    begin, lane = -outset.s, outset.lane
    while begin < reach:
        length = lanes.length[lane]
        if lanes.connector[lane] or lanes.group[lane] >= 0:
            return begin + length
        begin += length
        follower = lane_after(lanes, outset.route, outset.at, lane)
        if follower < 0 or follower == lane:
            break
        lane = follower
    return nan
