"""Ways that behaviours build when they begin: overtaking, turning round, pulling out.

All of them write vertices from row `first` of `way` on, at most WAY_ROOM, and answer with their
number and the lane on which the way ends; the number is 0 where the map has no room for it.
"""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from jaxtyping import Float

from drivelab.kernels.tracker import wrapped
from drivelab.kernels.world.excerpts import Lanes
from drivelab.kernels.world.free_way import finish_way, put_vertex, smooth_share
from drivelab.kernels.world.inner import inner, wide
from drivelab.kernels.world.lane_way import (
    Outset,
    lane_room,
    nearest_lane,
    place_on_lane,
    pose_ahead,
)

WAY_ROOM = 64
TURN_SLACK = 2.0  # the lane back lies within the circle's diameter and so much [m]
TURN_ANGLE = 0.8  # ... and its heading within this of the circle's end [rad]
MERGE_SHORTEST, MERGE_SLOPE = 8.0, 3.0  # a lateral move is so long [m], and so many times its width
PULL_REACH, PULL_ANGLE = 6.0, 1.0  # a parked car joins a lane no farther [m] and no more aslant
PULL_SHORTEST, PULL_SLOPE, PULL_VERTICES = 12.0, 4.0, 32  # its way there, as for a lateral move
AHEAD_VERTICES, TURN_VERTICES = 12, 28  # of a turn: before the half circle, and on it
MARGIN = 0.1  # to the end of the map [m]


@inner
def write_lanes(
    lanes: Lanes,
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    outset: Outset,
    spacing: float,
) -> int:
    """The lanes ahead as up to `count` vertices; ends where the map does."""
    written = 0
    for i in range(count):
        x, y, yaw, there, _ = pose_ahead(lanes, outset, i * spacing)
        if there < 0:
            break
        put_vertex(way, first + i, x, y, yaw, 0.0)
        written += 1
    return finish_way(way, first, first + written) if written > 1 else 0


@inner
def write_overtaking(
    lanes: Lanes,
    way: Float[np.ndarray, "W 4"],
    first: int,
    outset: Outset,
    shift: float,
    offset: float,
    swing: float,
    length: float,
) -> tuple[int, int]:
    """Along the lanes: out to the left by `offset` within `swing` metres, on, and back again."""
    total = 2.0 * swing + length
    if lane_room(lanes, outset, total) < total:
        return 0, -1
    end = pose_ahead(lanes, outset, total - MARGIN)[3]
    for i in range(WAY_ROOM):
        along = total * i / (WAY_ROOM - 1)
        x, y, yaw, _, _ = pose_ahead(lanes, outset, along)
        share = smooth_share(along / swing) * smooth_share((total - along) / swing)
        put_vertex(way, first + i, x, y, yaw, shift + share * offset)
    return finish_way(way, first, first + WAY_ROOM), end


@inner
def write_merge(
    lanes: Lanes,
    way: Float[np.ndarray, "W 4"],
    first: int,
    stop: int,
    lane: int,
    x: float,
    y: float,
    length: float,
) -> int:
    """From beside a lane onto its centreline within `length` [m], or less where the map ends.

    Writes the vertices first:stop; answers with the lane at the end, -1 where there is no room.
    """
    s, shift = place_on_lane(lanes, lane, x, y)
    outset = Outset(np.full(1, -1, np.int32), wide(0), lane, s)
    length = min(length, lane_room(lanes, outset, length) - MARGIN)
    if length < MERGE_SHORTEST / 2.0:
        return -1
    end = pose_ahead(lanes, outset, length)[3]
    for row in range(first, stop):
        along = length * (row - first) / (stop - first - 1)
        px, py, yaw, _, _ = pose_ahead(lanes, outset, along)
        put_vertex(way, row, px, py, yaw, shift * (1.0 - smooth_share(along / length)))
    return end


@inner
def write_pull_away(
    lanes: Lanes,
    number: int,
    way: Float[np.ndarray, "W 4"],
    first: int,
    x: float,
    y: float,
    yaw: float,
) -> tuple[int, int]:
    """From a place beside a lane onto it."""
    lane = nearest_lane(lanes, number, x, y, yaw, PULL_REACH, PULL_ANGLE)
    if lane < 0:
        return 0, -1
    shift = place_on_lane(lanes, lane, x, y)[1]
    length = max(PULL_SHORTEST, PULL_SLOPE * abs(shift))
    stop = first + PULL_VERTICES
    end = write_merge(lanes, way, first, stop, lane, x, y, length)
    return (finish_way(way, first, stop), end) if end >= 0 else (0, -1)


@inner
def write_u_turn(
    lanes: Lanes,
    number: int,
    way: Float[np.ndarray, "W 4"],
    first: int,
    outset: Outset,
    shift: float,
    braking: float,
    radius: float,
) -> tuple[int, int]:
    """Ahead for `braking` [m], half a circle to the left, then onto the lane that runs back."""
    if lane_room(lanes, outset, braking) < braking:
        return 0, -1
    x, y, yaw, _, _ = pose_ahead(lanes, outset, braking)
    left = shift + radius
    centre_x, centre_y = x - left * sin(yaw), y + left * cos(yaw)
    end_x, end_y = centre_x - radius * sin(yaw), centre_y + radius * cos(yaw)
    reach = 2.0 * radius + TURN_SLACK
    back = nearest_lane(lanes, number, end_x, end_y, wrapped(yaw + pi), reach, TURN_ANGLE)
    if back < 0:
        return 0, -1
    row = first
    for i in range(AHEAD_VERTICES):
        px, py, heading, _, _ = pose_ahead(lanes, outset, braking * i / AHEAD_VERTICES)
        put_vertex(way, row, px, py, heading, shift)
        row += 1
    for i in range(TURN_VERTICES):
        angle = yaw - 0.5 * pi + pi * i / (TURN_VERTICES - 1)
        way[row, 0], way[row, 1] = centre_x + radius * cos(angle), centre_y + radius * sin(angle)
        row += 1
    shift = place_on_lane(lanes, back, end_x, end_y)[1]
    length = max(MERGE_SHORTEST, MERGE_SLOPE * abs(shift))
    stop = first + WAY_ROOM
    end = write_merge(lanes, way, row, stop, back, end_x, end_y, length)
    return (finish_way(way, first, stop), end) if end >= 0 else (0, -1)


@inner
def write_reversing(
    way: Float[np.ndarray, "W 4"], first: int, x: float, y: float, yaw: float, distance: float
) -> int:
    """Straight back along the axis of a pose."""
    for i in range(2):
        back = distance * i
        way[first + i, 0], way[first + i, 1] = x - back * cos(yaw), y - back * sin(yaw)
    return finish_way(way, first, first + 2)


@inner
def lane_speed(lanes: Lanes, lane: int, s: float) -> float:
    """The allowed speed at a place of a lane [m/s]."""
    a, b = lanes.first[lane], lanes.first[lane + 1]
    return lanes.speed[min(a + int(s / lanes.step[lane]), b - 1)]
