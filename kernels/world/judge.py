"""What a step was worth and whether it ended: reward terms, events and ends of policies' vehicles.

Lengths: E environments, A policies of each. Events are the bits of `State.flags` and the four
below, which depend on an episode's rules.
"""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    COLLISION,
    DT,
    KERB,
    OFF_ROAD,
    RED_LIGHT,
    ROUTE_DONE,
    STOP_SIGN,
    WRONG_WAY,
)
from drivelab.kernels.world.inner import inner

# Event bits beyond those of State.flags
ROUTE_DEVIATION, HEADING_DEVIATION, BLOCKED, TIMEOUT = 256, 512, 1024, 2048
# What a drive without fault has none of; the border may be touched where the rules let it be
FAULTS = (
    COLLISION | OFF_ROAD | WRONG_WAY | RED_LIGHT | STOP_SIGN
    | ROUTE_DEVIATION | HEADING_DEVIATION | BLOCKED
)  # fmt: skip

# Columns of `rules`: what ends an episode; switches are 0 or 1, limits NaN where there is none
RULES = (
    "collision", "off_road", "kerb", "wrong_way", "route_done",
    "route_deviation", "heading_deviation", "blocked_for", "steps", "guard",
)  # fmt: skip

# Columns of `terms`
TERMS = (
    "progress",  # along the route in this step [m]
    "goal",  # 1 when the end of the route is reached
    "collision",  # 1 in the step in which it begins, as for all events that follow
    "off_road",
    "kerb",
    "wrong_way",
    "red_light",
    "stop_sign",
    "route_deviation",
    "heading_deviation",
    "blocked",
    "comfort",  # squares of accelerations and jerk in units of what is comfortable, each at most 4
    "speeding",  # excess over the limit of the lane, as a share of it
    "lane_keeping",  # square of the distance to the route line in units of 1.75 m, at most 4
    "heading",  # square of the angle to the route line in units of 0.5 rad, at most 4
    "headway",  # share by which the gap to who is straight ahead falls short of 2 m + 1.2 s
    "time",  # 1 per step
)
EVENT_TERMS = (
    COLLISION, OFF_ROAD, KERB, WRONG_WAY, RED_LIGHT, STOP_SIGN,
    ROUTE_DEVIATION, HEADING_DEVIATION, BLOCKED,
)  # fmt: skip
# Columns of `memory`: what the step before left behind
WAY_AT, ACCELERATION, STANDING_STEPS, EVENTS = range(4)

STANDING = 0.1  # slower than this counts as standing [m/s]
# What nuPlan calls comfortable (longitudinal and lateral acceleration, jerk)
LONGITUDINAL, LATERAL, JERK = 4.05, 4.89, 8.37
STANDING_GAP, HEADWAY, SIDE_ROOM = 2.0, 1.2, 0.2  # [m], [s], [m]
HALF_LANE = 1.75
HALF_RADIAN = 0.5


TERM_COUNT = len(TERMS)
_EVENTS_FROM = 2  # column of the first of EVENT_TERMS
_ENDING = (COLLISION, OFF_ROAD, KERB, WRONG_WAY, ROUTE_DONE)  # what the switches of `rules` end
_DEVIATION, _HEADING, _BLOCKED, _STEPS, _GUARD = 5, 6, 7, 8, 9


@inner
def _squared(value, unit):  # type: ignore[no-untyped-def]
    share = value / unit
    return min(share * share, 4.0)


@inner
def _happened(flags, off, turned, standing, rules):  # type: ignore[no-untyped-def]
    """Event bits of this step."""
    events = int(flags) & 127
    if not isnan(rules[_DEVIATION]) and off > rules[_DEVIATION]:
        events |= ROUTE_DEVIATION
    if not isnan(rules[_HEADING]) and turned > rules[_HEADING]:
        events |= HEADING_DEVIATION
    if not isnan(rules[_BLOCKED]) and standing * DT > rules[_BLOCKED]:
        events |= BLOCKED
    # RAD's released code: borders and headings count off the path only, borders in no other crash
    if not isnan(rules[_GUARD]) and off <= rules[_GUARD]:
        events &= ~(KERB | OFF_ROAD | HEADING_DEVIATION)
    elif not isnan(rules[_GUARD]) and events & COLLISION:
        events &= ~(KERB | OFF_ROAD)
    return events


