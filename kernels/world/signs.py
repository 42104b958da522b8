"""Red lights and stop signs that policies' vehicles pass."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from numba import njit

from drivelab.kernels.world.arrays import (
    POLICY,
    RED,
    RED_LIGHT,
    STOP_SIGN,
    STOP_SIGN_AHEAD,
    Roads,
    State,
)
from drivelab.kernels.world.traffic import Course, Plans, goes_into

SIGN_ROOM = 4.0  # a stop counts from so near before the line [m]
STOPPED = 0.1  # slower than this is a full stop [m/s]
LINE_SLACK = 0.5  # a line reaches so far beyond its lane's edges [m]


@njit(cache=True)
def check_signs(roads: Roads, state: State) -> None:
    """Set the flags RED_LIGHT and STOP_SIGN of POLICY actors, for the step just made.

    The line of a lane is the cross-section at its end, where its connectors begin. An actor passes
    it when the middle of its front gets from one side to the other within the lane's width.
    RED_LIGHT: all connectors from there that its way does not rule out show red. STOP_SIGN: a sign
    stands there, and it has not stood still (`stopped_at`) since it came within SIGN_ROOM of it.

    Lines are those at the end of the lane the actor is on, and at the start of its connector.
    """
    for e in range(state.mode.shape[0]):
        for n in range(state.count[e]):
            if state.mode[e, n] != POLICY:
                continue
            flags = np.int64(state.flags[e, n]) & ~(RED_LIGHT | STOP_SIGN)
            reach = state.half_length[e, n]
            x = state.x[e, n] + reach * state.cos[e, n]
            y = state.y[e, n] + reach * state.sin[e, n]
            lane = state.lane[e, n]
            if lane >= 0:
                if roads.lane_connector[lane]:
                    for k in range(
                        roads.predecessor_first[lane], roads.predecessor_first[lane + 1]
                    ):
                        flags |= line_flags(roads, state, e, n, roads.predecessor[k], x, y)
                else:
                    flags |= line_flags(roads, state, e, n, lane, x, y)
            state.front_x[e, n], state.front_y[e, n] = x, y
            state.flags[e, n] = flags


@njit(cache=True)
def line_flags(roads: Roads, state: State, e: int, n: int, lane: int, x: float, y: float) -> int:
    """What an actor does whose front has come to (x, y) [m], at the line that ends `lane`.

    Notes a stop before a sign in `stopped_at`, and forgets it when the line is passed.
    """
    if roads.successor_first[lane] == roads.successor_first[lane + 1]:
        return 0
    signed = roads.lane_control[lane] == STOP_SIGN_AHEAD
    lit = False
    for k in range(roads.successor_first[lane], roads.successor_first[lane + 1]):
        lit = lit or roads.lane_group[roads.successor[k]] >= 0
    if not lit and not signed:
        return 0
    v = roads.lane_first[lane + 1] - 1
    c, s = cos(roads.yaw[v]), sin(roads.yaw[v])
    dx, dy = x - roads.x[v], y - roads.y[v]
    beyond, aside = dx * c + dy * s, dy * c - dx * s
    half = 0.5 * roads.lane_width[lane] + LINE_SLACK
    if abs(aside) > half:
        return 0
    if signed and -SIGN_ROOM < beyond <= 0.0 and abs(state.speed[e, n]) < STOPPED:
        state.stopped_at[e, n] = lane
    ox, oy = state.front_x[e, n] - roads.x[v], state.front_y[e, n] - roads.y[v]
    before = ox * c + oy * s
    if not (before <= 0.0 < beyond) or abs(oy * c - ox * s) > half + abs(beyond - before):
        return 0
    flags = 0
    if signed:
        if state.stopped_at[e, n] != lane:
            flags |= STOP_SIGN
        state.stopped_at[e, n] = -1
    course = Course(roads.lane_first, roads.lane_step, roads.x, roads.y, roads.speed)
    plans = Plans(
        state.route, state.seed, state.way, state.way_first, state.way_count, state.way_at
    )
    reds, others, all_reds, all_others = 0, 0, 0, 0
    for k in range(roads.successor_first[lane], roads.successor_first[lane + 1]):
        following = roads.successor[k]
        group = roads.lane_group[following]
        red = group >= 0 and state.light[e, group] == RED
        taken = goes_into(course, plans, e, n, following)
        if red:
            all_reds += 1
            reds += 1 if taken else 0
        else:
            all_others += 1
            others += 1 if taken else 0
    if reds + others == 0:  # it goes none of the ways its own way would take
        reds, others = all_reds, all_others
    if reds > 0 and others == 0:
        flags |= RED_LIGHT
    return flags
