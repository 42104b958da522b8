"""Drivers on lanes: the sums of all drivers at once, everything else from the register."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.world.arrays import ABSENT, DRIVE, DT, EMERGENCY, Roads, State
from drivelab.kernels.world.drive import (
    BEND_BRAKING,
    CRAWL,
    EASE,
    FULL_SHIFT_SPEED,
    GIVE_UP,
    JERK_DOWN,
    JERK_UP,
    JUNCTION_CARE,
    LOOK_AHEAD,
    MAKE_ROOM,
    NEED,
    NEED_JERK,
    RELEASE,
    STANDING_HEADWAY,
    STOP_SHORT,
)
from drivelab.kernels.world.traffic import BY_END, VANISH
from drivelab.sim.world.reference.bodies import wrapped
from drivelab.sim.world.reference.junctions import Stop, find_stops, shows_stop
from drivelab.sim.world.reference.lane_change import begin_changes, choose_changes
from drivelab.sim.world.reference.leaders import Leader, find_leaders
from drivelab.sim.world.reference.traffic import Knowledge, next_lane


def choose_accelerations(roads: Roads, state: State) -> None:
    """As `drivelab.kernels.world.drive.choose_accelerations`."""
    for e in range(len(state.step)):
        if not (state.mode[e, : state.count[e]] == DRIVE).any():
            continue
        known = Knowledge(roads, state, e)
        lost = [n for n in known.present if known.is_driver(n) and n not in known.paths]
        state.acceleration[e, lost] = 0.0
        leaders, hunted = find_leaders(known)
        chosen = choose_changes(known, leaders, hunted)
        stops = find_stops(known, leaders)
        if known.drivers:
            _accelerate(known, leaders, stops, hunted)
        for n, stop in stops.items():
            if stop.why & BY_END and state.waited[e, n] > GIVE_UP:
                state.waited[e, n], state.route[e, n] = 0.0, -1
        begin_changes(known, chosen)


def _accelerate(
    known: Knowledge, leaders: dict[int, Leader], stops: dict[int, Stop], hunted: set[int]
) -> None:
    state, e, slots = known.state, known.e, np.array(known.drivers)
    speed = state.speed[e, slots]
    least, headway, gain, brake, exponent, limit = state.driver[e, slots].T
    gap, lead_speed = np.array([leaders[n][:2] for n in slots]).T
    room = np.array([stops[n].room for n in slots])
    target = np.array([_allowed_speed(known, n, n in hunted) for n in slots])
    wish = state.wish[e, slots]
    target = np.where(np.isnan(wish), target, np.maximum(wish, 0))
    root = 2 * np.sqrt(gain * brake)
    behind = least + np.maximum(headway * speed + speed * (speed - lead_speed) / root, 0)
    to_line = least + np.maximum(STANDING_HEADWAY * speed + speed**2 / root, 0)
    pressure = np.maximum(
        behind / np.maximum(gap, least), to_line / np.maximum(room - STOP_SHORT + least, least)
    )
    braking = gain * pressure**2
    free = gain * (1 - (speed / np.maximum(target, 1e-3)) ** exponent)
    free = np.where(speed > target, np.maximum((target - speed) / EASE, -brake), free)
    wanted = np.clip(free - braking, -limit, gain)
    old = state.acceleration[e, slots]
    rise = np.where(old >= 0, JERK_UP, RELEASE) * DT
    fall = np.where(wanted < -NEED, NEED_JERK, JERK_DOWN) * DT
    calm = np.minimum(np.maximum(wanted, old - fall), old + rise)
    push = state.push[e, slots]
    pushed = np.where(braking > gain, np.minimum(push, np.maximum(gain - braking, -limit)), push)
    state.acceleration[e, slots] = np.where(np.isnan(push), calm, pushed)


def _allowed_speed(known: Knowledge, n: int, hunted: bool) -> float:
    """By the lanes ahead, a moment later, each slower one approached in time."""
    roads, path, pace = known.roads, known.paths[n], known.of("pace", n)
    later, lane = LOOK_AHEAD * known.of("speed", n), path.lanes[0]
    part = slice(*roads.lane_first[lane : lane + 2])
    places = np.arange(part.stop - part.start) * roads.lane_step[lane]
    target = pace * np.interp(known.of("lane_s", n) + later, places, roads.speed[part])
    for lane, start in zip(path.lanes[1:], path.starts[1:], strict=True):
        slow = pace * roads.speed[roads.lane_first[lane]]
        target = min(target, np.sqrt(slow**2 + 2 * BEND_BRAKING * max(start - later, 0.0)))
    target = max(target, CRAWL) * (MAKE_ROOM if hunted else 1.0)
    if known.obeys(n, EMERGENCY) and path.line and shows_stop(known, path.lanes[path.line]):
        start = max(path.starts[path.line], 0.0)
        target = min(target, np.sqrt(JUNCTION_CARE**2 + 2 * BEND_BRAKING * start))
    return float(target)


def move_drivers(roads: Roads, state: State) -> None:
    """As `drivelab.kernels.world.drive.move_drivers`."""
    used = np.arange(state.mode.shape[1]) < state.count[:, None]
    who = np.nonzero(used & (state.mode == DRIVE) & (state.lane >= 0))
    before = state.speed[who]
    speed = np.maximum(before + state.acceleration[who] * DT, 0)
    state.acceleration[who], state.speed[who] = (speed - before) / DT, speed
    state.lane_s[who] += (before + speed) / 2 * DT
    for e, n in zip(*who, strict=True):
        if state.lane_s[e, n] > roads.lane_length[state.lane[e, n]]:
            _hand_over(roads, state, int(e), int(n))
    still = state.mode[who] == DRIVE
    who = (who[0][still], who[1][still])
    _pose(roads, state, who, _shift(state, who))


def _hand_over(roads: Roads, state: State, e: int, n: int) -> None:
    """Put a driver that is beyond the end of its lane on the next one."""
    while state.lane_s[e, n] > roads.lane_length[state.lane[e, n]]:
        lane, other = int(state.lane[e, n]), int(state.other_lane[e, n])
        following, at = next_lane(roads, state, e, n, int(state.route_at[e, n]), lane)
        if following == VANISH:
            state.mode[e, n], state.lane[e, n], state.other_lane[e, n] = ABSENT, -1, -1
            for name in ("lane_s", "lane_d", "speed", "acceleration", "yaw_rate"):
                getattr(state, name)[e, n] = 0.0
            return
        if following < 0:
            state.lane_s[e, n] = roads.lane_length[lane]
            return
        if other >= 0:
            beside = {int(roads.lane_right[lane]): int(roads.lane_right[following])}
            beside[int(roads.lane_left[lane])] = int(roads.lane_left[following])
            state.other_lane[e, n] = beside.get(other, -1)
        state.lane_s[e, n] -= roads.lane_length[lane]
        state.lane[e, n], state.route_at[e, n] = following, at


def _shift(state: State, who: tuple[np.ndarray, ...]) -> Float[np.ndarray, " k"]:
    """Move across the lane; the slope of the path against the lane."""
    over, speed = state.shift_over[who], state.speed[who]
    quick, moves = np.maximum(speed, FULL_SHIFT_SPEED), over > 0
    state.shift_time[who] += DT * np.where(moves, np.minimum(speed / quick, 1), 1)
    u = state.shift_time[who] / np.where(moves, over, 1)
    start, goal = state.shift_from[who], state.shift_to[who]
    share = u**3 * (10 - 15 * u + 6 * u**2)
    slope = (goal - start) * 30 * u**2 * (1 - u) ** 2 / (np.where(moves, over, 1) * quick)
    done = moves & (u >= 1)
    under_way = moves & ~done
    state.shift[who] = np.select(
        [done, under_way], [goal, start + (goal - start) * share], state.shift[who]
    )
    for name, value in (("shift_over", 0.0), ("shift_time", 0.0), ("other_lane", -1)):
        array = getattr(state, name)
        array[who] = np.where(done, value, array[who])
    return np.where(under_way, slope, 0.0)


def _pose(
    roads: Roads, state: State, who: tuple[np.ndarray, ...], slope: Float[np.ndarray, " k"]
) -> None:
    lane, s, shift = state.lane[who], state.lane_s[who], state.shift[who]
    first, step = roads.lane_first[lane], roads.lane_step[lane]
    v = np.minimum((s / step).astype(int), roads.lane_first[lane + 1] - first - 2)
    t = s / step - v
    v += first
    x, y, course = (a[v] + t * (a[v + 1] - a[v]) for a in (roads.x, roads.y, roads.yaw))
    state.x[who], state.y[who] = x - shift * np.sin(course), y + shift * np.cos(course)
    yaw = wrapped(course + np.arctan(slope))
    state.yaw_rate[who] = wrapped(yaw - state.yaw[who]) / DT
    state.yaw[who], state.cos[who], state.sin[who] = yaw, np.cos(yaw), np.sin(yaw)
    state.lane_d[who] = shift
