"""Drivers on lanes: IDM to what is ahead, stops where they must, along their routes.

IDM (Treiber, Hennecke, Helbing 2000) with two departures: above the wished speed a driver brakes
in proportion to the excess, at most comfortably, because the paper's power law brakes without
bound; and acceleration changes at a limited rate, except in need.
"""

from __future__ import annotations

from math import atan, cos, inf, pi, sin, sqrt

import numpy as np
from jaxtyping import Float
from numba import njit

from drivelab.kernels.world.arrays import ABSENT, DRIVE, DT, EMERGENCY, GREEN, Roads, State
from drivelab.kernels.world.excerpts import Course, course_of, graph_of, plans_of
from drivelab.kernels.world.inner import inner, wide
from drivelab.kernels.world.junctions import Rules, find_stops, rules_of
from drivelab.kernels.world.lane_change import begin_changes, choose_changes
from drivelab.kernels.world.leaders import find_leaders
from drivelab.kernels.world.traffic import (
    AHEAD,
    BODY,
    BY_END,
    COUNT,
    GAP,
    HUNTED,
    LANE,
    LEAD_SPEED,
    LINE,
    MARK,
    MODE,
    OBEYS,
    OPEN,
    PACE,
    PLACE,
    ROOM,
    SPEED,
    STOPPED_AT,
    VANISH,
    WAITED,
    WHY,
    Traffic,
    copy_actors,
    look_ahead,
    next_lane,
)

JERK_UP, JERK_DOWN = 2.0, 4.0  # how fast an acceleration may rise and fall [m/s^3]
RELEASE = 8.0  # how fast brakes are released [m/s^3]
NEED, NEED_JERK = 3.0, 40.0  # braking harder than this may set in so fast [m/s^2], [m/s^3]
LOOK_AHEAD = 0.4  # the allowed speed is read so much later on the lane [s]
EASE = 0.6  # an excess of speed is taken back within about this time [s]
BEND_BRAKING = 1.5  # before slower lanes of the route [m/s^2]
STOP_SHORT = 1.5  # from the front bumper to the line at rest [m]
STANDING_HEADWAY = 0.6  # headway to lines [s]
CRAWL = 0.5  # slowest wished speed of a lane [m/s]
FULL_SHIFT_SPEED = 3.0  # slower drivers move over more slowly [m/s]
MAKE_ROOM = 0.5  # share of its speed at which a driver lets an emergency vehicle come up
JUNCTION_CARE = 6.0  # speed of an emergency vehicle over a line that others would stop at [m/s]
GIVE_UP = 20.0  # after so long at a lane's end a driver gives up its route [s]


@njit(cache=True)
def free_acceleration(
    speed: float, target: float, acceleration: float, deceleration: float, exponent: float
) -> float:
    """Acceleration on a free road [m/s^2]."""
    if speed > target:
        return max((target - speed) / EASE, -deceleration)
    share = speed / max(target, 1e-3)
    if exponent == 4.0:
        share *= share
        return acceleration * (1.0 - share * share)
    return acceleration * (1.0 - share**exponent)


@njit(cache=True)
def wished_gap(
    speed: float, lead_speed: float, min_gap: float, headway: float, root: float
) -> float:
    """IDM's desired gap [m]; `root` is twice the root of acceleration times deceleration."""
    return min_gap + max(headway * speed + speed * (speed - lead_speed) / root, 0.0)


@njit(cache=True)
def choose_accelerations(roads: Roads, state: State) -> None:
    """Decide the acceleration of every driver for the coming step, and begin its lane changes.

    Everybody decides on the same moment: `acceleration`, `waited` and `stopped_at` are written, and
    last of all what a lane change sets.
    """
    environments, actors = state.mode.shape
    buckets = 16
    while buckets < 2 * actors:
        buckets *= 2
    entries = 6 * actors + 16
    traffic = Traffic(
        np.empty((environments, actors, BODY)),
        np.empty((environments, actors, MARK), np.int32),
        np.empty((environments, actors, AHEAD), np.int32),
        np.empty((environments, actors, AHEAD)),
        np.empty((environments, buckets + 1), np.int32),
        np.empty((environments, entries, 3), np.int32),
        np.empty((environments, entries)),
        np.empty((environments, actors + 1), np.int32),
    )
    graph, course = graph_of(roads), course_of(roads)
    plans, rules = plans_of(state), rules_of(roads, state)
    copy_actors(roads, state, traffic)
    look_ahead(graph, course, roads.yaw, plans, traffic)
    find_leaders(graph, course, traffic)
    find_stops(graph, course, rules, traffic)
    choose_changes(graph, course, plans, state.driver, state.step, state.shift_time, traffic)
    accelerate(course, rules, traffic, state.driver, state.wish, state.push, state.acceleration)
    for e in range(environments):
        for n in range(actors):
            if traffic.mark[e, n, MODE] == ABSENT:
                continue
            state.waited[e, n] = traffic.body[e, n, WAITED]
            if traffic.mark[e, n, MODE] == DRIVE:
                state.stopped_at[e, n] = traffic.mark[e, n, STOPPED_AT]
            if traffic.mark[e, n, WHY] & BY_END and state.waited[e, n] > GIVE_UP:
                state.waited[e, n] = 0.0
                state.route[e, n, :] = -1
    begin_changes(graph, course, state, traffic)


