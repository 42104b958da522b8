"""Where drivers have to stop: lights, signs, other drivers' right of way, exits that are blocked.

A driver decides before the line of a connector and passes it without another stop. It waits while
somebody else's passage of a place where the two ways meet would fall too close to its own, unless
the other one has to wait for it. Who stands for long gets its turn: the longer one has stood, then
the lower slot.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    BLIND,
    DRIVE,
    DT,
    EMERGENCY,
    GREEN,
    LIGHTS,
    SIGNS,
    STOP_SIGN_AHEAD,
    YIELDS,
)
from drivelab.kernels.world.excerpts import Course, Graph
from drivelab.kernels.world.inner import inner, spliced
from drivelab.kernels.world.traffic import (
    BY_END,
    BY_EXIT,
    BY_LIGHT,
    BY_OTHERS,
    BY_SIGN,
    COUNT,
    END,
    GAP,
    HALF_LENGTH,
    LEAD_SPEED,
    LINE,
    MODE,
    OBEYS,
    OPEN,
    PACE,
    ROOM,
    SPEED,
    STOPPED_AT,
    VANISH,
    WAITED,
    WHY,
    Traffic,
)

FIRM_BRAKING = 4.0  # who would have to brake harder goes on [m/s^2]
CALM_BRAKING = 2.0  # a line is looked at from where this would do [m/s^2]
LINE_ROOM = 10.0  # ... and so much earlier, and a second more at the present speed [m]
INSIDE = 1.5  # whose front is so far past a line has entered the junction [m]
STOPPED = 0.1  # slower than this is standing, a full stop [m/s]
NEAR_LINE = 10.0  # the time waited counts no farther from a line than this [m]
SLOW = 1.0  # slower than this is as good as standing [m/s]
SIGN_ROOM = 4.0  # a stop so near before a sign's line counts [m]
PATIENCE = 4.0  # after so long everybody gets its turn [s]
BEFORE, AFTER = 1.3, 0.7  # time kept free before and after another one's passage [s]
RESTART, LATE = 1.2, 0.7  # how briskly I, and how slowly others may, speed up [m/s^2]
MERGE_TIME = 1.0  # ... and so much more before one that I merge in front of [s]
SLOWEST_TOP = 3.0  # speed at which a connector is passed at least [m/s]
CREEP = 2.0  # an exit is blocked by what is slower than this [m/s]
EXIT_ROOM = 2.0  # room wanted behind me beyond the last crossing way [m]


class Rules(NamedTuple):
    """Lights, signs and places where connectors meet; fields of `Roads`, and `light` of `State`."""

    group: Int[np.ndarray, " L"]
    control: Int[np.ndarray, " L"]
    limit: Float[np.ndarray, " L"]
    conflict_first: Int[np.ndarray, " L+1"]
    conflict_lane: Int[np.ndarray, " c"]
    conflict_in: Float[np.ndarray, " c"]
    conflict_out: Float[np.ndarray, " c"]
    other_in: Float[np.ndarray, " c"]
    other_out: Float[np.ndarray, " c"]
    rank: Int[np.ndarray, " c"]
    light: Int[np.ndarray, "E G"]


@njit(cache=True, inline="always")
def rules_of(roads, state):  # type: ignore[no-untyped-def]
    """The rules of all junctions as they are now."""
    return Rules(
        roads.lane_group, roads.lane_control, roads.lane_limit, roads.conflict_first,
        roads.conflict_lane, roads.conflict_in, roads.conflict_out, roads.conflict_other_in,
        roads.conflict_other_out, roads.conflict_rank, state.light,
    )  # fmt: skip


@njit(cache=True)
def travel_time(distance: float, speed: float, top: float, gain: float) -> float:
    """Time for a distance [m] from a speed, gaining `gain` [m/s^2] up to `top` [m/s]."""
    if distance <= 0.0:
        return 0.0
    if speed >= top:
        return distance / max(speed, 1e-3)
    room = (top * top - speed * speed) / (2.0 * gain)
    if distance <= room:
        return (sqrt(speed * speed + 2.0 * gain * distance) - speed) / gain
    return (top - speed) / gain + (distance - room) / top


@njit(cache=True)
def goes_first(
    rank: int,
    me: int,
    other: int,
    waited: float,
    other_waited: float,
    arrival: float,
    other_arrival: float,
    both_slow: bool,
) -> bool:
    """Whether I pass before the other one, both still before their lines.

    Seen from the other side the answer is the opposite, so that never both go and never both wait.
    """
    if both_slow and max(waited, other_waited) > PATIENCE:
        return waited > other_waited or (waited == other_waited and me < other)
    if rank != 0:
        return rank < 0
    if both_slow and waited != other_waited:
        return waited > other_waited
    return arrival < other_arrival or (arrival == other_arrival and me < other)


@spliced
def room_to_wait(
    after_first: Int[np.ndarray, " L+1"],
    after: Int[np.ndarray, " s"],
    first: Int[np.ndarray, " L+1"],
    speeds: Float[np.ndarray, " P"],
    rules: Rules,
    conflict_first: Int[np.ndarray, " L+1"],
    conflict_lane: Int[np.ndarray, " c"],
    conflict_in: Float[np.ndarray, " c"],
    body: Float[np.ndarray, "E N BODY"],
    mark: Int[np.ndarray, "E N MARK"],
    bucket: Int[np.ndarray, "E b+1"],
    entry: Int[np.ndarray, "E M 3"],
    places: Float[np.ndarray, "E M"],
    e: int,
    n: int,
    lane: int,
    away: float,
    entered: bool,
) -> float:
    """How far driver n may drive to let somebody pass; infinity where it need not wait [m].

    Args:
        after_first: of the graph; arrays one by one, because taking them out of a tuple costs more
            than most of the rest.
        after: of the graph.
        first: of the course.
        speeds: of the course.
        rules: of the junctions; only read where somebody is on the other connector.
        conflict_first: of the rules.
        conflict_lane: of the rules.
        conflict_in: of the rules.
        body: of the traffic.
        mark: of the traffic.
        bucket: of the traffic.
        entry: of the traffic.
        places: of the traffic.
        e: environment.
        n: driver.
        lane: connector.
        away: from the driver's front to the start of the connector [m].
        entered: the driver is on the connector: it stops only before a place where it would meet
            somebody who has entered the junction too; otherwise it stops before the connector.
    """
    mask = bucket.shape[1] - 2
    b = body[e, n]
    speed, waited, length = b[SPEED], b[WAITED], 2.0 * b[HALF_LENGTH]
    top = max(speeds[first[lane]] * b[PACE], SLOWEST_TOP)
    on_duty, blind = mark[e, n, OBEYS] & EMERGENCY, mark[e, n, OBEYS] & BLIND
    exit_lane, room = -1, inf
    if after_first[lane] < after_first[lane + 1]:
        exit_lane = after[after_first[lane]]
    for k in range(conflict_first[lane], conflict_first[lane + 1]):
        other_lane, to_zone = conflict_lane[k], away + conflict_in[k]
        if entered:  # too late to stop, or another place to stop at comes first
            too_late = speed * speed > 2.0 * FIRM_BRAKING * max(to_zone, 0.0)
            if to_zone <= 0.0 or to_zone >= room or too_late:
                continue
        key = 2 * other_lane
        if bucket[e, key & mask] < 0 and bucket[e, (key + 1) & mask] < 0:
            continue
        enter, leave, keep = -1.0, 0.0, BEFORE
        for coming in range(2):  # those on the other connector, then those that come to it
            key = 2 * other_lane + coming
            i = bucket[e, key & mask]
            while i >= 0:
                o, here = entry[e, i, 1], places[e, i]
                found = entry[e, i, 0] == key and o != n
                i = entry[e, i, 2]
                if not found or (o == 0 and blind):
                    continue
                half, other_speed = body[e, o, HALF_LENGTH], max(body[e, o, SPEED], 0.0)
                to_out = rules.other_out[k] - here + half
                if to_out <= 0.0:
                    continue
                to_in, to_line = rules.other_in[k] - here - half, -here - half
                reach = other_speed * other_speed / (2.0 * FIRM_BRAKING)
                inside = to_line < -INSIDE
                firm = inside or reach > max(to_line, 0.01)
                other_obeys = mark[e, o, OBEYS]
                group = rules.group[other_lane]
                if not firm:
                    if entered:
                        continue
                    if group >= 0 and rules.light[e, group] != GREEN:
                        # It will stop, unless it is a driver that takes no notice.
                        if mark[e, o, MODE] != DRIVE:
                            continue
                        if other_obeys & LIGHTS and not other_obeys & EMERGENCY:
                            continue
                if enter < 0.0:  # my own passage: only now that somebody is there
                    enter = travel_time(to_zone, speed, top, RESTART)
                    leave = travel_time(away + rules.conflict_out[k] + length, speed, top, RESTART)
                    for j in range(after_first[other_lane], after_first[other_lane + 1]):
                        if after[j] == exit_lane:  # we merge: it must not have to brake
                            keep = BEFORE + MERGE_TIME
                other_top = max(rules.limit[other_lane], other_speed)
                begins = travel_time(to_in, other_speed, other_top, RESTART)
                ends = travel_time(to_out, other_speed, other_top, LATE)
                if begins - keep >= leave or enter - AFTER >= ends:
                    continue
                slow = speed < SLOW and other_speed < SLOW
                rank = rules.rank[k]
                if entered:
                    waits = to_in <= 0.0 or reach > to_in
                    rank = 0
                elif firm:
                    waits = to_in <= INSIDE or other_speed > STOPPED or waited <= PATIENCE
                else:
                    waits = not on_duty and other_obeys & EMERGENCY != 0
                if not waits and (entered or not (firm or on_duty)):
                    # The same sums on both sides decide.
                    waits = not goes_first(
                        rank,
                        n,
                        o,
                        waited,
                        body[e, o, WAITED],
                        travel_time(to_zone, speed, inf, RESTART),
                        travel_time(to_in, other_speed, inf, RESTART),
                        slow,
                    )
                if waits:
                    if not entered:
                        return away
                    room = to_zone
    return room


@inner
def stops_at_line(rules: Rules, traffic: Traffic, e: int, n: int, away: float) -> int:
    """What stops driver n, its front `away` [m] before its next connector, whoever else is there.

    Bits BY_LIGHT and BY_SIGN. Notes a full stop at a sign in STOPPED_AT.
    """
    m, why = traffic.mark[e, n], 0
    lane, before = traffic.ahead[e, n, m[LINE]], traffic.ahead[e, n, m[LINE] - 1]
    obeys, group = m[OBEYS], rules.group[lane]
    if obeys & EMERGENCY:
        return 0
    if group >= 0 and obeys & LIGHTS and rules.light[e, group] != GREEN:
        why = BY_LIGHT
    signed = rules.control[before] == STOP_SIGN_AHEAD and obeys & SIGNS
    if signed and m[STOPPED_AT] != before:
        why |= BY_SIGN
        if traffic.body[e, n, SPEED] < STOPPED and away < SIGN_ROOM:
            m[STOPPED_AT] = before
    return why


@inner
def exit_blocked(rules: Rules, traffic: Traffic, e: int, n: int, lane: int, away: float) -> bool:
    """Whether driver n would come to stand where others cross connector `lane`."""
    b, last = traffic.body[e, n], 0.0
    if b[LEAD_SPEED] > CREEP or b[GAP] <= away:
        return False
    for k in range(rules.conflict_first[lane], rules.conflict_first[lane + 1]):
        last = max(last, rules.conflict_out[k])
    return last > 0.0 and b[GAP] < away + last + 2.0 * b[HALF_LENGTH] + EXIT_ROOM


@inner
def find_stops(graph: Graph, course: Course, rules: Rules, traffic: Traffic) -> None:
    """Fill ROOM and WHY of every driver; bring WAITED and STOPPED_AT up to date.

    WAITED: time that a driver has stood before a junction for others, or before the end of a lane
    that does not lead on; that anybody else has stood at all.
    """
    body, mark, bucket, entry, places = (
        traffic.body, traffic.mark, traffic.bucket, traffic.entry, traffic.place,
    )  # fmt: skip
    ahead, ahead_from, connector = traffic.ahead, traffic.ahead_from, graph.connector
    conflict_first, conflict_lane, conflict_in = (
        rules.conflict_first, rules.conflict_lane, rules.conflict_in,
    )  # fmt: skip
    after_first, after = graph.after_first, graph.after
    for e in range(mark.shape[0]):
        for n in range(mark.shape[1]):
            m, b = mark[e, n], body[e, n]
            b[ROOM] = inf
            if m[MODE] != DRIVE or m[COUNT] == 0:
                continue
            speed, half, count = b[SPEED], b[HALF_LENGTH], m[COUNT]
            if m[END] != OPEN and m[END] != VANISH:
                lane = ahead[e, n, count - 1]
                b[ROOM] = ahead_from[e, n, count - 1] + graph.length[lane] - half
                m[WHY] = BY_END
            for place in range(2):  # the connector it is on, then the next one
                entered, k = place == 0, 0 if place == 0 else m[LINE]
                lane, away, why = ahead[e, n, k], ahead_from[e, n, k] - half, 0
                if not connector[lane] or (not entered and k == 0):
                    continue
                crosses = conflict_first[lane] < conflict_first[lane + 1] and m[OBEYS] & YIELDS
                if not entered:
                    look = speed * speed / (2.0 * CALM_BRAKING) + speed + LINE_ROOM
                    firm = speed * speed > 2.0 * FIRM_BRAKING * max(away, 0.01)
                    if away <= -INSIDE or away >= look or (firm and speed >= SLOW):
                        continue
                    why = stops_at_line(rules, traffic, e, n, away)
                    # Who stands in a queue need not look across.
                    crosses = crosses and why == 0 and (speed >= STOPPED or b[GAP] >= away)
                room = away if why != 0 else inf
                if crosses:
                    room = room_to_wait(
                        after_first,
                        after,
                        course.first,
                        course.speed,
                        rules,
                        conflict_first,
                        conflict_lane,
                        conflict_in,
                        body,
                        mark,
                        bucket,
                        entry,
                        places,
                        e,
                        n,
                        lane,
                        away,
                        entered,
                    )
                    if room < inf:
                        why = BY_OTHERS
                    elif not entered and exit_blocked(rules, traffic, e, n, lane, away):
                        room, why = away, BY_EXIT
                if room < b[ROOM]:
                    b[ROOM], m[WHY] = room, why
        for n in range(mark.shape[1]):  # only now: the others have read it
            m, b = mark[e, n], body[e, n]
            if m[MODE] == ABSENT:
                continue
            standing = abs(b[SPEED]) < STOPPED
            if m[MODE] != DRIVE:
                b[WAITED] = b[WAITED] + DT if standing else 0.0
                continue
            away = b[ROOM]
            if m[COUNT] > 0 and m[LINE] > 0:
                away = min(away, ahead_from[e, n, m[LINE]] - b[HALF_LENGTH])
            if away < -INSIDE or away > NEAR_LINE or m[WHY] & BY_LIGHT:
                b[WAITED] = 0.0
            elif standing and m[WHY] != 0:
                b[WAITED] += DT
