"""Contacts of the ego with other boxes, present (NC) and projected (TTC).

Objects are boxes (x, y, cos, sin, half length, half width) by frame, NaN where absent. Rules and
thresholds: NAVSIM's `pdm_scorer`, described in its paper (arXiv 2406.15349).
"""

from __future__ import annotations

from math import acos, cos, hypot, inf, pi, sin

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numba import njit

from drivelab.kernels.boxes import box_gap, boxes_overlap
from drivelab.kernels.ego_area import MULTIPLE_LANES, NON_DRIVABLE, REAR_IN_INTERSECTION

STOPPED_SPEED = 0.05  # [m/s]
TTC_STOPPED_SPEED = 0.005  # [m/s]
AHEAD_ANGLE = pi / 6
BEHIND_ANGLE = 150.0 * pi / 180.0

# Where others count who are neither ahead nor behind.
EXPOSED = MULTIPLE_LANES | NON_DRIVABLE | REAR_IN_INTERSECTION

# Collision types, in the official order of tests.
STOPPED_EGO, STOPPED_TRACK, ACTIVE_REAR, ACTIVE_FRONT, ACTIVE_LATERAL = 0, 1, 2, 3, 4


@njit(cache=True)
def place_ego_box(
    state: Float[np.ndarray, "11"],
    vehicle: Float[np.ndarray, "3"],
    ahead: float,
    box: Float[np.ndarray, "6"],
) -> None:
    """Ego box shifted `ahead` [m] along its heading."""
    c, s = cos(state[2]), sin(state[2])
    box[0] = state[0] + vehicle[2] * c + ahead * c
    box[1] = state[1] + vehicle[2] * s + ahead * s
    box[2], box[3], box[4], box[5] = c, s, vehicle[0], vehicle[1]


@njit(cache=True)
def bearing_to(state: Float[np.ndarray, "11"], x: float, y: float) -> float:
    """Angle between the ego heading and the direction from the rear axle to a point; NaN at it."""
    dx, dy = x - state[0], y - state[1]
    norm = hypot(dx, dy)
    if norm == 0.0:
        return np.nan
    cosine = (dx * cos(state[2]) + dy * sin(state[2])) / norm
    return acos(min(max(cosine, -1.0), 1.0))


@njit(cache=True)
def bumper_touches(ego: Float[np.ndarray, "6"], other: Float[np.ndarray, "6"], end: float) -> bool:
    """Whether the front (`end` = 1) or rear (-1) edge of the ego box meets another box."""
    bumper = np.empty(6)
    reach = end * ego[4]
    bumper[0], bumper[1] = ego[0] + reach * ego[2], ego[1] + reach * ego[3]
    bumper[2], bumper[3], bumper[4], bumper[5] = ego[2], ego[3], 0.0, ego[5]
    return box_gap(bumper, other) <= 0.0


@njit(cache=True)
def collision_type(
    state: Float[np.ndarray, "11"],
    ego: Float[np.ndarray, "6"],
    other: Float[np.ndarray, "6"],
    is_agent: bool,
    speed: float,
) -> int:
    """Type of a contact; `speed` is the other's [m/s] at the moment that the rules name."""
    if hypot(state[3], state[4]) <= STOPPED_SPEED:
        return STOPPED_EGO
    if not is_agent or speed <= STOPPED_SPEED:
        return STOPPED_TRACK
    if bearing_to(state, other[0], other[1]) > BEHIND_ANGLE:
        return ACTIVE_REAR
    if bumper_touches(ego, other, 1.0):
        return ACTIVE_FRONT
    return ACTIVE_LATERAL


