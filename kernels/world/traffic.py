"""What drivers know of each other in one step: the lanes ahead of each, and who is where on them.

Copied from roads and state at the beginning of a step into few arrays: compiled functions take long
to compile and to call when they are handed all of them.
"""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    BICYCLE,
    DRIVE,
    PARKED,
    PEDESTRIAN,
    Roads,
    State,
)
from drivelab.kernels.world.excerpts import Course, Graph, Plans
from drivelab.kernels.world.inner import inner, spliced, wide

AHEAD = 10  # lanes looked ahead at most
LOOK_BASE, LOOK_TIME = 25.0, 4.0  # so far, and so many seconds at the present speed [m], [s]
LOOK_LIMIT = 150.0  # never farther [m]
GUEST_REACH = 60.0  # an actor that is no driver counts as approaching from here on [m]
BESIDE = 4  # neighbour lanes looked at to either side
WAY_NEAR = 2.5  # a way leads along a lane when it passes its middle and its end so near [m]
OUTSIDE_LANE = 0.4  # a driver whose box reaches so far out of its lane counts by its box [m]

# Values of `next_lane` in place of a lane, and of END
OPEN, VANISH, GO_LEFT, GO_RIGHT = 0, -1, -2, -3

# Bits of WHY: what a driver stops for
BY_LIGHT, BY_SIGN, BY_OTHERS, BY_EXIT, BY_END = 1, 2, 4, 8, 16

# Columns of Traffic.body; those from GAP on are found in the step
(
    X, Y, COS, SIN, SPEED, HALF_LENGTH, HALF_WIDTH, PLACE, SHIFT, SHIFT_TO, PACE, WAITED,
    GAP,  # bumper to bumper to the leader, infinity = none [m]
    LEAD_SPEED,  # of the leader along my lane [m/s]
    ROOM,  # from my front bumper to the place where I must stop, infinity = none [m]
    BODY,
) = range(16)  # fmt: skip
# Columns of Traffic.mark; those from COUNT on are found in the step
(
    MODE, KIND, LANE, OTHER, AT, OBEYS, STOPPED_AT, SETTLED,
    COUNT,  # of lanes ahead
    END,  # how they end
    LINE,  # place among them of the next connector, or lane that several lead into; 0 = none
    JOINS,  # 1 where that one is no connector
    WHY,  # what it stops for
    CHANGE,  # 1 begins to change to the left, -1 to the right
    HUNTED,  # 1 where an emergency vehicle comes up behind
    MARK,
) = range(16)  # fmt: skip


class Traffic(NamedTuple):
    """One step's knowledge; nothing in it outlives the step.

    The register lists actors by lane: an `entry` is (key, slot, next entry of its bucket or -1)
    with key 2 lane for an actor `place` [m] along the lane, key 2 lane + 1 for one that approaches
    the lane and is -`place` [m] before its start. `bucket` holds the first entries; its last column
    counts them. The last column of `obstacle` counts the obstacles.
    """

    body: Float[np.ndarray, "E N BODY"]
    mark: Int[np.ndarray, "E N MARK"]  # int32
    ahead: Int[np.ndarray, "E N A"]  # int32 lanes ahead, the present one first
    ahead_from: Float[np.ndarray, "E N A"]  # from the box centre to the start of each [m]
    bucket: Int[np.ndarray, "E b+1"]  # int32
    entry: Int[np.ndarray, "E M 3"]  # int32
    place: Float[np.ndarray, "E M"]
    obstacle: Int[np.ndarray, "E N+1"]  # int32 actors that are no drivers or leave their lane


@njit(cache=True)
def draw(seed: int, slot: int, count: int) -> int:
    """A number from 0 to 2**31 - 1 that belongs to this seed, actor and count (splitmix64)."""
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(slot + 1) * np.uint64(0xBF58476D1CE4E5B9)
    z += np.uint64(count + 1) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int(np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(33)))


@spliced
def side_of(lane: int, goal: int, left: Int[np.ndarray, " L"], right: Int[np.ndarray, " L"]) -> int:
    """1 where `goal` lies to the left of `lane`, -1 to the right, 0 not beside it."""
    here = lane
    for _ in range(BESIDE):
        here = left[here]
        if here < 0:
            break
        if here == goal:
            return 1
    here = lane
    for _ in range(BESIDE):
        here = right[here]
        if here < 0:
            break
        if here == goal:
            return -1
    return 0


