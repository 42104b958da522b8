"""Red lights and stop signs that policies' vehicles pass."""

from __future__ import annotations

from math import cos, sin
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
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
from drivelab.kernels.world.excerpts import Course, Plans, course_of, plans_of
from drivelab.kernels.world.inner import inner, wide
from drivelab.kernels.world.junctions import SIGN_ROOM, STOPPED
from drivelab.kernels.world.traffic import goes_into

LINE_SLACK = 0.5  # a line reaches so far beyond its lane's edges [m]


class Lines(NamedTuple):
    """What stands at the ends of lanes; fields of `Roads` and `State`."""

    after_first: Int[np.ndarray, " L+1"]
    after: Int[np.ndarray, " s"]
    group: Int[np.ndarray, " L"]
    control: Int[np.ndarray, " L"]
    width: Float[np.ndarray, " L"]
    yaw: Float[np.ndarray, " P"]
    light: Int[np.ndarray, "E G"]


@njit(cache=True)
def check_signs(roads: Roads, state: State) -> None:
    """Set the flags RED_LIGHT and STOP_SIGN of POLICY actors, for the step just made.

    The line of a lane is the cross-section at its end, where its connectors begin. An actor passes
    it when the middle of its front gets from one side to the other within the lane's width.
    RED_LIGHT: all connectors from there that its way does not rule out show red. STOP_SIGN: a sign
    stands there, and it has not stood still (`stopped_at`) since it came within SIGN_ROOM of it.

    Lines are those at the end of the lane the actor is on, and at the start of its connector.
    """
    course, plans = course_of(roads), plans_of(state)
    lines = Lines(
        roads.successor_first, roads.successor, roads.lane_group, roads.lane_control,
        roads.lane_width, roads.yaw, state.light,
    )  # fmt: skip
    mode, count, lanes, stopped_at = state.mode, state.count, state.lane, state.stopped_at
    before_first, before = roads.predecessor_first, roads.predecessor
    actor_x, actor_y, actor_cos, actor_sin = state.x, state.y, state.cos, state.sin
    speed, half_length, all_flags = state.speed, state.half_length, state.flags
    front_x, front_y, connector = state.front_x, state.front_y, roads.lane_connector
    after_first, after = roads.successor_first, roads.successor
    group, control = roads.lane_group, roads.lane_control
    for e in range(mode.shape[0]):
        for n in range(wide(count[e])):
            if mode[e, n] != POLICY:
                continue
            flags = np.int64(all_flags[e, n]) & ~(RED_LIGHT | STOP_SIGN)
            reach = half_length[e, n]
            x = actor_x[e, n] + reach * actor_cos[e, n]
            y = actor_y[e, n] + reach * actor_sin[e, n]
            lane, stands = lanes[e, n], abs(speed[e, n]) < STOPPED
            if lane >= 0:
                first, last = 0, 1
                if connector[lane]:
                    first, last = before_first[lane], before_first[lane + 1]
                for k in range(first, last):
                    line = before[k] if connector[lane] else lane
                    watched = control[line] == STOP_SIGN_AHEAD
                    for i in range(after_first[line], after_first[line + 1]):
                        watched = watched or group[after[i]] >= 0
                    if not watched:
                        continue
                    stopped = stopped_at[e, n] == line
                    found, stopped = line_flags(
                        course,
                        plans,
                        lines,
                        e,
                        n,
                        line,
                        (front_x[e, n], front_y[e, n], x, y),
                        stands,
                        stopped,
                    )
                    flags |= found
                    if stopped:
                        stopped_at[e, n] = line
                    elif stopped_at[e, n] == line:
                        stopped_at[e, n] = -1
            front_x[e, n], front_y[e, n] = x, y
            all_flags[e, n] = flags


@inner
def line_flags(
    course: Course,
    plans: Plans,
    lines: Lines,
    e: int,
    n: int,
    lane: int,
    front: tuple[float, float, float, float],
    stands: bool,
    stopped: bool,
) -> tuple[int, bool]:
    """What an actor does at the line that ends `lane`.

    Args:
        course: of the lanes.
        plans: of the actors.
        lines: of the lanes.
        e: environment.
        n: actor slot.
        lane: whose end is looked at.
        front: middle of its front before and after the step: x, y, x, y [m].
        stands: it stands still.
        stopped: it has stood still before this line's sign.

    Returns:
        Flags, and whether it has stood still before the sign and not passed it yet.
    """
    signed, lit = lines.control[lane] == STOP_SIGN_AHEAD, False
    begin, end = lines.after_first[lane], lines.after_first[lane + 1]
    for k in range(begin, end):
        lit = lit or lines.group[lines.after[k]] >= 0
    if begin == end or not (lit or signed):
        return 0, stopped
    v = course.first[lane + 1] - 1
    c, s = cos(lines.yaw[v]), sin(lines.yaw[v])
    ox, oy = front[0] - course.x[v], front[1] - course.y[v]
    dx, dy = front[2] - course.x[v], front[3] - course.y[v]
    before, beyond, aside = ox * c + oy * s, dx * c + dy * s, dy * c - dx * s
    half = 0.5 * lines.width[lane] + LINE_SLACK
    if abs(aside) > half:
        return 0, stopped
    stopped = stopped or (signed and stands and -SIGN_ROOM < beyond <= 0.0)
    if not (before <= 0.0 < beyond) or abs(oy * c - ox * s) > half + beyond - before:
        return 0, stopped
    flags = STOP_SIGN if signed and not stopped else 0
    reds, others, all_reds, all_others = 0, 0, 0, 0
    for k in range(begin, end):
        following = wide(lines.after[k])
        group = lines.group[following]
        taken = 1 if goes_into(course, plans, e, n, following) else 0
        if group >= 0 and lines.light[e, group] == RED:
            all_reds += 1
            reds += taken
        else:
            all_others += 1
            others += taken
    if reds + others == 0:  # it goes none of the ways its own way would take
        reds, others = all_reds, all_others
    if reds > 0 and others == 0:
        flags |= RED_LIGHT
    return flags, False