@inner
def accelerate(
    course: Course,
    rules: Rules,
    traffic: Traffic,
    driver: Float[np.ndarray, "E N 6"],
    wish: Float[np.ndarray, "E N"],
    push: Float[np.ndarray, "E N"],
    acceleration: Float[np.ndarray, "E N"],
) -> None:
    """Replace `acceleration` of every driver: for its leader, its place to stop and its lanes.

    Args:
        course: of the lanes.
        rules: of the junctions.
        traffic: of this step, with leaders and places to stop.
        driver: min gap, headway, acceleration, deceleration, exponent, braking limit.
        wish: speeds set by behaviours, NaN = none [m/s].
        push: accelerations set by behaviours, NaN = none [m/s^2].
        acceleration: of the step before [m/s^2]; replaced.
    """
    body, mark, speeds, firsts = traffic.body, traffic.mark, course.speed, course.first
    for e in range(mark.shape[0]):
        for n in range(mark.shape[1]):
            m, b = mark[e, n], body[e, n]
            if m[MODE] != DRIVE:
                continue
            count, speed = m[COUNT], b[SPEED]
            if count == 0:
                acceleration[e, n] = 0.0
                continue
            target = wish[e, n]
            if target == target:
                target = max(target, 0.0)
            else:
                # By the lane, a moment later, and early enough for the lanes to come.
                lane, pace, later = m[LANE], b[PACE], LOOK_AHEAD * speed
                place = (b[PLACE] + later) / course.step[lane]
                v = min(int(place), firsts[lane + 1] - firsts[lane] - 2)
                t = min(place - v, 1.0)
                v += firsts[lane]
                target = pace * (speeds[v] + t * (speeds[v + 1] - speeds[v]))
                for k in range(1, count):
                    slow = pace * speeds[firsts[traffic.ahead[e, n, k]]]
                    if slow < target:
                        room = max(traffic.ahead_from[e, n, k] - later, 0.0)
                        target = min(target, sqrt(slow * slow + 2.0 * BEND_BRAKING * room))
                target = max(target, CRAWL)
                if m[HUNTED]:
                    target *= MAKE_ROOM
                if m[OBEYS] & EMERGENCY and m[LINE] > 0:
                    group = rules.group[traffic.ahead[e, n, m[LINE]]]
                    if group >= 0 and rules.light[e, group] != GREEN:
                        room = max(traffic.ahead_from[e, n, m[LINE]], 0.0)
                        careful = sqrt(JUNCTION_CARE * JUNCTION_CARE + 2.0 * BEND_BRAKING * room)
                        target = min(target, careful)
            d = driver[e, n]
            least, gain, brake, limit = d[0], d[2], d[3], d[5]
            root = 2.0 * sqrt(gain * brake)
            pressure = 0.0
            if b[GAP] < inf:
                wanted = wished_gap(speed, b[LEAD_SPEED], least, d[1], root)
                pressure = wanted / max(b[GAP], least)
            if b[ROOM] < inf:
                wanted = wished_gap(speed, 0.0, least, STANDING_HEADWAY, root)
                pressure = max(pressure, wanted / max(b[ROOM] - STOP_SHORT + least, least))
            braking = gain * pressure * pressure
            forced = push[e, n]
            if forced == forced:
                wanted = forced
                if braking > gain:  # what is too near ahead has the last word
                    wanted = min(forced, max(gain - braking, -limit))
                acceleration[e, n] = wanted
                continue
            wanted = free_acceleration(speed, target, gain, brake, d[4]) - braking
            wanted = min(max(wanted, -limit), gain)
            old = acceleration[e, n]
            rise = JERK_UP if old >= 0.0 else RELEASE
            fall = NEED_JERK if wanted < -NEED else JERK_DOWN
            acceleration[e, n] = min(max(wanted, old - fall * DT), old + rise * DT)


