"""What every policy-driven vehicle sees: itself, its partners, the road around it.

The layout of a row for N actor slots and V listed road segments; everything lies in the frame of
the vehicle's box centre (x forward, y left) and is divided by its scale, so that usual values lie
in [-1, 1]:

| floats | content |
|---|---|
| 0-6 | speed, acceleration, steering, length, width, x and y of the point of its way to come |
| 7 (N - 1) | partners by slot, itself left out: x, y, cos, sin, speed, length, width |
| 7 V | road segments, nearest first: middle x, y, half length, cos, sin, width, type |

Rows of partners and segments farther than RADIUS, or not there, are 0. The type is 0 for a lane's
centreline, 0.5 for a border (inside to its left), 1 for a connector. The point of the way lies
WAY_AHEAD further on, or at the end of the way; without a way it is 0, 0.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from jaxtyping import Float, Float32, Int
from numba import njit

from drivelab.kernels.world.arrays import ABSENT, VIEW, Roads, State
from drivelab.kernels.world.cells import cell_at, grid_of
from drivelab.kernels.world.free_way import way_segment

RADIUS = 50.0  # what is farther is not seen [m]
WAY_AHEAD = 30.0  # [m]
EGO_FLOATS, PARTNER_FLOATS, SEGMENT_FLOATS = 7, 7, 7
# scales
SPEED, ACCELERATION, STEERING = 30.0, 10.0, 1.0  # [m/s], [m/s^2], [rad]
LENGTH, WIDTH, HALF, LANE_WIDTH, TYPE = 10.0, 3.0, 4.0, 8.0, 2.0

# (column, what it is divided by, unit) of the three blocks
EGO_COLUMNS = (
    ("speed", SPEED, "m/s"),
    ("acceleration", ACCELERATION, "m/s^2"),
    ("steering", STEERING, "rad"),
    ("length", LENGTH, "m"),
    ("width", WIDTH, "m"),
    ("way_x", RADIUS, "m"),
    ("way_y", RADIUS, "m"),
)
PARTNER_COLUMNS = (
    ("x", RADIUS, "m"),
    ("y", RADIUS, "m"),
    ("cos", 1.0, ""),
    ("sin", 1.0, ""),
    ("speed", SPEED, "m/s"),
    ("length", LENGTH, "m"),
    ("width", WIDTH, "m"),
)
SEGMENT_COLUMNS = (
    ("x", RADIUS, "m"),
    ("y", RADIUS, "m"),
    ("half_length", HALF, "m"),
    ("cos", 1.0, ""),
    ("sin", 1.0, ""),
    ("width", LANE_WIDTH, "m"),
    ("type", TYPE, ""),
)
# No value leaves these, whatever happens; usual ones lie in [-1, 1].
OBSERVATION_BOUNDS = (-4.0, 4.0)


def agent_floats(slots: int) -> int:
    """Length of an agent's observation in a world of `slots` actors."""
    return EGO_FLOATS + PARTNER_FLOATS * (slots - 1) + SEGMENT_FLOATS * VIEW


