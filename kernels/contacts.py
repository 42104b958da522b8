"""Contacts of a driven ego with other boxes, step by step, and how near it came to them.

States are ego rows (rear axle), boxes (x, y, cos, sin, half length, half width) by step, NaN where
absent; `vehicle` holds half length, half width and rear axle to centre [m].
"""

from __future__ import annotations

from math import hypot, inf, sqrt

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numba import njit

from drivelab.kernels.boxes import box_ring, boxes_overlap, ring_distance
from drivelab.kernels.collisions import (
    AHEAD_ANGLE,
    BEHIND_ANGLE,
    TTC_STOPPED_SPEED,
    bearing_to,
    bumper_touches,
    place_ego_box,
)
from drivelab.kernels.rows import fill_row

# Where the ego was touched; a contact at both ends counts as front.
FRONT, REAR, SIDE = 1, 2, 3


@njit(cache=True)
def contact_sides(
    states: Float[np.ndarray, "t 11"],
    vehicle: Float[np.ndarray, "3"],
    boxes: Float[np.ndarray, "t n 6"],
) -> UInt8[np.ndarray, "t n"]:
    """0 where apart, else the side of the ego that touches: FRONT, REAR or SIDE."""
    steps, count = boxes.shape[0], boxes.shape[1]
    sides = np.zeros((steps, count), np.uint8)
    ego = np.empty(6)
    for t in range(steps):
        place_ego_box(states[t], vehicle, 0.0, ego)
        for n in range(count):
            if not boxes_overlap(ego, boxes[t, n]):
                continue
            if bumper_touches(ego, boxes[t, n], 1.0):
                sides[t, n] = FRONT
            elif bumper_touches(ego, boxes[t, n], -1.0):
                sides[t, n] = REAR
            else:
                sides[t, n] = SIDE
    return sides


@njit(cache=True)
def poses_hit(
    poses: Float[np.ndarray, "k 3"],
    frames: np.ndarray,
    vehicle: Float[np.ndarray, "3"],
    boxes: Float[np.ndarray, "t n 6"],
) -> tuple[int, int]:
    """First of the rear-axle `poses` whose box overlaps a box of its frame, and which; or -1."""
    state, ego = np.zeros(11), np.empty(6)
    for k in range(poses.shape[0]):
        fill_row(state, poses[k])
        place_ego_box(state, vehicle, 0.0, ego)
        for n in range(boxes.shape[1]):
            if boxes_overlap(ego, boxes[frames[k], n]):
                return k, n
    return -1, -1


@njit(cache=True)
def projected_collision_times(
    states: Float[np.ndarray, "t 11"],
    vehicle: Float[np.ndarray, "3"],
    boxes: Float[np.ndarray, "t n 6"],
    speeds: Float[np.ndarray, "t n"],
    watched: Bool[np.ndarray, "t n"],
    exposed: Bool[np.ndarray, " t"],
    horizon: int,
    dt: float,
) -> tuple[Float[np.ndarray, " t"], np.ndarray]:
    """Time until the ego box meets a box when both keep heading and speed [s], and which box.

    Looked at: `watched` boxes ahead of the rear axle, and those beside it where the ego is
    `exposed`. Times are dt, 2 dt, ..., horizon dt; infinity and -1 where nothing is met.
    """
    steps, count = boxes.shape[0], boxes.shape[1]
    times, actors = np.full(steps, inf), np.full(steps, -1, np.int64)
    ego, moved = np.empty(6), np.empty(6)
    for t in range(steps):
        state = states[t]
        speed = hypot(state[3], state[4])
        if speed <= TTC_STOPPED_SPEED:
            continue
        best = horizon + 1
        for n in range(count):
            other = boxes[t, n]
            if not watched[t, n] or np.isnan(other[0]):
                continue
            bearing = bearing_to(state, other[0], other[1])
            if not (bearing < AHEAD_ANGLE or (exposed[t] and not bearing > BEHIND_ANGLE)):
                continue
            place_ego_box(state, vehicle, 0.0, ego)
            reach = sqrt(ego[4] ** 2 + ego[5] ** 2) + sqrt(other[4] ** 2 + other[5] ** 2)
            far = hypot(other[0] - ego[0], other[1] - ego[1])
            if far > reach + (speed + speeds[t, n]) * (best - 1) * dt:
                continue
            fill_row(moved, other)
            for k in range(1, best):
                place_ego_box(state, vehicle, speed * k * dt, ego)
                moved[0] = other[0] + speeds[t, n] * k * dt * other[2]
                moved[1] = other[1] + speeds[t, n] * k * dt * other[3]
                if boxes_overlap(ego, moved):
                    best = k
                    times[t], actors[t] = k * dt, n
                    break
    return times, actors


@njit(cache=True)
def nearest_box(
    states: Float[np.ndarray, "t 11"],
    vehicle: Float[np.ndarray, "3"],
    boxes: Float[np.ndarray, "t n 6"],
) -> tuple[float, int, int]:
    """Smallest distance between the ego and any box [m] (0 at contact), its step and box, or -1."""
    best, step, which = inf, -1, -1
    ego = np.empty(6)
    for t in range(boxes.shape[0]):
        place_ego_box(states[t], vehicle, 0.0, ego)
        ring = box_ring(ego)
        for n in range(boxes.shape[1]):
            other = boxes[t, n]
            reach = sqrt(ego[4] ** 2 + ego[5] ** 2) + sqrt(other[4] ** 2 + other[5] ** 2)
            # Absent boxes are NaN, compare false and end here too.
            if not hypot(other[0] - ego[0], other[1] - ego[1]) - reach < best:
                continue
            gap = ring_distance(ring, box_ring(other))
            if gap < best:
                best, step, which = gap, t, n
    return best, step, which