@njit(cache=True)
def at_fault_collisions(
    states: Float[np.ndarray, "b t 11"],
    vehicle: Float[np.ndarray, "3"],
    flags: UInt8[np.ndarray, "b t"],
    objects: Float[np.ndarray, "f n 6"],
    is_agent: Bool[np.ndarray, " n"],
    first_speed: Float[np.ndarray, " n"],
    ignored: Bool[np.ndarray, " n"],
) -> tuple[
    Float[np.ndarray, " b"],
    Int[np.ndarray, "b 3"],
    Float[np.ndarray, " b"],
    UInt8[np.ndarray, "b n"],
]:
    """No-at-fault-collision score in {0, 0.5, 1} of each proposal.

    Also: (step, object, type) of the first at-fault contact or -1, its signed gap [m], and for each
    object a bit mask of the collision types that occurred.
    """
    batch, steps, count = states.shape[0], states.shape[1], objects.shape[1]
    score = np.ones(batch)
    first = np.full((batch, 3), -1, np.int64)
    margin = np.full(batch, np.nan)
    seen = np.zeros((batch, count), np.uint8)
    ego = np.empty(6)
    for b in range(batch):
        forgiven = ignored.copy()
        for t in range(steps):
            place_ego_box(states[b, t], vehicle, 0.0, ego)
            astray = (flags[b, t] & (MULTIPLE_LANES | NON_DRIVABLE)) != 0
            for n in range(count):
                # NaN boxes (absent objects) compare false and so never overlap.
                if forgiven[n] or not boxes_overlap(ego, objects[t, n]):
                    continue
                kind = collision_type(states[b, t], ego, objects[t, n], is_agent[n], first_speed[n])
                seen[b, n] |= np.uint8(1 << kind)
                front = kind in (STOPPED_TRACK, ACTIVE_FRONT)
                if not (front or (kind == ACTIVE_LATERAL and astray)):
                    forgiven[n] = True
                    continue
                score[b] = min(score[b], 0.0 if is_agent[n] else 0.5)
                if first[b, 0] < 0:
                    first[b, 0], first[b, 1], first[b, 2] = t, n, kind
                    margin[b] = box_gap(ego, objects[t, n])
    return score, first, margin, seen


@njit(cache=True)
def time_to_collision(
    states: Float[np.ndarray, "b t 11"],
    vehicle: Float[np.ndarray, "3"],
    flags: UInt8[np.ndarray, "b t"],
    objects: Float[np.ndarray, "f n 6"],
    ignored: Bool[np.ndarray, " n"],
    steps: int,
    look_ahead: Int[np.ndarray, " k"],
    dt: float,
) -> tuple[Float[np.ndarray, " b"], Int[np.ndarray, "b 3"]]:
    """TTC score in {0, 1}: the ego box slid ahead at its speed against the frames it would meet.

    Also (step, object, frames ahead) of the first infraction or -1. `steps` states are tested.
    """
    batch, count = states.shape[0], objects.shape[1]
    score = np.ones(batch)
    first = np.full((batch, 3), -1, np.int64)
    ego = np.empty(6)
    for b in range(batch):
        forgiven = ignored.copy()
        for t in range(steps):
            state = states[b, t]
            speed = hypot(state[3], state[4])
            if not speed >= TTC_STOPPED_SPEED:
                continue
            exposed = (flags[b, t] & EXPOSED) != 0
            for k in range(look_ahead.shape[0]):
                frame = t + look_ahead[k]
                place_ego_box(state, vehicle, speed * look_ahead[k] * dt, ego)
                for n in range(count):
                    if forgiven[n] or not boxes_overlap(ego, objects[frame, n]):
                        continue
                    bearing = bearing_to(state, objects[frame, n, 0], objects[frame, n, 1])
                    if bearing < AHEAD_ANGLE or (exposed and not bearing > BEHIND_ANGLE):
                        if score[b] > 0.0:
                            score[b] = 0.0
                            first[b, 0], first[b, 1], first[b, 2] = t, n, look_ahead[k]
                    else:
                        forgiven[n] = True
            if score[b] == 0.0:
                break
    return score, first


@njit(cache=True)
def smallest_gap(
    states: Float[np.ndarray, "t 11"],
    vehicle: Float[np.ndarray, "3"],
    objects: Float[np.ndarray, "f n 6"],
) -> tuple[float, int, int]:
    """Smallest signed gap between the ego and any object [m], with its step and object (or -1)."""
    best, step, which = inf, -1, -1
    ego = np.empty(6)
    for t in range(states.shape[0]):
        place_ego_box(states[t], vehicle, 0.0, ego)
        for n in range(objects.shape[1]):
            gap = box_gap(ego, objects[t, n])
            if gap < best:
                best, step, which = gap, t, n
    return best, step, which