@njit(cache=True)
def observe_agents(
    roads: Roads, state: State, policy: Int[np.ndarray, "E A"], out: Float32[np.ndarray, "E A F"]
) -> None:
    """Write the observation of the actors `policy[e]` (slots, -1 = nobody) into `out`.

    Nobody's rows, and those of absent actors, become 0.
    """
    cell_row, view, segment = roads.cell_row, roads.view_item, roads.segment
    modes, x, y, cos, sin = state.mode, state.x, state.y, state.cos, state.sin
    acceleration, steering = state.acceleration, state.steering
    way, way_first, way_count, way_at = state.way, state.way_first, state.way_count, state.way_at
    slots = modes.shape[1]
    # single precision throughout: coordinates are relative to the map's origin
    others = np.empty((slots, 7), np.float32)
    near, seen = np.float32(RADIUS * RADIUS), np.float32(1.0 / RADIUS)
    per_half, per_width = np.float32(1.0 / HALF), np.float32(1.0 / LANE_WIDTH)
    per_type, zero = np.float32(1.0 / TYPE), np.float32(0.0)
    first_segment = EGO_FLOATS + PARTNER_FLOATS * (slots - 1)
    for e in range(policy.shape[0]):
        grid = grid_of(roads, state.map[e])
        _scale_actors(state, e, others)
        for a in range(policy.shape[1]):
            me = policy[e, a]
            row = out[e, a]
            if me < 0 or np.isnan(others[me, 0]):
                row[:] = zero
                continue
            mine = others[me]
            px, py, c, s = mine[0], mine[1], mine[2], mine[3]
            row[0] = mine[4]
            row[1] = min(max(acceleration[e, me] / ACCELERATION, -4.0), 4.0)
            row[2] = min(max(steering[e, me] / STEERING, -4.0), 4.0)
            row[3], row[4] = mine[5], mine[6]
            row[5], row[6] = _way_point(
                way[e], way_first[e, me], way_count[e, me], way_at[e, me],
                x[e, me], y[e, me], cos[e, me], sin[e, me],
            )  # fmt: skip
            partners = row[EGO_FLOATS:first_segment].reshape(slots - 1, PARTNER_FLOATS)
            at = np.uint64(0)
            for n in range(slots):
                if n == me:
                    continue
                dx, dy = others[n, 0] - px, others[n, 1] - py
                if dx * dx + dy * dy <= near:  # false where nobody is: NaN
                    partners[at, 0] = (dx * c + dy * s) * seen
                    partners[at, 1] = (dy * c - dx * s) * seen
                    partners[at, 2] = others[n, 2] * c + others[n, 3] * s
                    partners[at, 3] = others[n, 3] * c - others[n, 2] * s
                    partners[at, 4] = others[n, 4]
                    partners[at, 5] = others[n, 5]
                    partners[at, 6] = others[n, 6]
                else:
                    for q in range(PARTNER_FLOATS):
                        partners[at, q] = zero
                at += np.uint64(1)
            cell = cell_at(grid, x[e, me], y[e, me])
            listed = cell_row[cell] if cell >= 0 else -1
            if listed < 0:
                row[first_segment:] = zero
                continue
            items = view[listed]
            segments = row[first_segment:].reshape(VIEW, SEGMENT_FLOATS)
            for k in range(np.uint64(VIEW)):
                item = items[k]
                if item < 0:
                    segments[k:] = zero
                    break
                i = np.uint64(item)
                dx, dy = segment[i, 0] - px, segment[i, 1] - py
                if dx * dx + dy * dy <= near:
                    segments[k, 0] = (dx * c + dy * s) * seen
                    segments[k, 1] = (dy * c - dx * s) * seen
                    segments[k, 2] = segment[i, 2] * per_half
                    segments[k, 3] = segment[i, 3] * c + segment[i, 4] * s
                    segments[k, 4] = segment[i, 4] * c - segment[i, 3] * s
                    segments[k, 5] = segment[i, 5] * per_width
                    segments[k, 6] = segment[i, 6] * per_type
                else:
                    for q in range(SEGMENT_FLOATS):
                        segments[k, q] = zero


@njit(cache=True)
def _scale_actors(state: State, e: int, out: Float32[np.ndarray, "N 7"]) -> None:
    """x, y [m], cos, sin, and speed, length, width as they are observed; NaN x = nobody."""
    count = state.count[e]
    modes, x, y, cos, sin = state.mode[e], state.x[e], state.y[e], state.cos[e], state.sin[e]
    speed, length, width = state.speed[e], state.half_length[e], state.half_width[e]
    for n in range(out.shape[0]):
        there = n < count and modes[n] != ABSENT
        out[n, 0] = x[n] if there else np.nan
        out[n, 1], out[n, 2], out[n, 3] = y[n], cos[n], sin[n]
        out[n, 4] = min(max(speed[n] * (1.0 / SPEED), -4.0), 4.0)
        out[n, 5] = min(length[n] * (2.0 / LENGTH), 4.0)
        out[n, 6] = min(width[n] * (2.0 / WIDTH), 4.0)


@njit(cache=True)
def _way_point(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    at: float,
    x: float,
    y: float,
    cos: float,
    sin: float,
) -> tuple[float, float]:
    """The point WAY_AHEAD further on a way in a vehicle's frame, scaled, no farther than 4."""
    if count == 0:
        return 0.0, 0.0
    want = at + WAY_AHEAD
    low = way_segment(way, first, count, want)
    high = min(low + 1, first + count - 1)
    t = 0.0
    if way[high, 3] > way[low, 3]:
        t = min(max((want - way[low, 3]) / (way[high, 3] - way[low, 3]), 0.0), 1.0)
    dx = way[low, 0] + t * (way[high, 0] - way[low, 0]) - x
    dy = way[low, 1] + t * (way[high, 1] - way[low, 1]) - y
    scale = 1.0 / max(RADIUS, 0.25 * sqrt(dx * dx + dy * dy))
    return (dx * cos + dy * sin) * scale, (dy * cos - dx * sin) * scale
