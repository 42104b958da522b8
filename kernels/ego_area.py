"""Where the ego stands at each step: lanes, drivable area, direction, intersections."""

from __future__ import annotations

from math import cos, inf, sin

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numba import njit

from drivelab.kernels.polygons import (
    polygon_contains,
    polygon_contains_mask,
    polygon_set_distance,
    ring_meets_polygon,
)

# Polygon kinds of a drivable-area map.
ROADBLOCK, LANE, LANE_CONNECTOR, INTERSECTION, CARPARK, DRIVABLE = 0, 1, 2, 3, 4, 5

# Bits of the flags of one step.
MULTIPLE_LANES, NON_DRIVABLE, ONCOMING = 1, 2, 4
CENTER_IN_INTERSECTION, REAR_IN_INTERSECTION = 8, 16


@njit(cache=True)
def ego_ring(
    state: Float[np.ndarray, "11"], vehicle: Float[np.ndarray, "3"], ring: Float[np.ndarray, "4 2"]
) -> tuple[float, float]:
    """Write the corners FL, RL, RR, FR; return the box centre.

    `vehicle` holds half length, half width, rear axle to centre [m].
    """
    c, s = cos(state[2]), sin(state[2])
    x, y = state[0] + vehicle[2] * c, state[1] + vehicle[2] * s
    lon, lat = vehicle[0], vehicle[1]
    ring[0, 0], ring[0, 1] = x + lon * c - lat * s, y + lon * s + lat * c
    ring[1, 0], ring[1, 1] = x - lon * c - lat * s, y - lon * s + lat * c
    ring[2, 0], ring[2, 1] = x - lon * c + lat * s, y - lon * s - lat * c
    ring[3, 0], ring[3, 1] = x + lon * c + lat * s, y + lon * s - lat * c
    return x, y


@njit(cache=True)
def _meeting(
    bounds: Float[np.ndarray, "p 6"],
    among: Int[np.ndarray, " p"],
    count: int,
    box: Float[np.ndarray, "4"],
    found: Int[np.ndarray, " p"],
) -> int:
    """Write those of `among[:count]` whose bounds meet a box; return how many."""
    hits = 0
    for k in range(count):
        p = among[k]
        if bounds[p, 0] > box[2] or bounds[p, 2] < box[0]:
            continue
        if bounds[p, 1] > box[3] or bounds[p, 3] < box[1]:
            continue
        found[hits] = p
        hits += 1
    return hits


@njit(cache=True)
def _ring_box(ring: Float[np.ndarray, "4 2"], box: Float[np.ndarray, "4"]) -> None:
    for axis in range(2):
        low = high = ring[0, axis]
        for i in range(1, 4):
            low, high = min(low, ring[i, axis]), max(high, ring[i, axis])
        box[axis], box[2 + axis] = low, high


@njit(cache=True)
def _state_flags(
    points: Float[np.ndarray, "6 2"],
    polygons: tuple,
    kinds: Int[np.ndarray, " p"],
    on_route: Bool[np.ndarray, " p"],
    near: Int[np.ndarray, " p"],
    count: int,
) -> int:
    """`points` are the four corners, the centre and the rear axle: bits 0-3, 4 and 5."""
    lanes, one_lane_holds_all, drivable, flags = 0, False, 0, ONCOMING
    for k in range(count):
        p = near[k]
        kind = kinds[p]
        inside = polygon_contains_mask(polygons, p, points)
        if kind in (LANE, LANE_CONNECTOR):
            lanes += (inside & 15) != 0
            one_lane_holds_all |= (inside & 15) == 15
            if on_route[p] and inside & 16:
                flags &= ~ONCOMING
            continue
        drivable |= inside & 15
        if kind == INTERSECTION:
            flags |= CENTER_IN_INTERSECTION if inside & 16 else 0
            flags |= REAR_IN_INTERSECTION if inside & 32 else 0
    if lanes > 1 and not one_lane_holds_all:
        flags |= MULTIPLE_LANES
    if drivable != 15:
        flags |= NON_DRIVABLE
    return flags


