"""Which lane each actor is on."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    BICYCLE,
    DRIVE,
    END_SLACK,
    LANE_SLACK,
    OFF_LANES,
    VEHICLE,
    WRONG_WAY,
    Roads,
    State,
)
from drivelab.kernels.world.cells import cell_at, grid_of

TURN_COST = 4.0  # a lane across costs this much as its distance, one against the heading twice [m]
AGAINST = -0.5  # a lane runs against an actor whose heading is more than 120 deg off: the cosine
DRIVERS = (VEHICLE, BICYCLE)  # the kinds that drive on lanes


@njit(cache=True)
def locate_actors(roads: Roads, state: State) -> None:
    """Look up lane, lane_s and lane_d of all actors, and set the flags WRONG_WAY and OFF_LANES.

    A lane is under an actor when its centre lies within half the lane's mean width (+ LANE_SLACK)
    of the centreline and not beyond its ends (+ END_SLACK). Of several the one with the smallest
    distance + TURN_COST * (1 - cos of the heading difference) counts, then the lowest number.
    WRONG_WAY: vehicles and bicycles with lanes under them that all run against them. Drivers
    (DRIVE) know their lane; only the flags are looked up for those that have left it.
    """
    lane_first, lane_step, lane_width = roads.lane_first, roads.lane_step, roads.lane_width
    near_first, near_item, near_lane = roads.near_first, roads.near_item, roads.near_lane
    xs, ys, cell_row = roads.x, roads.y, roads.cell_row
    modes, kinds, all_flags = state.mode, state.kind, state.flags
    lanes, lane_s, lane_d = state.lane, state.lane_s, state.lane_d
    actor_x, actor_y, actor_cos, actor_sin = state.x, state.y, state.cos, state.sin
    for e in range(modes.shape[0]):
        grid = grid_of(roads, state.map[e])
        for n in range(state.count[e]):
            flags = np.int64(all_flags[e, n]) & ~(WRONG_WAY | OFF_LANES)
            mode = modes[e, n]
            if mode == ABSENT:
                all_flags[e, n] = flags
                lanes[e, n], lane_s[e, n], lane_d[e, n] = -1, 0.0, 0.0
                continue
            mine = lanes[e, n]
            driver = mode == DRIVE and mine >= 0
            if driver and abs(lane_d[e, n]) < 0.5 * lane_width[mine]:
                all_flags[e, n] = flags
                continue
            px, py = actor_x[e, n], actor_y[e, n]
            cos, sin = actor_cos[e, n], actor_sin[e, n]
            cell = cell_at(grid, px, py)
            row = cell_row[cell] if cell >= 0 else -1
            lane, along, aside, best, along_me = -1, 0.0, 0.0, inf, False
            if row >= 0:
                for i in range(near_first[row], near_first[row + 1]):
                    v, other = near_item[i], near_lane[i]
                    ax, ay = xs[v], ys[v]
                    dx, dy = xs[v + 1] - ax, ys[v + 1] - ay
                    rx, ry = px - ax, py - ay
                    squared = dx * dx + dy * dy
                    raw = (rx * dx + ry * dy) / squared
                    t = min(max(raw, 0.0), 1.0)
                    gx, gy = rx - t * dx, ry - t * dy
                    gap = gx * gx + gy * gy
                    reach = 0.5 * lane_width[other] + LANE_SLACK
                    if gap > reach * reach:
                        continue
                    beyond = raw - t  # of the piece, in its lengths
                    if beyond * beyond * squared > END_SLACK * END_SLACK and (
                        v == lane_first[other] if beyond < 0.0 else v == lane_first[other + 1] - 2
                    ):
                        continue
                    facing = (dx * cos + dy * sin) / sqrt(squared)
                    along_me = along_me or facing > AGAINST
                    gap = sqrt(gap)
                    cost = gap + TURN_COST * (1.0 - facing)
                    if cost < best:
                        best, lane = cost, other
                        along = (v - lane_first[other] + t) * lane_step[other]
                        aside = gap if dx * ry - dy * rx >= 0.0 else -gap
            if lane < 0:
                flags |= OFF_LANES
            elif not along_me:
                kind = kinds[e, n]
                if kind == DRIVERS[0] or kind == DRIVERS[1]:
                    flags |= WRONG_WAY
            all_flags[e, n] = flags
            if not driver:
                lanes[e, n], lane_s[e, n], lane_d[e, n] = lane, along, aside
