"""Who drives, stands or crosses ahead of each driver, on the lanes that it is going to take."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.world.arrays import BLIND, DRIVE, EMERGENCY, WALK
from drivelab.kernels.world.excerpts import Course, Graph
from drivelab.kernels.world.inner import inner, spliced
from drivelab.kernels.world.traffic import (
    COS,
    COUNT,
    GAP,
    HALF_LENGTH,
    HALF_WIDTH,
    HUNTED,
    JOINS,
    LANE,
    LEAD_SPEED,
    LINE,
    LOOK_BASE,
    LOOK_LIMIT,
    LOOK_TIME,
    MODE,
    OBEYS,
    OTHER,
    SHIFT,
    SHIFT_TO,
    SIN,
    SPEED,
    Traffic,
    X,
    Y,
)

SIDE_ROOM = 0.25  # what is nearer to my body's path than this is in my way [m]
SWEEP, WALK_SWEEP = 0.4, 1.0  # others are taken to go on straight for so long [s]
FORK_REACH = 25.0  # how far into the other branches of a fork somebody can be in my way [m]
NEAREST_STEP = 0.4  # finest step of the search along a path [m]
SHIFT_LENGTH = 20.0  # a path across the lane is taken to end so far ahead [m]
ALERT = 45.0  # how far ahead of an emergency vehicle drivers make room [m]
TINY = 1e-9


@njit(cache=True)
def gap_to_box(
    course: Course,
    ahead: Int[np.ndarray, " A"],
    ahead_from: Float[np.ndarray, " A"],
    count: int,
    body: Float[np.ndarray, " BODY"],
    limit: float,
    x: float,
    y: float,
    c: float,
    s: float,
    half_length: float,
    half_width: float,
) -> tuple[float, float, float]:
    """Distance from my front bumper to a box, along the lanes ahead.

    Walks along the path, each time as far as the distance to the box allows. Where the box comes
    near, the path counts as straight, so that on a straight path the result is exact.

    Args:
        course: of the lanes.
        ahead: lanes of my path.
        ahead_from: distances from my centre to their starts [m].
        count: number of them.
        body: my row of `Traffic.body`.
        limit: as far as is looked, from my centre [m].
        x: centre of the box [m].
        y: centre of the box [m].
        c: cosine of its heading.
        s: sine of its heading.
        half_length: of the box [m].
        half_width: of the box [m].

    Returns:
        The distance [m], infinity where my way is clear, and the direction (x, y) of the path
        there.
    """
    front, half = body[HALF_LENGTH], body[HALF_WIDTH] + SIDE_ROOM
    shift, across = body[SHIFT], body[SHIFT_TO] - body[SHIFT]
    at, k = front, 0
    tx, ty = 1.0, 0.0
    while at < limit:
        while k + 1 < count and ahead_from[k + 1] <= at:
            k += 1
        lane = ahead[k]
        first, step = course.first[lane], course.step[lane]
        place = (at - ahead_from[k]) / step
        v = min(max(int(place), 0), course.first[lane + 1] - first - 2)
        t = place - v
        if t > 1.0 + 5.0 / step:  # beyond the end of the last lane
            break
        v += first
        dx, dy = course.x[v + 1] - course.x[v], course.y[v + 1] - course.y[v]
        norm = 1.0 / max(sqrt(dx * dx + dy * dy), TINY)
        tx, ty = dx * norm, dy * norm
        aside = shift + across * min(at / SHIFT_LENGTH, 1.0)
        ox = course.x[v] + t * dx - aside * ty - x
        oy = course.y[v] + t * dy + aside * tx - y
        u = max(abs(ox * c + oy * s) - half_length, 0.0)
        w = max(abs(oy * c - ox * s) - half_width, 0.0)
        away = sqrt(u * u + w * w)
        if away <= half:
            # The box in the path's frame, forward p and to the left q: its part within the strip.
            mid_p, mid_q = -(ox * tx + oy * ty), -(oy * tx - ox * ty)
            ca, sa = c * tx + s * ty, s * tx - c * ty
            nearest = inf
            for i in range(4):
                a0 = half_length if i == 0 or i == 3 else -half_length
                b0 = half_width if i < 2 else -half_width
                a1 = half_length if i == 2 or i == 3 else -half_length
                b1 = half_width if i == 0 or i == 3 else -half_width
                p0, q0 = mid_p + a0 * ca - b0 * sa, mid_q + a0 * sa + b0 * ca
                p1, q1 = mid_p + a1 * ca - b1 * sa, mid_q + a1 * sa + b1 * ca
                low, high = 0.0, 1.0
                if abs(q1 - q0) < TINY:
                    if abs(q0) > half:
                        continue
                else:
                    e0, e1 = (-half - q0) / (q1 - q0), (half - q0) / (q1 - q0)
                    low, high = max(low, min(e0, e1)), min(high, max(e0, e1))
                    if low > high:
                        continue
                nearest = min(nearest, p0 + low * (p1 - p0), p0 + high * (p1 - p0))
            if nearest < inf:
                return at - front + max(nearest, 0.0), tx, ty
        at += max(away - half, NEAREST_STEP)
    return inf, tx, ty


@spliced
def nearer_box(
    course: Course,
    ahead: Int[np.ndarray, " A"],
    ahead_from: Float[np.ndarray, " A"],
    count: int,
    body: Float[np.ndarray, " BODY"],
    limit: float,
    other: Float[np.ndarray, " BODY"],
    sweep: float,
    slot: int,
    best: float,
    lead_speed: float,
    leader: int,
) -> tuple[float, float, int]:
    """The leader after another one's box was looked at: gap [m], speed along my path, slot.

    Args:
        course: of the lanes.
        ahead: lanes of my path.
        ahead_from: distances from my centre to their starts [m].
        count: number of them.
        body: my row of `Traffic.body`.
        limit: as far as is looked, from my centre [m].
        other: the other one's row.
        sweep: by which its box grows along its heading [m].
        slot: of the other one.
        best: gap of the leader so far.
        lead_speed: of the leader so far.
        leader: slot of the leader so far.
    """
    c, s = other[COS], other[SIN]
    gap, tx, ty = gap_to_box(
        course, ahead, ahead_from, count, body, limit,
        other[X] + 0.5 * sweep * c, other[Y] + 0.5 * sweep * s, c, s,
        other[HALF_LENGTH] + 0.5 * abs(sweep), other[HALF_WIDTH],
    )  # fmt: skip
    if gap < best:
        return gap, other[SPEED] * (c * tx + s * ty), slot
    return best, lead_speed, leader


@inner
def find_leaders(graph: Graph, course: Course, traffic: Traffic) -> None:
    """Fill GAP and LEAD_SPEED of every driver, and HUNTED.

    Drivers on the lanes ahead count by their place on the lane. Everybody else, drivers that leave
    their lane and drivers on another branch of a fork count by their box, if it is in the way.
    Where two lanes that are no connectors join, whoever is nearer to the join is ahead.
    """
    body, mark, obstacle = traffic.body, traffic.mark, traffic.obstacle
    bucket, entry, place = traffic.bucket, traffic.entry, traffic.place
    after_first, after = graph.after_first, graph.after
    before_first, before = graph.before_first, graph.before
    mask, last = bucket.shape[1] - 2, obstacle.shape[1] - 1
    for e in range(mark.shape[0]):
        for n in range(mark.shape[1]):
            m, b = mark[e, n], body[e, n]
            count = m[COUNT]
            if m[MODE] != DRIVE or count == 0:
                continue
            lanes, froms = traffic.ahead[e, n], traffic.ahead_from[e, n]
            front = b[HALF_LENGTH]
            reach = min(LOOK_BASE + LOOK_TIME * b[SPEED], LOOK_LIMIT) + front
            best, lead_speed, leader = inf, 0.0, -1
            for k in range(count):
                key = 2 * lanes[k]
                i = bucket[e, key & mask]
                while i >= 0:
                    o = entry[e, i, 1]
                    if entry[e, i, 0] == key and o != n and mark[e, o, MODE] == DRIVE:
                        away = froms[k] + place[e, i]
                        if away > 0.0 or (away == 0.0 and o > n):
                            gap = away - front - body[e, o, HALF_LENGTH]
                            if gap < best:
                                best, lead_speed, leader = gap, body[e, o, SPEED], o
                    i = entry[e, i, 2]
                if best < inf:
                    break
            line = m[LINE]
            if line > 0 and m[JOINS]:  # a zip
                key = 2 * lanes[line] + 1
                i = bucket[e, key & mask]
                while i >= 0:
                    o = entry[e, i, 1]
                    if entry[e, i, 0] == key and mark[e, o, LANE] != m[LANE]:
                        away = froms[line] + place[e, i]
                        gap = away - front - body[e, o, HALF_LENGTH]
                        if (away > 0.0 or (away == 0.0 and o < n)) and gap < best:
                            best, lead_speed, leader = gap, body[e, o, SPEED], o
                    i = entry[e, i, 2]
            x, y, c, s = b[X], b[Y], b[COS], b[SIN]
            for j in range(obstacle[e, last]):
                o = obstacle[e, j]
                if o == n or (o == 0 and m[OBEYS] & BLIND):
                    continue
                r = body[e, o]
                dx, dy = r[X] - x, r[Y] - y
                forward = dx * c + dy * s
                sweep = 0.0
                if forward > 0.0:  # who is behind me is no reason to brake
                    sweep = r[SPEED] * (WALK_SWEEP if mark[e, o, MODE] == WALK else SWEEP)
                size = r[HALF_LENGTH] + r[HALF_WIDTH] + abs(sweep)
                limit = min(reach, best + front)
                far = limit + size
                if dx * dx + dy * dy > far * far or forward < front - size:
                    continue
                best, lead_speed, leader = nearer_box(
                    course, lanes, froms, count, b, limit, r, sweep, o, best, lead_speed, leader
                )
            if m[OTHER] >= 0:  # those on the lane that I am leaving
                key = 2 * m[OTHER]
                i = bucket[e, key & mask]
                while i >= 0:
                    o = entry[e, i, 1]
                    if entry[e, i, 0] == key and o != n and mark[e, o, MODE] == DRIVE:
                        r = body[e, o]
                        best, lead_speed, leader = nearer_box(
                            course, lanes, froms, count, b, min(reach, best + front), r, 0.0,
                            o, best, lead_speed, leader,
                        )  # fmt: skip
                    i = entry[e, i, 2]
            for k in range(count):
                # Other branches of the fork that I have just taken, and of the one I come to.
                if k != 0 and k != line:
                    continue
                lane = lanes[k]
                for i in range(before_first[lane], before_first[lane + 1]):
                    fork = before[i]
                    if after_first[fork + 1] - after_first[fork] < 2:
                        continue
                    if k > 0 and fork != lanes[k - 1]:
                        continue
                    for a in range(after_first[fork], after_first[fork + 1]):
                        key = 2 * after[a]
                        if after[a] == lane:
                            continue
                        j = bucket[e, key & mask]
                        while j >= 0:
                            o, there = entry[e, j, 1], place[e, j]
                            found = entry[e, j, 0] == key and mark[e, o, MODE] == DRIVE
                            j = entry[e, j, 2]
                            if not found:
                                continue
                            r = body[e, o]
                            near = there - r[HALF_LENGTH] < FORK_REACH and there + froms[k] > 0.0
                            if not near:
                                continue
                            best, lead_speed, leader = nearer_box(
                                course, lanes, froms, count, b, min(reach, best + front), r, 0.0,
                                o, best, lead_speed, leader,
                            )  # fmt: skip
            b[GAP], b[LEAD_SPEED] = best, lead_speed
            if m[OBEYS] & EMERGENCY and leader >= 0 and best < ALERT:
                mark[e, leader, HUNTED] = 1
