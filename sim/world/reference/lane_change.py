"""Who changes lanes, decision by decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from drivelab.kernels.world.arrays import CHANGES, Roads, State
from drivelab.kernels.world.lane_change import (
    COOLDOWN,
    HEADWAY,
    INTEREST,
    JUNCTION_ROOM,
    MIN_GAP,
    NEEDED_BRAKING,
    NEEDED_GAP,
    NEEDED_HEADWAY,
    OUT_ROOM,
    OUT_SPEED,
    OVER,
    PERIOD,
    POLITENESS,
    ROUTE_ROOM,
    SAFE_BRAKING,
    SAME_PLACE,
    SEARCH,
    THRESHOLD,
)
from drivelab.kernels.world.traffic import GO_LEFT, GO_RIGHT, VANISH
from drivelab.planning import IDMParameters, idm_acceleration
from drivelab.sim.world.reference.leaders import Leader
from drivelab.sim.world.reference.traffic import Knowledge, before, next_lane, side_of

Neighbour = tuple[float, int]  # gap [m], slot; -1 = nobody


def choose_changes(
    known: Knowledge, leaders: dict[int, Leader], hunted: set[int]
) -> dict[int, int]:
    """Lanes that drivers begin to change to."""
    chosen: dict[int, int] = {}
    for n in known.drivers:
        if (known.state.step[known.e] + n) % PERIOD != 0:
            continue
        for lane, needed in _options(known, n, leaders[n], n in hunted):
            if _gains(known, n, lane, leaders[n], needed=needed):
                chosen[n] = lane
                break
    return chosen


def _options(known: Knowledge, n: int, leader: Leader, hunted: bool) -> Iterator[tuple[int, bool]]:
    """Neighbour lanes worth a thought, and whether the change is needed."""
    roads, state, e, path = known.roads, known.state, known.e, known.paths[n]
    lane = path.lanes[0]
    left, right = int(roads.lane_left[lane]), int(roads.lane_right[lane])
    changing = state.shift_over[e, n] > 0 or state.other_lane[e, n] >= 0
    if (left < 0 and right < 0) or roads.lane_connector[lane] or changing:
        return
    side = wanted_side(known, n)
    if side == 0 and hunted and right >= 0:
        side = -1
    if side != 0:
        beside = left if side > 0 else right
        if beside >= 0:
            yield beside, True
        return
    near_line = path.line and path.starts[path.line] < JUNCTION_ROOM
    rested = state.shift_time[e, n] >= COOLDOWN
    if known.obeys(n, CHANGES) and rested and leader[0] <= INTEREST and not near_line:
        yield from ((beside, False) for beside in (left, right) if beside >= 0)


def wanted_side(known: Knowledge, n: int) -> int:
    """As `drivelab.kernels.world.lane_change.wanted_side`."""
    roads, state, e = known.roads, known.state, known.e
    lane, goal = known.paths[n].lanes[0], -1
    for following in state.route[e, n, state.route_at[e, n] + 1 :]:
        if following == lane:
            goal = -1
        elif following < 0 or side_of(roads, lane, following) == 0:
            break
        else:
            goal = int(following)
    if goal >= 0:
        return side_of(roads, lane, goal)
    return {GO_LEFT: 1, GO_RIGHT: -1}.get(known.paths[n].end, 0)


def _gains(known: Knowledge, n: int, lane: int, leader: Leader, *, needed: bool) -> bool:
    roads, speed = known.roads, known.of("speed", n)
    old, place = known.paths[n].lanes[0], known.of("lane_s", n)
    s = place * roads.lane_length[lane] / roads.lane_length[old]
    if not needed and not _leads_on(known, n, lane, roads.lane_length[lane] - s):
        return False
    if leader[0] < OUT_ROOM and leader[1] < speed + OUT_SPEED:
        return False
    (ahead, front), (behind, back) = _neighbours(known, n, lane, s)
    lead_speed, back_speed = _speed(known, front), _speed(known, back)
    gap, headway = (NEEDED_GAP, NEEDED_HEADWAY) if needed else (MIN_GAP, HEADWAY)
    if ahead < gap + headway * speed or behind < gap + headway * back_speed:
        return False
    me = driver(known, n)
    change = _idm(ahead, speed, lead_speed, _allowed(known, n, lane, s), me)
    imposed = 0.0
    if back >= 0:
        other = driver(known, back) if known.is_driver(back) else me
        imposed = _idm(behind, back_speed, speed, 1.2 * max(back_speed, 1.0), other)
    if needed:
        return min(imposed, change) >= -NEEDED_BRAKING
    stay = _idm(leader[0], speed, leader[1], _allowed(known, n, old, place), me)
    worth = change - stay > THRESHOLD - POLITENESS * min(imposed, 0.0)
    return imposed >= -SAFE_BRAKING and worth


def _speed(known: Knowledge, slot: int) -> float:
    return known.of("speed", slot) if slot >= 0 else 0.0


def driver(known: Knowledge, n: int) -> IDMParameters:
    """How an actor drives."""
    return IDMParameters(*known.state.driver[known.e, n].tolist())


def _idm(gap: float, speed: float, lead: float, target: float, who: IDMParameters) -> float:
    return float(idm_acceleration(gap, speed, lead_speed=lead, target_speed=target, parameters=who))


def _allowed(known: Knowledge, n: int, lane: int, s: float) -> float:
    roads = known.roads
    first, end = roads.lane_first[lane : lane + 2]
    vertex = min(first + int(s / roads.lane_step[lane]), end - 1)
    return max(float(roads.speed[vertex]) * known.of("pace", n), 1.0)


def _leads_on(known: Knowledge, n: int, lane: int, room: float) -> bool:
    at = int(known.state.route_at[known.e, n])
    while room < ROUTE_ROOM:
        lane, at = next_lane(known.roads, known.state, known.e, n, at, lane)
        if lane < 0:
            return lane == VANISH
        room += known.roads.lane_length[lane]
    return True


def _neighbours(known: Knowledge, n: int, lane: int, s: float) -> tuple[Neighbour, Neighbour]:
    """Who would be ahead and behind."""
    roads, half = known.roads, known.of("half_length", n)

    def nearest(entries: Iterable[tuple[float, int]]) -> Neighbour:
        gaps = [(away - half - known.of("half_length", o), o) for away, o in entries if o != n]
        return min(gaps, key=lambda entry: entry[0], default=(np.inf, -1))

    here = known.on_lane[lane]
    ahead = nearest((place - s, o) for o, place in here if place >= s)
    behind = nearest((s - place, o) for o, place in here if place < s)
    at, following, start = int(known.state.route_at[known.e, n]), lane, roads.lane_length[lane] - s
    while ahead[1] < 0 and start < SEARCH:
        following, at = next_lane(roads, known.state, known.e, n, at, following)
        if following < 0:
            break
        ahead = nearest((start + place, o) for o, place in known.on_lane[following])
        start += roads.lane_length[following]
    if behind[1] < 0 and s < SEARCH:
        behind = nearest(
            (s + roads.lane_length[lane] - place, o)
            for lane in before(roads, lane)
            for o, place in known.on_lane[lane]
        )
    return ahead, behind


def begin_changes(known: Knowledge, chosen: dict[int, int]) -> None:
    """Begin the changes that do not meet in one place."""
    begun: dict[int, float] = {}
    for n, lane in sorted(chosen.items()):
        place = known.of("lane_s", n)
        near = (abs(at - place) <= SAME_PLACE for o, at in begun.items() if chosen[o] == lane)
        if not any(near):
            begun[n] = place
    for n in begun:
        begin_change(known.roads, known.state, known.e, n, chosen[n], OVER)


def begin_change(roads: Roads, state: State, e: int, n: int, lane: int, over: float) -> None:
    """As `drivelab.kernels.world.lane_change.begin_change`, for lanes without sharp bends."""
    part = slice(*roads.lane_first[lane : lane + 2])
    line = np.column_stack([roads.x[part], roads.y[part]])
    a, d = line[:-1], np.diff(line, axis=0)
    point = np.array([state.x[e, n], state.y[e, n]])
    t = np.clip(((point - a) * d).sum(axis=1) / (d * d).sum(axis=1), 0, 1)
    r = point - a - t[:, None] * d
    k = int(np.argmin(np.hypot(*r.T)))
    step = np.hypot(*d[k])
    state.other_lane[e, n], state.lane[e, n] = state.lane[e, n], lane
    state.lane_s[e, n] = (k + t[k]) * roads.lane_step[lane]
    aside = (d[k, 0] * r[k, 1] - d[k, 1] * r[k, 0]) / step
    state.lane_d[e, n] = state.shift[e, n] = state.shift_from[e, n] = aside
    state.shift_time[e, n], state.shift_over[e, n] = 0.0, over
