"""Pedestrians before a road: where it begins, and whether anybody comes."""

from __future__ import annotations

from math import hypot, inf

import numpy as np
from jaxtyping import Float, Int

from drivelab.kernels.world.arrays import ABSENT, PARKED, PEDESTRIAN, WALK
from drivelab.kernels.world.cells import cell_at
from drivelab.kernels.world.excerpts import Bodies, Ground, Lanes
from drivelab.kernels.world.free_way import way_pose
from drivelab.kernels.world.inner import inner

SPACING = 0.5  # at which the way ahead is looked at [m]
HALVINGS = 5  # the kerb itself is found to SPACING / 2^5
FARTHEST = 40.0  # a road is not looked at beyond [m]
MARGIN = 1.5  # nobody arrives for so long after the far kerb is reached [s]
WALKING = 0.5  # crossing times count with at least this speed [m/s]
STANDING = 0.3  # slower vehicles let people cross [m/s]
REACH = 80.0  # vehicles farther away along the lanes are not waited for [m]
DEPTH = 24  # lanes looked at from one vehicle
SIDE = 0.7  # room to either side of a vehicle that is on no lane [m]


@inner
def lane_under(lanes: Lanes, ground: Ground, x: float, y: float) -> tuple[int, float]:
    """The lane whose strip holds a point, and how far along it; -1 = none.

    Of several the one whose centreline is nearest.
    """
    cell = cell_at(ground.grid, x, y)
    row = ground.cell_row[cell] if cell >= 0 else -1
    found, along, best = -1, 0.0, inf
    if row < 0:
        return found, along
    for i in range(ground.near_first[row], ground.near_first[row + 1]):
        k, lane = ground.near_item[i], ground.near_lane[i]
        ux, uy = lanes.x[k + 1] - lanes.x[k], lanes.y[k + 1] - lanes.y[k]
        length = hypot(ux, uy)
        dx, dy = x - lanes.x[k], y - lanes.y[k]
        s = (dx * ux + dy * uy) / length
        # A little beyond the ends: the outside of a bend lies between the pieces' strips.
        if s < -SPACING or s > length + SPACING:
            continue
        off = abs(dy * ux - dx * uy) / length
        if off < best and off <= 0.5 * lanes.width[lane]:
            best, found = off, lane
            along = (k - lanes.first[lane] + s / length) * lanes.step[lane]
    return found, along


@inner
def kerb_ahead(
    lanes: Lanes,
    ground: Ground,
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    at: float,
    x: float,
    y: float,
    reach: float,
) -> float:
    """Distance along the way to where the next road begins [m]; infinite within no `reach`.

    Also infinite for somebody at (x, y) who is on a road already.
    """
    if lane_under(lanes, ground, x, y)[0] >= 0:
        return inf
    end = way[first + count - 1, 3] - at
    ahead = SPACING
    while ahead < min(reach, end):
        px, py, _ = way_pose(way, first, count, at + ahead)
        if lane_under(lanes, ground, px, py)[0] >= 0:
            low = ahead - SPACING
            for _ in range(HALVINGS):
                middle = 0.5 * (low + ahead)
                px, py, _ = way_pose(way, first, count, at + middle)
                if lane_under(lanes, ground, px, py)[0] >= 0:
                    ahead = middle
                else:
                    low = middle
            return ahead
        ahead += SPACING
    return inf


@inner
def nobody_comes(
    lanes: Lanes,
    ground: Ground,
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    at: float,
    kerb: float,
    walking: float,
    n: int,
    bodies: Bodies,
) -> bool:
    """Whether actor n can cross the road `kerb` metres ahead before any vehicle arrives there.

    Vehicles that stand let people cross; on lanes they may come down any that follow theirs.
    """
    end = min(way[first + count - 1, 3] - at, kerb + FARTHEST)
    crossed, places = np.empty(64, np.int64), np.empty(64)
    known = 0
    ahead = kerb
    while ahead < end:
        x, y, _ = way_pose(way, first, count, at + ahead)
        lane, s = lane_under(lanes, ground, x, y)
        if lane < 0:
            break
        if (known == 0 or crossed[known - 1] != lane) and known < 64:
            crossed[known], places[known] = lane, s
            known += 1
        ahead += SPACING
    time = ahead / max(walking, WALKING) + MARGIN
    for j in range(bodies.actors):
        mode, speed = bodies.mode[j], abs(bodies.speed[j])
        if j == n or mode in (ABSENT, PARKED) or bodies.kind[j] == PEDESTRIAN:
            continue
        if speed < STANDING:
            continue
        far = min(speed * time, REACH) + bodies.half_length[j]
        if bodies.lane[j] >= 0 and mode != WALK:
            if _arrives(lanes, bodies.lane[j], bodies.lane_s[j], far, crossed, places, known):
                return False
            continue
        sign = 1.0 if bodies.speed[j] > 0.0 else -1.0
        step = kerb
        while step <= ahead:
            x, y, _ = way_pose(way, first, count, at + step)
            dx, dy = x - bodies.x[j], y - bodies.y[j]
            along = sign * (dx * bodies.cos[j] + dy * bodies.sin[j])
            across = abs(dy * bodies.cos[j] - dx * bodies.sin[j])
            if 0.0 <= along <= far and across <= bodies.half_width[j] + SIDE:
                return False
            step += SPACING
    return True


@inner
def _arrives(
    lanes: Lanes,
    lane: int,
    s: float,
    far: float,
    crossed: Int[np.ndarray, " c"],
    places: Float[np.ndarray, " c"],
    known: int,
) -> bool:
    """Whether one of the places is at most `far` metres down the lanes from place s of a lane."""
    waiting, begins = np.empty(DEPTH, np.int64), np.empty(DEPTH)
    waiting[0], begins[0] = lane, -s
    used, done = 1, 0
    while done < used:
        here, begin = waiting[done], begins[done]
        done += 1
        for i in range(known):
            if crossed[i] == here and 0.0 <= begin + places[i] <= far:
                return True
        begin += lanes.length[here]
        if begin > far:
            continue
        for k in range(lanes.after_first[here], lanes.after_first[here + 1]):
            if used < DEPTH:
                waiting[used], begins[used] = lanes.after[k], begin
                used += 1
    return False