@njit(cache=True)
def move_drivers(roads: Roads, state: State) -> None:
    """Move every driver along its lanes and set its pose.

    A driver whose roads end vanishes; one that has stood at the end of a lane that does not lead on
    for long gives up its route. The path across the lane is a quintic in time, slowed down below
    FULL_SHIFT_SPEED, so that nobody slides sideways.
    """
    after_first, after, length = roads.successor_first, roads.successor, roads.lane_length
    left, right, route, seed = roads.lane_left, roads.lane_right, state.route, state.seed
    at_route = state.route_at
    lane_first, lane_step, xs, ys, yaws = (
        roads.lane_first, roads.lane_step, roads.x, roads.y, roads.yaw,
    )  # fmt: skip
    mode, count, lanes, places, asides = (
        state.mode, state.count, state.lane, state.lane_s, state.lane_d,
    )  # fmt: skip
    speeds, gains, others, shifts = state.speed, state.acceleration, state.other_lane, state.shift
    starts, goals, times, overs = (
        state.shift_from, state.shift_to, state.shift_time, state.shift_over,
    )  # fmt: skip
    px, py, heading, cosine, sine, turns = (
        state.x, state.y, state.yaw, state.cos, state.sin, state.yaw_rate,
    )  # fmt: skip
    for e in range(mode.shape[0]):
        for n in range(wide(count[e])):
            lane = wide(lanes[e, n])
            if mode[e, n] != DRIVE or lane < 0:
                continue
            before = speeds[e, n]
            speed = max(before + gains[e, n] * DT, 0.0)
            gains[e, n] = (speed - before) / DT
            speeds[e, n] = speed
            s = places[e, n] + 0.5 * (before + speed) * DT
            following = OPEN
            while s > length[lane]:
                at = wide(at_route[e, n])
                following, at = next_lane(
                    after_first, after, left, right, route, e, n, at, lane, seed[e]
                )
                if following < 0:
                    break
                other = others[e, n]
                if other >= 0:  # the lane that it is leaving goes on beside the new one
                    beside = -1
                    if left[lane] == other:
                        beside = left[following]
                    elif right[lane] == other:
                        beside = right[following]
                    others[e, n] = beside
                s -= length[lane]
                at_route[e, n], lane = at, following
            if s > length[lane]:
                if following == VANISH:
                    leave(state, e, n)
                    continue
                s = length[lane]
            lanes[e, n], places[e, n] = lane, s
            # Across the lane
            slope = 0.0
            over = overs[e, n]
            quick = max(speed, FULL_SHIFT_SPEED)
            times[e, n] += DT * (min(speed / quick, 1.0) if over > 0.0 else 1.0)
            if over > 0.0:
                u = times[e, n] / over
                way = goals[e, n] - starts[e, n]
                if u >= 1.0:
                    shifts[e, n] = goals[e, n]
                    overs[e, n], times[e, n] = 0.0, 0.0
                    others[e, n] = -1
                else:
                    share = u * u * u * (10.0 - 15.0 * u + 6.0 * u * u)
                    shifts[e, n] = starts[e, n] + way * share
                    slope = way * 30.0 * u * u * (1.0 - u) * (1.0 - u) / (over * quick)
            # Pose
            first = lane_first[lane]
            v = min(int(s / lane_step[lane]), lane_first[lane + 1] - first - 2)
            t = s / lane_step[lane] - v
            v += first
            yaw = yaws[v] + t * (yaws[v + 1] - yaws[v])
            c, d = cos(yaw), sin(yaw)
            shift = shifts[e, n]
            asides[e, n] = shift
            px[e, n] = xs[v] + t * (xs[v + 1] - xs[v]) - shift * d
            py[e, n] = ys[v] + t * (ys[v + 1] - ys[v]) + shift * c
            if slope != 0.0:
                yaw += atan(slope)
                norm = 1.0 / sqrt(1.0 + slope * slope)
                c, d = (c - d * slope) * norm, (d + c * slope) * norm
            yaw = (yaw + pi) % (2.0 * pi) - pi
            turned = yaw - heading[e, n]
            turns[e, n] = ((turned + pi) % (2.0 * pi) - pi) / DT
            heading[e, n], cosine[e, n], sine[e, n] = yaw, c, d


@njit(cache=True, inline="always")
def leave(state: State, e: int, n: int) -> None:
    """Take an actor out of the world."""
    state.mode[e, n], state.lane[e, n], state.other_lane[e, n] = ABSENT, -1, -1
    state.lane_s[e, n], state.lane_d[e, n] = 0.0, 0.0
    state.speed[e, n], state.acceleration[e, n], state.yaw_rate[e, n] = 0.0, 0.0, 0.0
