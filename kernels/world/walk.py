"""Actors on free ways: pedestrians, cyclists, cars that left the lanes."""

from __future__ import annotations

from math import atan, cos, expm1, inf, isnan, pi, sin, sqrt

import numpy as np
from jaxtyping import Float
from numba import njit

from drivelab.kernels.idm import idm_acceleration_scalar
from drivelab.kernels.tracker import wrapped
from drivelab.kernels.world.arrays import ABSENT, DT, PEDESTRIAN, WALK, Roads, State
from drivelab.kernels.world.cells import Grid, cell_at
from drivelab.kernels.world.excerpts import Bodies, bodies_of, ground_of, lanes_of
from drivelab.kernels.world.free_way import place_on_way, way_pose
from drivelab.kernels.world.inner import inner, wide
from drivelab.kernels.world.kerb import kerb_ahead, nobody_comes
from drivelab.kernels.world.traffic import draw

KERB_ROOM = 0.6  # from a waiting pedestrian's centre to the kerb [m]
HESITATION = 2.0  # who had to wait starts up to so long after the road is clear [s]
DRAWN = 2.0**31  # `draw` answers below this
KERB_LOOK = 2.0  # looks for a road beyond its braking distance [m]
PERSON_ROOM = 0.4  # people stop so far from what stands in their way [m]
LOOK = 8.0  # whoever keeps a gap looks so far beyond braking and headway [m]
SIDE = 0.1  # room to either side of a box on its way [m]
LEAST_WISH, LEAST_BRAKING = 0.1, 0.1  # [m/s], [m/s^2]
# How an offset from the way dies away: over [m], at most so steep; smallest turning radius [m]
CAR_BLEND, CAR_SLOPE, CAR_RADIUS = 5.0, 0.35, 3.0
PERSON_BLEND, PERSON_SLOPE, PERSON_TURN = 1.0, 1.0, 4.0  # [m], 1, [rad/s]


@njit(cache=True)
def move_walkers(roads: Roads, state: State) -> None:
    """Let everybody in mode WALK decide on the moment before, then move along their ways."""
    lanes = lanes_of(roads)
    for e in range(state.step.shape[0]):
        ground, bodies, way = ground_of(roads, state.map[e]), bodies_of(state, e), state.way[e]
        for n in range(1, bodies.actors):
            first, count = wide(state.way_first[e, n]), wide(state.way_count[e, n])
            if bodies.mode[n] != WALK or count < 2:
                continue
            if state.step[e] == 0:
                state.way_at[e, n], state.way_off[e, n] = place_on_way(
                    way, first, count, bodies.x[n], bodies.y[n], -inf, inf
                )
            at, speed, driver = state.way_at[e, n], abs(bodies.speed[n]), state.driver[e, n]
            wish = speed if isnan(state.wish[e, n]) else state.wish[e, n]
            softly = max(driver[3], LEAST_BRAKING)
            braking = speed * speed / (2.0 * softly)
            if not isnan(state.push[e, n]):
                change = state.push[e, n]
            elif state.way_gap[e, n]:
                reach = braking + driver[1] * speed + driver[0] + LOOK
                gap, lead = box_ahead(way, first, count, at, reach, n, bodies)
                change = idm_acceleration_scalar(
                    gap, speed, lead, max(wish, LEAST_WISH),
                    driver[0], driver[1], driver[2], driver[3], driver[4], driver[5],
                )  # fmt: skip
            else:
                change = min(max((wish - speed) / DT, -softly), driver[2])
            room = inf
            if state.way_lands[e, n] < 0 and not leaves_map(ground.grid, way, first + count - 1):
                room = way[first + count - 1, 3] - at
            if state.way_waits[e, n]:
                look = braking + KERB_LOOK
                gap = box_ahead(way, first, count, at, look, n, bodies)[0]
                room = min(room, gap - PERSON_ROOM)
                kerb = kerb_ahead(
                    lanes, ground, way, first, count, at, bodies.x[n], bodies.y[n], look
                )
                # `waited` is the time since the road is clear, of those who had to wait for it.
                waited, hesitates = 0.0, False
                if kerb < inf:
                    if not nobody_comes(
                        lanes, ground, way, first, count, at, kerb, wish, n, bodies
                    ):
                        waited, hesitates = DT, True
                    elif state.waited[e, n] > 0.0:
                        waited = state.waited[e, n] + DT
                        hesitates = waited < HESITATION * draw(state.seed[e], n, wide(0)) / DRAWN
                if hesitates:
                    room = min(room, kerb - KERB_ROOM)
                state.waited[e, n] = waited
            if room < inf:
                change = min(change, (speed_to_stop(max(room, 0.0), speed, softly) - speed) / DT)
            state.acceleration[e, n] = max(change, -speed / DT)
        for n in range(1, bodies.actors):
            first, count = wide(state.way_first[e, n]), wide(state.way_count[e, n])
            if bodies.mode[n] != WALK or count < 2:
                continue
            before = abs(bodies.speed[n])
            speed = max(before + state.acceleration[e, n] * DT, 0.0)
            step = 0.5 * (before + speed) * DT
            at, end = state.way_at[e, n] + step, way[first + count - 1, 3]
            if at >= end and leaves_map(ground.grid, way, first + count - 1):
                bodies.mode[n] = ABSENT
                bodies.speed[n] = state.acceleration[e, n] = state.yaw_rate[e, n] = 0.0
                continue
            if at > end and state.way_lands[e, n] < 0:
                at = end
            person, backwards = bodies.kind[n] == PEDESTRIAN, state.backwards[e, n]
            x, y, yaw, off, turn = pose_after(
                way, first, count, at, step, state.way_off[e, n], state.yaw[e, n], person, backwards
            )
            bodies.x[n], bodies.y[n], state.yaw[e, n] = x, y, yaw
            bodies.cos[n], bodies.sin[n] = cos(yaw), sin(yaw)
            bodies.speed[n] = -speed if backwards else speed
            state.acceleration[e, n] = (speed - before) / DT
            state.yaw_rate[e, n] = turn / DT
            state.way_at[e, n], state.way_off[e, n] = at, off