@spliced
def next_lane(
    after_first: Int[np.ndarray, " L+1"],
    after: Int[np.ndarray, " s"],
    left: Int[np.ndarray, " L"],
    right: Int[np.ndarray, " L"],
    route: Int[np.ndarray, "E N R"],
    e: int,
    n: int,
    at: int,
    lane: int,
    seed: int,
) -> tuple[int, int]:
    """The lane that actor n will drive after `lane`, and its place in the route.

    The route is followed; a driver beside its route drives on beside it as long as that leads on,
    so that lane changes of the route may be made late; a route that has ended goes on along
    successors drawn by seed, actor and place.

    Args:
        after_first: of the graph; arrays one by one, because taking them out of a tuple costs more
            than all the rest.
        after: of the graph.
        left: of the graph.
        right: of the graph.
        route: of all actors.
        e: environment.
        n: actor slot.
        at: place in the route, of `lane` or of a lane beside it.
        lane: where the driver would be.
        seed: of the environment.

    Returns:
        The lane, or VANISH where the roads end, GO_LEFT or GO_RIGHT where the route goes on only
        from a neighbour lane; and the new place in the route.
    """
    size = route.shape[2]
    while at + 1 < size:  # the lanes beside this one that the route wants to change to
        goal = wide(route[e, n, at + 1])
        if goal < 0 or (goal != lane and side_of(lane, goal, left, right) == 0):
            break
        at += 1
    goal = wide(route[e, n, at + 1]) if at + 1 < size else -1
    begin, end = after_first[lane], after_first[lane + 1]
    if goal >= 0:
        for k in range(begin, end):
            if after[k] == goal:
                return goal, at + 1
        for k in range(begin, end):
            following = wide(after[k])
            if side_of(following, goal, left, right) != 0:
                return following, at + 1
    here = wide(route[e, n, at]) if at < size else -1
    if here >= 0 and here != lane and (goal >= 0 or begin == end):
        side = side_of(lane, here, left, right)
        if side != 0:
            return (GO_LEFT if side > 0 else GO_RIGHT), at
    if begin == end:
        beside = left[lane]
        if beside >= 0 and after_first[beside] < after_first[beside + 1]:
            return GO_LEFT, at
        beside = right[lane]
        if beside >= 0 and after_first[beside] < after_first[beside + 1]:
            return GO_RIGHT, at
        return VANISH, at
    if end - begin == 1:
        return wide(after[begin]), at + 1
    return after[begin + draw(seed, n, at) % (end - begin)], at + 1


