"""Lane changes: for the route's sake, to get on faster (MOBIL), to make room.

The rule and its figures are those of `drivelab.planning.lane_change`.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.idm import idm_acceleration_scalar
from drivelab.kernels.world.arrays import CHANGES, DRIVE, State
from drivelab.kernels.world.excerpts import Course, Graph, Plans
from drivelab.kernels.world.inner import inner, wide
from drivelab.kernels.world.traffic import (
    AT,
    CHANGE,
    COUNT,
    END,
    GAP,
    GO_LEFT,
    GO_RIGHT,
    HALF_LENGTH,
    HUNTED,
    LANE,
    LEAD_SPEED,
    LINE,
    MODE,
    OBEYS,
    PACE,
    PLACE,
    SETTLED,
    SPEED,
    VANISH,
    Traffic,
    next_lane,
    side_of,
)

PERIOD = 5  # steps between two decisions of a driver
COOLDOWN = 5.0  # between changes that nothing forces [s]
OVER = 3.5  # a change takes so long at more than walking speed [s]
JUNCTION_ROOM = 30.0  # nobody changes without need so near before a connector [m]
ROUTE_ROOM = 120.0  # ... nor to a lane that the route would have to leave within this [m]
SEARCH = 70.0  # new neighbours are looked for so far ahead and behind [m]
INTEREST = 60.0  # a leader farther away is no reason to change [m]
POLITENESS, THRESHOLD, SAFE_BRAKING = 0.3, 0.2, 2.0
MIN_GAP, HEADWAY = 6.0, 0.5  # to both new neighbours [m], [s]
NEEDED_GAP, NEEDED_HEADWAY, NEEDED_BRAKING = 2.5, 0.3, 3.5  # the same when the change must be made
OUT_ROOM, OUT_SPEED = 7.0, 1.0  # room to swing out behind a leader, unless it is faster [m], [m/s]
SAME_PLACE = 30.0  # two drivers do not enter one lane in the same step so near each other [m]


@njit(cache=True)
def place_on_lane(
    course: Course, lane: int, guess: float, px: float, py: float
) -> tuple[float, float]:
    """Distance along a lane [m] and offset to its left [m] of a point near the distance `guess`."""
    x, y, first, step = course.x, course.y, course.first[lane], course.step[lane]
    last = course.first[lane + 1] - 2
    v = first + min(max(int(guess / step), 0), last - first)
    t, dx, dy = 0.0, 1.0, 0.0
    for _ in range(last - first + 1):
        dx, dy = x[v + 1] - x[v], y[v + 1] - y[v]
        t = ((px - x[v]) * dx + (py - y[v]) * dy) / max(dx * dx + dy * dy, 1e-12)
        if t < 0.0 and v > first:
            v -= 1
            # Outside of a bend a point may lie before one piece and beyond the other.
            bx, by = x[v + 1] - x[v], y[v + 1] - y[v]
            u = ((px - x[v]) * bx + (py - y[v]) * by) / max(bx * bx + by * by, 1e-12)
            if u > 1.0:
                t, dx, dy = 1.0, bx, by
                break
            continue
        if t > 1.0 and v < last:
            v += 1
            bx, by = x[v + 1] - x[v], y[v + 1] - y[v]
            u = ((px - x[v]) * bx + (py - y[v]) * by) / max(bx * bx + by * by, 1e-12)
            if u < 0.0:
                t, dx, dy = 0.0, bx, by
                break
            continue
        break
    t = min(max(t, 0.0), 1.0)
    norm = max(sqrt(dx * dx + dy * dy), 1e-12)
    ox, oy = px - x[v] - t * (x[v + 1] - x[v]), py - y[v] - t * (y[v + 1] - y[v])
    return (v - first + t) * step, (dx * oy - dy * ox) / norm


@inner
def neighbours(
    graph: Graph, plans: Plans, traffic: Traffic, e: int, n: int, lane: int, s: float
) -> tuple[float, float, float, float, int]:
    """Who would be ahead of and behind driver n on `lane` at `s`: gaps [m], speeds [m/s], follower.

    Looks along the lane, then on the lanes before it and after it, up to SEARCH. No follower: -1.
    """
    body, mark, place = traffic.body, traffic.mark, traffic.place
    bucket, entry = traffic.bucket, traffic.entry
    mask = bucket.shape[1] - 2
    half = body[e, n, HALF_LENGTH]
    gap_ahead, speed_ahead, gap_behind, speed_behind, behind = inf, 0.0, inf, 0.0, -1
    i = bucket[e, (2 * lane) & mask]
    while i >= 0:
        o = entry[e, i, 1]
        if entry[e, i, 0] == 2 * lane and o != n:
            away = place[e, i] - s
            gap = abs(away) - half - body[e, o, HALF_LENGTH]
            if away >= 0.0 and gap < gap_ahead:
                gap_ahead, speed_ahead = gap, body[e, o, SPEED]
            if away < 0.0 and gap < gap_behind:
                gap_behind, speed_behind, behind = gap, body[e, o, SPEED], o
        i = entry[e, i, 2]
    at, here, begin = wide(mark[e, n, AT]), lane, graph.length[lane] - s
    while gap_ahead == inf and begin < SEARCH:
        here, at = next_lane(
            graph.after_first,
            graph.after,
            graph.left,
            graph.right,
            plans.route,
            e,
            n,
            at,
            here,
            plans.seed[e],
        )
        if here < 0:
            break
        i = bucket[e, (2 * here) & mask]
        while i >= 0:
            o = entry[e, i, 1]
            if entry[e, i, 0] == 2 * here and o != n:
                gap = begin + place[e, i] - half - body[e, o, HALF_LENGTH]
                if gap < gap_ahead:
                    gap_ahead, speed_ahead = gap, body[e, o, SPEED]
            i = entry[e, i, 2]
        begin += graph.length[here]
    if behind < 0 and s < SEARCH:
        for k in range(graph.before_first[lane], graph.before_first[lane + 1]):
            key = 2 * graph.before[k]
            i = bucket[e, key & mask]
            while i >= 0:
                o = entry[e, i, 1]
                if entry[e, i, 0] == key and o != n:
                    gap = s + graph.length[graph.before[k]] - place[e, i] - half
                    gap -= body[e, o, HALF_LENGTH]
                    if gap < gap_behind:
                        gap_behind, speed_behind, behind = gap, body[e, o, SPEED], o
                i = entry[e, i, 2]
    return gap_ahead, speed_ahead, gap_behind, speed_behind, behind


@inner
def leads_on(graph: Graph, plans: Plans, e: int, n: int, at: int, lane: int, room: float) -> bool:
    """Whether the route goes on from `lane`, of which `room` [m] are left, for ROUTE_ROOM."""
    while room < ROUTE_ROOM:
        lane, at = next_lane(
            graph.after_first,
            graph.after,
            graph.left,
            graph.right,
            plans.route,
            e,
            n,
            at,
            lane,
            plans.seed[e],
        )
        if lane < 0:
            return lane == VANISH
        room += graph.length[lane]
    return True


@inner
def wanted_side(graph: Graph, plans: Plans, traffic: Traffic, e: int, n: int) -> int:
    """The side to which the route asks driver n to change: 1 left, -1 right, 0 neither."""
    lane, at, goal = wide(traffic.mark[e, n, LANE]), traffic.mark[e, n, AT], -1
    route = plans.route
    while at + 1 < route.shape[2]:
        following = wide(route[e, n, at + 1])
        if following == lane:
            goal = -1
        elif following < 0 or side_of(lane, following, graph.left, graph.right) == 0:
            break
        else:
            goal = following
        at += 1
    if goal >= 0:
        return side_of(lane, goal, graph.left, graph.right)
    end = traffic.mark[e, n, END]
    if end == GO_LEFT:
        return 1
    return -1 if end == GO_RIGHT else 0


@inner
def _allowed(course: Course, lane: int, s: float, pace: float) -> float:
    v = course.first[lane] + min(
        int(s / course.step[lane]), course.first[lane + 1] - course.first[lane] - 1
    )
    return max(course.speed[v] * pace, 1.0)


@inner
def gains(
    graph: Graph,
    course: Course,
    plans: Plans,
    driver: Float[np.ndarray, "E N 6"],
    traffic: Traffic,
    e: int,
    n: int,
    lane: int,
    needed: bool,
) -> bool:
    """Whether changing to the neighbour `lane` is safe and, unless `needed`, worth it."""
    m, b = traffic.mark[e, n], traffic.body[e, n]
    old, speed = wide(m[LANE]), b[SPEED]
    s = b[PLACE] * graph.length[lane] / graph.length[old]
    if not needed and not leads_on(graph, plans, e, n, wide(m[AT]), lane, graph.length[lane] - s):
        return False
    if b[GAP] < OUT_ROOM and b[LEAD_SPEED] < speed + OUT_SPEED:
        return False  # no room to swing out behind the leader
    ahead, lead_speed, behind, back_speed, follower = neighbours(
        graph, plans, traffic, e, n, lane, s
    )
    least, headway = (NEEDED_GAP, NEEDED_HEADWAY) if needed else (MIN_GAP, HEADWAY)
    if ahead < least + headway * speed or behind < least + headway * back_speed:
        return False
    d = driver[e, n]
    target = _allowed(course, lane, s, b[PACE])
    change = idm_acceleration_scalar(
        ahead, speed, lead_speed, target, d[0], d[1], d[2], d[3], d[4], d[5]
    )
    imposed = 0.0
    if follower >= 0:  # by my own manner where the follower is no driver
        o = driver[e, follower] if traffic.mark[e, follower, MODE] == DRIVE else d
        target = 1.2 * max(back_speed, 1.0)
        imposed = idm_acceleration_scalar(
            behind, back_speed, speed, target, o[0], o[1], o[2], o[3], o[4], o[5]
        )
    if needed:
        return imposed >= -NEEDED_BRAKING and change >= -NEEDED_BRAKING
    if imposed < -SAFE_BRAKING:
        return False
    target = _allowed(course, old, b[PLACE], b[PACE])
    stay = idm_acceleration_scalar(
        b[GAP], speed, b[LEAD_SPEED], target, d[0], d[1], d[2], d[3], d[4], d[5]
    )
    return change - stay > THRESHOLD - POLITENESS * min(imposed, 0.0)


@inner
def choose_changes(
    graph: Graph,
    course: Course,
    plans: Plans,
    driver: Float[np.ndarray, "E N 6"],
    step: Int[np.ndarray, " E"],
    rested: Float[np.ndarray, "E N"],
    traffic: Traffic,
) -> None:
    """Fill CHANGE: who begins to change lanes. Every driver is asked every 0.5 s.

    Args:
        graph: of the lanes.
        course: of the lanes.
        plans: of all actors.
        driver: IDM parameters of all actors.
        step: of all environments.
        rested: `shift_time`, since the last change for those that are not changing [s].
        traffic: of this step.
    """
    body, mark = traffic.body, traffic.mark
    for e in range(mark.shape[0]):
        for n in range(mark.shape[1]):
            m = mark[e, n]
            if m[MODE] != DRIVE or m[COUNT] == 0 or (step[e] + n) % PERIOD != 0:
                continue
            lane = m[LANE]
            left, right = wide(graph.left[lane]), wide(graph.right[lane])
            if (left < 0 and right < 0) or graph.connector[lane] or not m[SETTLED]:
                continue
            side = wanted_side(graph, plans, traffic, e, n)
            needed = side != 0
            if not needed and m[HUNTED] and right >= 0:
                side, needed = -1, True
            if not needed:
                if not m[OBEYS] & CHANGES or rested[e, n] < COOLDOWN:
                    continue
                if body[e, n, GAP] > INTEREST:
                    continue
                if m[LINE] > 0 and traffic.ahead_from[e, n, m[LINE]] < JUNCTION_ROOM:
                    continue
            for turn in range(2):  # left first
                way = 1 if turn == 0 else -1
                beside = left if turn == 0 else right
                if beside < 0 or (needed and way != side):
                    continue
                if gains(graph, course, plans, driver, traffic, e, n, beside, needed):
                    m[CHANGE] = way
                    break


@inner
def begin_change(
    course: Course, state: State, e: int, n: int, lane: int, guess: float, over: float
) -> None:
    """Let driver n belong to the neighbour `lane` from now on and move over within `over` seconds.

    Its place and heading stay as they are; it keeps the offset from the centreline that it aimed
    at. `guess` is about how far along the lane it is [m].
    """
    s, d = place_on_lane(course, lane, guess, state.x[e, n], state.y[e, n])
    state.other_lane[e, n] = state.lane[e, n]
    state.lane[e, n], state.lane_s[e, n], state.lane_d[e, n] = lane, s, d
    state.shift[e, n] = state.shift_from[e, n] = d
    state.shift_time[e, n], state.shift_over[e, n] = 0.0, over


@njit(cache=True, inline="always")
def begin_changes(graph: Graph, course: Course, state: State, traffic: Traffic) -> None:
    """Begin the changes that were chosen, the lower slot first where two want the same place."""
    mark, body = traffic.mark, traffic.body
    for e in range(mark.shape[0]):
        for n in range(mark.shape[1]):
            side = mark[e, n, CHANGE]
            if side == 0:
                continue
            lane = mark[e, n, LANE]
            goal = graph.left[lane] if side > 0 else graph.right[lane]
            free = True
            for o in range(n):
                if mark[e, o, CHANGE] != 0 and state.lane[e, o] == goal:
                    free = free and abs(body[e, o, PLACE] - body[e, n, PLACE]) > SAME_PLACE
            if free:
                guess = body[e, n, PLACE] * graph.length[goal] / graph.length[lane]
                begin_change(course, state, e, n, goal, guess, OVER)
            else:
                mark[e, n, CHANGE] = 0