@njit(cache=True)
def speed_to_stop(room: float, speed: float, braking: float) -> float:
    """Largest speed after the next step from which a stop within `room` [m] is possible.

    The last step ends up to braking DT^2 / 8 too far: millimetres.
    """
    half = 0.5 * braking * DT
    left = half * half + 2.0 * braking * (room - 0.5 * speed * DT)
    return max(sqrt(left) - half, 0.0) if left > 0.0 else 0.0


@inner
def box_ahead(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    at: float,
    reach: float,
    n: int,
    bodies: Bodies,
) -> tuple[float, float]:
    """Gap along the way of actor n to the nearest box on it [m], and that box's speed along it.

    Infinite and 0 when nothing stands within `reach` [m]; nobody counts as coming nearer.
    """
    best, lead = inf, 0.0
    x, y, length = bodies.x[n], bodies.y[n], bodies.half_length[n]
    for j in range(bodies.actors):
        if j == n or bodies.mode[j] == ABSENT:
            continue
        dx, dy = bodies.x[j] - x, bodies.y[j] - y
        far = reach + length + bodies.half_length[j] + bodies.half_width[j]
        if dx * dx + dy * dy > far * far:
            continue
        where, off = place_on_way(way, first, count, bodies.x[j], bodies.y[j], at, at + far)
        if where <= at:
            continue
        yaw = way_pose(way, first, count, where)[2]
        cross = bodies.sin[j] * cos(yaw) - bodies.cos[j] * sin(yaw)
        dot = bodies.cos[j] * cos(yaw) + bodies.sin[j] * sin(yaw)
        along = abs(dot) * bodies.half_length[j] + abs(cross) * bodies.half_width[j]
        across = abs(cross) * bodies.half_length[j] + abs(dot) * bodies.half_width[j]
        if abs(off) > bodies.half_width[n] + across + SIDE:
            continue
        gap = where - at - length - along
        if gap < best and gap <= reach:
            best, lead = gap, max(bodies.speed[j] * dot, 0.0)
    return best, lead


@inner
def leaves_map(grid: Grid, way: Float[np.ndarray, "W 4"], last: int) -> bool:
    """Whether a way's last vertex lies beyond the map: who gets there is gone."""
    return cell_at(grid, way[last, 0], way[last, 1]) < 0


@inner
def pose_after(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    at: float,
    step: float,
    off: float,
    yaw: float,
    person: bool,
    backwards: bool,
) -> tuple[float, float, float, float, float]:
    """Where an actor is that came to distance `at` of its way in a step of `step` metres.

    Its offset from the way dies away; its heading turns no faster than a car can steer.

    Returns:
        x, y, heading, offset, and by how much the heading turned [rad].
    """
    blend = PERSON_BLEND if person else CAR_BLEND
    slope = PERSON_SLOPE if person else CAR_SLOPE
    inward = min(-abs(off) * expm1(-step / blend), slope * step)
    side = 1.0 if off > 0.0 else -1.0
    off -= side * inward
    x, y, goal = way_pose(way, first, count, at)
    x, y = x - off * sin(goal), y + off * cos(goal)
    if step > 0.0:
        goal -= side * atan(inward / step)
    if backwards:
        goal += pi
    most = PERSON_TURN * DT if person else step / CAR_RADIUS
    turn = min(max(wrapped(goal - yaw), -most), most)
    return x, y, wrapped(yaw + turn), off, turn