@inner
def way_passes(
    way: Float[np.ndarray, "E W 4"], e: int, first: int, last: int, at: float, px: float, py: float
) -> bool:
    """Whether a way passes within WAY_NEAR of a point, not before the distance `at` along it."""
    k = first
    while k < last:
        if way[e, k + 1, 3] < at:
            k += 1
            continue
        ax, ay = way[e, k, 0], way[e, k, 1]
        dx, dy = way[e, k + 1, 0] - ax, way[e, k + 1, 1] - ay
        squared = dx * dx + dy * dy
        t = 0.0
        if squared > 0.0:
            t = min(max(((px - ax) * dx + (py - ay) * dy) / squared, 0.0), 1.0)
        away = sqrt((px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2)
        if away < WAY_NEAR:
            return True
        # The next place near the point is at least this far along the way.
        target = way[e, k, 3] + t * sqrt(squared) + away - WAY_NEAR
        k += 1
        while k < last and way[e, k + 1, 3] < target:
            k += 1
    return False


@inner
def goes_into(course: Course, plans: Plans, e: int, n: int, lane: int) -> bool:
    """Whether the way of an actor that is no driver may lead along `lane`.

    True where it has no way or is about to come to its end.
    """
    count, at = plans.way_count[e, n], plans.way_at[e, n]
    if count < 2:
        return True
    first = plans.way_first[e, n]
    last = first + count - 1
    if plans.way[e, last, 3] < at + 5.0:
        return True
    a, b = course.first[lane], course.first[lane + 1] - 1
    m = (a + b) // 2
    return way_passes(plans.way, e, first, last, at, course.x[m], course.y[m]) and way_passes(
        plans.way, e, first, last, at, course.x[b], course.y[b]
    )


@njit(cache=True, inline="always")
def _enter(bucket, entry, place, e, key, slot, at):  # type: ignore[no-untyped-def]
    """Put an actor into the register; when it is full, nobody hears of it."""
    last = bucket.shape[1] - 1
    k = bucket[e, last]
    if k < entry.shape[1]:
        b = key & (last - 1)
        entry[e, k, 0], entry[e, k, 1], entry[e, k, 2] = key, slot, bucket[e, b]
        place[e, k] = at
        bucket[e, b], bucket[e, last] = k, k + 1


@njit(cache=True, inline="always")
def copy_actors(roads: Roads, state: State, traffic: Traffic) -> None:
    """Fill the columns of `body` and `mark` that the state knows."""
    body, mark, obstacle = traffic.body, traffic.mark, traffic.obstacle
    mode, kind, lane, other = state.mode, state.kind, state.lane, state.other_lane
    at, obeys, stopped_at = state.route_at, state.obeys, state.stopped_at
    x, y, c, s, speed = state.x, state.y, state.cos, state.sin, state.speed
    half_length, half_width, place = state.half_length, state.half_width, state.lane_s
    shift, shift_to, over = state.shift, state.shift_to, state.shift_over
    pace, waited, count, width = state.pace, state.waited, state.count, roads.lane_width
    for e in range(mode.shape[0]):
        obstacles, used = 0, 0
        for n in range(count[e]):
            if mode[e, n] == DRIVE:  # where nobody drives there is nothing to know
                used = count[e]
        for n in range(used):
            m, b = mark[e, n], body[e, n]
            m[MODE], m[KIND], m[LANE], m[OTHER] = mode[e, n], kind[e, n], lane[e, n], other[e, n]
            m[AT], m[OBEYS], m[STOPPED_AT] = at[e, n], obeys[e, n], stopped_at[e, n]
            m[SETTLED] = 1 if over[e, n] <= 0.0 and other[e, n] < 0 else 0
            m[COUNT], m[CHANGE], m[HUNTED], m[WHY], m[LINE] = 0, 0, 0, 0, 0
            b[X], b[Y], b[COS], b[SIN] = x[e, n], y[e, n], c[e, n], s[e, n]
            b[SPEED], b[HALF_LENGTH], b[HALF_WIDTH] = (
                speed[e, n], half_length[e, n], half_width[e, n],
            )  # fmt: skip
            b[PLACE], b[SHIFT] = place[e, n], shift[e, n]
            b[SHIFT_TO] = shift_to[e, n] if over[e, n] > 0.0 else shift[e, n]
            b[PACE], b[WAITED] = pace[e, n], waited[e, n]
            if mode[e, n] == ABSENT:
                continue
            drives = mode[e, n] == DRIVE and lane[e, n] >= 0
            if drives and other[e, n] < 0:
                edge = 0.5 * width[lane[e, n]] + OUTSIDE_LANE
                drives = abs(shift[e, n]) + half_width[e, n] <= edge
            if not drives:
                obstacle[e, obstacles] = n
                obstacles += 1
        for n in range(used, mode.shape[1]):  # nobody there, or nobody to know of them
            mark[e, n, :] = 0
            mark[e, n, MODE], mark[e, n, LANE], mark[e, n, OTHER] = ABSENT, -1, -1
        obstacle[e, mode.shape[1]] = obstacles


@inner
def look_ahead(
    graph: Graph, course: Course, yaw: Float[np.ndarray, " P"], plans: Plans, traffic: Traffic
) -> None:
    """List the lanes ahead of every driver and enter everybody into the register."""
    body, mark, bucket = traffic.body, traffic.mark, traffic.bucket
    ahead, ahead_from, entry, place = (
        traffic.ahead, traffic.ahead_from, traffic.entry, traffic.place,
    )  # fmt: skip
    after_first, after, before_first = graph.after_first, graph.after, graph.before_first
    left, right = graph.left, graph.right
    length, connector, route, seed = graph.length, graph.connector, plans.route, plans.seed
    for e in range(mark.shape[0]):
        bucket[e, :] = -1
        bucket[e, bucket.shape[1] - 1] = 0
        for n in range(mark.shape[1]):
            m, b = mark[e, n], body[e, n]
            lane, mode, s = wide(m[LANE]), m[MODE], b[PLACE]
            if mode == ABSENT or lane < 0:
                continue
            _enter(bucket, entry, place, e, 2 * lane, n, s)
            if mode == DRIVE:
                other = m[OTHER]
                if other >= 0:
                    there = s * length[other] / length[lane]
                    _enter(bucket, entry, place, e, 2 * other, n, there)
                reach = min(LOOK_BASE + LOOK_TIME * b[SPEED], LOOK_LIMIT)
                at, begin, count, line, end = wide(m[AT]), -s, 0, 0, OPEN
                while True:
                    ahead[e, n, count], ahead_from[e, n, count] = lane, begin
                    if count > 0 and line == 0:
                        joins = before_first[lane + 1] - before_first[lane] > 1
                        if connector[lane] or joins:
                            line = count
                            m[JOINS] = 0 if connector[lane] else 1
                            _enter(bucket, entry, place, e, 2 * lane + 1, n, -begin)
                    count += 1
                    begin += length[lane]
                    if begin > reach or count == AHEAD:
                        break
                    following, at = next_lane(
                        after_first, after, left, right, route, e, n, at, lane, seed[e]
                    )
                    if following < 0:
                        end = following
                        break
                    lane = following
                m[COUNT], m[END], m[LINE] = count, end, line
                continue
            if mode == PARKED or connector[lane] or m[KIND] == PEDESTRIAN or m[KIND] > BICYCLE:
                continue
            # Anybody else that comes to a junction: all ways that it may take.
            away = length[lane] - s
            if away > GUEST_REACH:
                continue
            v = course.first[lane]
            v = min(v + int(s / course.step[lane]), course.first[lane + 1] - 1)
            if b[COS] * cos(yaw[v]) + b[SIN] * sin(yaw[v]) < 0.0:
                continue
            for k in range(after_first[lane], after_first[lane + 1]):
                following = wide(after[k])
                if connector[following]:
                    if goes_into(course, plans, e, n, following):
                        _enter(bucket, entry, place, e, 2 * following + 1, n, -away)
                    continue
                farther = away + length[following]
                if farther > GUEST_REACH:
                    continue
                for j in range(after_first[following], after_first[following + 1]):
                    beyond = wide(after[j])
                    if connector[beyond] and goes_into(course, plans, e, n, beyond):
                        _enter(bucket, entry, place, e, 2 * beyond + 1, n, -farther)