@inner
def _short_gap(state, e, slot):  # type: ignore[no-untyped-def]
    """How much of the wished gap to the nearest box straight ahead is missing, 0 to 1."""
    c, s = state.cos[e, slot], state.sin[e, slot]
    x, y, front = state.x[e, slot], state.y[e, slot], state.half_length[e, slot]
    side = state.half_width[e, slot] + SIDE_ROOM
    wished = STANDING_GAP + HEADWAY * max(state.speed[e, slot], 0.0)
    gap = wished
    for n in range(state.count[e]):
        dx, dy = state.x[e, n] - x, state.y[e, n] - y
        ahead = dx * c + dy * s
        if n == slot or state.mode[e, n] == ABSENT or ahead < 0.0 or ahead > gap + 20.0:
            continue
        along = abs(state.cos[e, n] * c + state.sin[e, n] * s)
        across = abs(state.sin[e, n] * c - state.cos[e, n] * s)
        length, width = state.half_length[e, n], state.half_width[e, n]
        if abs(dy * c - dx * s) < side + length * across + width * along:
            gap = min(gap, max(ahead - front - length * along - width * across, 0.0))
    return 1.0 - gap / wished


@inner
def _ends(events, rules):  # type: ignore[no-untyped-def]
    stop = events & (ROUTE_DEVIATION | HEADING_DEVIATION | BLOCKED)
    for k in range(len(_ENDING)):
        if rules[k] > 0.0:
            stop |= events & _ENDING[k]
    return stop != 0


class Verdict(NamedTuple):
    """What judging reads and writes; E environments, A policies of each."""

    rules: Float[np.ndarray, "E rules"]
    weights: Float[np.ndarray, " terms"]
    memory: Float[np.ndarray, "E A 4"]  # of the step before; brought up to date
    terms: Float[np.ndarray, "E A terms"]  # values before weights
    rewards: Float[np.ndarray, "E A"]  # weighted sums
    events: Int[np.ndarray, "E A"]  # bits of this step
    ended: Int[np.ndarray, "E A"]  # 1 where the rules end the episode, 2 where time does, else 0
    over: Bool[np.ndarray, "E A"]  # ended now or before, or never there
    faults: Int[np.ndarray, "E A"]  # fault bits since the start
    returns: Float[np.ndarray, "E A"]  # sum of rewards since the start


@njit(cache=True)
def judge_step(lane_limit, state, policies, verdict):  # type: ignore[no-untyped-def]
    """Judge the step just made, of every policy that was not over; the others get zeros.

    Args:
        lane_limit: of every lane [m/s].
        state: after the step.
        policies: (E, A) slots, -1 = none.
        verdict: filled.
    """
    rewards, events, ended = verdict.rewards, verdict.events, verdict.ended
    memory, weights = verdict.memory, verdict.weights
    for e in range(policies.shape[0]):
        rules = verdict.rules[e]
        for a in range(policies.shape[1]):
            slot, row = policies[e, a], verdict.terms[e, a]
            row[:] = 0.0
            rewards[e, a], events[e, a], ended[e, a] = 0.0, 0, 0
            if slot < 0 or verdict.over[e, a]:
                continue
            speed, acceleration = state.speed[e, slot], state.acceleration[e, slot]
            off, turned = abs(state.way_off[e, slot]), abs(state.way_heading[e, slot])
            standing = memory[e, a, STANDING_STEPS] + 1.0 if abs(speed) < STANDING else 0.0
            happened = _happened(state.flags[e, slot], off, turned, standing, rules)
            fresh = happened & ~int(memory[e, a, EVENTS])
            row[0] = state.way_at[e, slot] - memory[e, a, WAY_AT]
            row[1] = 1.0 if fresh & ROUTE_DONE else 0.0
            for k in range(len(EVENT_TERMS)):
                row[_EVENTS_FROM + k] = 1.0 if fresh & EVENT_TERMS[k] else 0.0
            row[11] = (
                _squared(acceleration, LONGITUDINAL)
                + _squared(speed * state.yaw_rate[e, slot], LATERAL)
                + _squared((acceleration - memory[e, a, ACCELERATION]) / DT, JERK)
            )
            if state.lane[e, slot] >= 0:
                limit = max(lane_limit[state.lane[e, slot]], 1.0)
                row[12] = max(speed - limit, 0.0) / limit
            row[13] = _squared(off, HALF_LANE)
            row[14] = _squared(turned, HALF_RADIAN)
            row[15] = _short_gap(state, e, slot)
            row[16] = 1.0
            total = 0.0
            for k in range(TERM_COUNT):
                total += weights[k] * row[k]
            rewards[e, a] = total
            if _ends(happened, rules):
                ended[e, a] = 1
            elif state.step[e] >= rules[_STEPS]:
                ended[e, a] = 2
                happened |= TIMEOUT
            events[e, a] = happened
            memory[e, a, WAY_AT], memory[e, a, ACCELERATION] = state.way_at[e, slot], acceleration
            memory[e, a, STANDING_STEPS], memory[e, a, EVENTS] = standing, happened
            verdict.faults[e, a] |= happened & FAULTS
            verdict.returns[e, a] += total
            verdict.over[e, a] = ended[e, a] > 0