@njit(cache=True)
def area_flags(
    states: Float[np.ndarray, "b t 11"],
    vehicle: Float[np.ndarray, "3"],
    polygons: tuple,
    kinds: Int[np.ndarray, " p"],
    on_route: Bool[np.ndarray, " p"],
) -> UInt8[np.ndarray, "b t"]:
    """The flag bits of every state.

    MULTIPLE_LANES: corners in more than one lane and no lane holds all four. NON_DRIVABLE: a corner
    in no drivable polygon (lanes do not count as drivable). ONCOMING: the centre in no lane of the
    route. Containment is strict.
    """
    batch, steps = states.shape[0], states.shape[1]
    flags = np.empty((batch, steps), np.uint8)
    points, box, bounds = np.empty((6, 2)), np.empty(4), polygons[2]
    ring = points[:4]
    every = np.arange(kinds.shape[0])
    in_reach, near = np.empty_like(every), np.empty_like(every)
    reach = vehicle[0] + vehicle[1] + vehicle[2]
    for b in range(batch):
        # First what the whole proposal can meet, then what each state meets.
        for axis in range(2):
            box[axis] = states[b, :, axis].min() - reach
            box[2 + axis] = states[b, :, axis].max() + reach
        reachable = _meeting(bounds, every, every.shape[0], box, in_reach)
        for t in range(steps):
            points[4, 0], points[4, 1] = ego_ring(states[b, t], vehicle, ring)
            points[5, 0], points[5, 1] = states[b, t, 0], states[b, t, 1]
            _ring_box(ring, box)
            count = _meeting(bounds, in_reach, reachable, box, near)
            flags[b, t] = _state_flags(points, polygons, kinds, on_route, near, count)
    return flags


@njit(cache=True)
def off_road_margin(
    state: Float[np.ndarray, "11"],
    vehicle: Float[np.ndarray, "3"],
    polygons: tuple,
    kinds: Int[np.ndarray, " p"],
) -> float:
    """How far the worst corner stands outside every drivable polygon, as a negative number [m]."""
    ring = np.empty((4, 2))
    ego_ring(state, vehicle, ring)
    worst = 0.0
    for i in range(4):
        nearest = inf
        for p in range(kinds.shape[0]):
            if kinds[p] in (LANE, LANE_CONNECTOR):
                continue
            if polygon_contains(polygons, p, ring[i, 0], ring[i, 1]):
                nearest = 0.0
                break
            bound = polygons[2][p]
            gap_x = max(bound[0] - ring[i, 0], 0.0, ring[i, 0] - bound[2])
            gap_y = max(bound[1] - ring[i, 1], 0.0, ring[i, 1] - bound[3])
            if gap_x * gap_x + gap_y * gap_y < nearest * nearest:
                nearest = min(nearest, polygon_set_distance(polygons, p, ring[i, 0], ring[i, 1]))
        worst = max(worst, nearest)
    return -worst


@njit(cache=True)
def wrong_way_distance(
    states: Float[np.ndarray, "b t 11"],
    flags: UInt8[np.ndarray, "b t"],
    to_center: float,
    window: int,
    spare_intersections: bool,
) -> tuple[Float[np.ndarray, " b"], Int[np.ndarray, " b"]]:
    """Largest distance travelled against the route within `window` steps [m], and its last step."""
    batch, steps = states.shape[0], states.shape[1]
    worst = np.zeros(batch)
    where = np.full(batch, -1, np.int64)
    moved = np.zeros(steps)
    for b in range(batch):
        last_x = states[b, 0, 0] + to_center * cos(states[b, 0, 2])
        last_y = states[b, 0, 1] + to_center * sin(states[b, 0, 2])
        for t in range(1, steps):
            x = states[b, t, 0] + to_center * cos(states[b, t, 2])
            y = states[b, t, 1] + to_center * sin(states[b, t, 2])
            spared = spare_intersections and flags[b, t] & CENTER_IN_INTERSECTION
            counts = (flags[b, t] & ONCOMING) != 0 and not spared
            moved[t] = np.hypot(x - last_x, y - last_y) if counts else 0.0
            last_x, last_y = x, y
            total = 0.0
            for k in range(max(0, t - window), t + 1):
                total += moved[k]
            if total > worst[b]:
                worst[b], where[b] = total, t
    return worst, where


@njit(cache=True)
def first_red_light(
    states: Float[np.ndarray, "b t 11"],
    vehicle: Float[np.ndarray, "3"],
    lights: tuple,
    red: Bool[np.ndarray, "t l"],
) -> tuple[Int[np.ndarray, " b"], Int[np.ndarray, " b"]]:
    """First step at which the ego meets a polygon that is red at that step, and which; or -1."""
    batch, steps = states.shape[0], states.shape[1]
    step = np.full(batch, -1, np.int64)
    light = np.full(batch, -1, np.int64)
    ring = np.empty((4, 2))
    for b in range(batch):
        for t in range(steps):
            ego_ring(states[b, t], vehicle, ring)
            for p in range(red.shape[1]):
                if red[t, p] and ring_meets_polygon(lights, p, ring):
                    step[b], light[b] = t, p
                    break
            if step[b] >= 0:
                break
    return step, light
