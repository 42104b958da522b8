"""Where drivers have to stop, rule by rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.kernels.world.arrays import (
    BLIND,
    DT,
    EMERGENCY,
    GREEN,
    LIGHTS,
    SIGNS,
    STOP_SIGN_AHEAD,
    YIELDS,
)
from drivelab.kernels.world.junctions import (
    AFTER,
    BEFORE,
    CALM_BRAKING,
    CREEP,
    EXIT_ROOM,
    FIRM_BRAKING,
    INSIDE,
    LATE,
    LINE_ROOM,
    MERGE_TIME,
    NEAR_LINE,
    PATIENCE,
    RESTART,
    SIGN_ROOM,
    SLOW,
    SLOWEST_TOP,
    STOPPED,
)
from drivelab.kernels.world.traffic import (
    BY_END,
    BY_EXIT,
    BY_LIGHT,
    BY_OTHERS,
    BY_SIGN,
    OPEN,
    VANISH,
)
from drivelab.sim.world.reference.leaders import Leader
from drivelab.sim.world.reference.traffic import Knowledge, after


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a driver has to stop, from its front [m], and why."""

    room: float = np.inf
    why: int = 0


def find_stops(known: Knowledge, leaders: dict[int, Leader]) -> dict[int, Stop]:
    """Place to stop of every driver; `waited` and `stopped_at` of the state are replaced."""
    stops, signs = {}, {}
    for n in known.drivers:
        stops[n], sign = _stop(known, n, leaders[n])
        if sign is not None:
            signs[n] = sign
    waited = {n: _waited(known, n, stops.get(n, Stop())) for n in known.present}
    for n, time in waited.items():
        known.state.waited[known.e, n] = time
    for n, lane in signs.items():
        known.state.stopped_at[known.e, n] = lane
    return stops


def _stop(known: Knowledge, n: int, leader: Leader) -> tuple[Stop, int | None]:
    roads, path, speed = known.roads, known.paths[n], known.of("speed", n)
    half, sign, candidates = known.of("half_length", n), None, [Stop()]
    if path.end not in (OPEN, VANISH):
        end = path.starts[-1] + roads.lane_length[path.lanes[-1]]
        candidates.append(Stop(end - half, BY_END))
    if roads.lane_connector[path.lanes[0]] and known.obeys(n, YIELDS):
        away = path.starts[0] - half
        room = room_to_wait(known, n, path.lanes[0], away, entered=True)
        candidates.append(Stop(room, BY_OTHERS if room < np.inf else 0))
    if path.line and roads.lane_connector[path.lanes[path.line]]:
        away = path.starts[path.line] - half
        near = away < speed**2 / (2 * CALM_BRAKING) + speed + LINE_ROOM
        can_stop = speed**2 <= 2 * FIRM_BRAKING * max(away, 0.01)
        if away > -INSIDE and near and (can_stop or speed < SLOW):
            why, sign = _at_line(known, n, away, leader)
            candidates.append(Stop(away, why) if why else Stop())
    return min(candidates, key=lambda stop: stop.room), sign


def _at_line(known: Knowledge, n: int, away: float, leader: Leader) -> tuple[int, int | None]:
    """Why a driver must not pass the line of its next connector; a sign at which it has stopped."""
    roads, path, speed = known.roads, known.paths[n], known.of("speed", n)
    lane, coming_from = path.lanes[path.line], path.lanes[path.line - 1]
    on_duty, why, sign = known.obeys(n, EMERGENCY), 0, None
    if known.obeys(n, LIGHTS) and not on_duty and shows_stop(known, lane):
        why |= BY_LIGHT
    signed = roads.lane_control[coming_from] == STOP_SIGN_AHEAD and known.obeys(n, SIGNS)
    if signed and not on_duty and known.state.stopped_at[known.e, n] != coming_from:
        why |= BY_SIGN
        if speed < STOPPED and away < SIGN_ROOM:
            sign = coming_from
    gap, lead_speed, _ = leader
    queues = speed < STOPPED and gap < away
    pieces = slice(*roads.conflict_first[lane : lane + 2])
    last = max(roads.conflict_out[pieces], default=0.0)
    if why or pieces.start == pieces.stop or queues or not known.obeys(n, YIELDS):
        return why, sign
    if room_to_wait(known, n, lane, away, entered=False) < np.inf:
        return BY_OTHERS, sign
    body = 2 * known.of("half_length", n)
    blocked = lead_speed <= CREEP and away < gap < away + last + body + EXIT_ROOM
    return (BY_EXIT if blocked else 0), sign


def shows_stop(known: Knowledge, lane: int) -> bool:
    """Whether the light of a connector is there and not green."""
    group = known.roads.lane_group[lane]
    return bool(group >= 0 and known.state.light[known.e, group] != GREEN)


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody's way through a place where connectors meet: distances from its front [m]."""

    n: int
    to_line: float
    to_in: float
    to_out: float
    speed: float

    @property
    def inside(self) -> bool:
        """Its front is past the line."""
        return self.to_line < -INSIDE

    @property
    def braking_distance(self) -> float:
        """How far it needs to stop firmly [m]."""
        return self.speed**2 / (2 * FIRM_BRAKING)


def room_to_wait(known: Knowledge, n: int, lane: int, away: float, *, entered: bool) -> float:
    """As `drivelab.kernels.world.junctions.room_to_wait`."""
    roads, speed, room = known.roads, known.of("speed", n), np.inf
    body = 2 * known.of("half_length", n)
    for k in range(roads.conflict_first[lane], roads.conflict_first[lane + 1]):
        me = Passage(
            n, away, away + roads.conflict_in[k], away + roads.conflict_out[k] + body, speed
        )
        if entered and (me.to_in <= 0 or speed**2 > 2 * FIRM_BRAKING * max(me.to_in, 0.0)):
            continue
        if any(_lets_pass(known, me, other, k, lane, entered) for other in _others(known, n, k)):
            if not entered:
                return away
            room = min(room, me.to_in)
    return room


def _others(known: Knowledge, n: int, k: int) -> list[Passage]:
    """Everybody on the other connector of a conflict, or on its way to it, not yet through."""
    roads, passages = known.roads, []
    lane = int(roads.conflict_lane[k])
    for o, place in known.on_lane[lane] + known.coming[lane]:
        half = known.of("half_length", o)
        passage = Passage(
            o,
            -place - half,
            roads.conflict_other_in[k] - place - half,
            roads.conflict_other_out[k] - place + half,
            max(known.of("speed", o), 0.0),
        )
        unseen = o == n or (o == 0 and known.obeys(n, BLIND))
        if not unseen and passage.to_out > 0:
            passages.append(passage)
    return passages


def _lets_pass(
    known: Knowledge, me: Passage, other: Passage, k: int, lane: int, entered: bool
) -> bool:
    """Whether I wait for the other one."""
    roads, other_lane = known.roads, int(known.roads.conflict_lane[k])
    firm = other.inside or other.braking_distance > max(other.to_line, 0.01)
    if not firm and (entered or _will_stop(known, other, other_lane)):
        return False
    if not _overlap(known, me, other, k, lane):
        return False
    waited, on_duty = known.of("waited", me.n), known.obeys(me.n, EMERGENCY)
    if entered:
        rank = 0
        if other.to_in <= 0 or other.braking_distance > other.to_in:
            return True
    elif firm:
        return other.to_in <= INSIDE or other.speed > STOPPED or waited <= PATIENCE
    else:
        rank = int(roads.conflict_rank[k])
        if on_duty:
            return False
        if known.obeys(other.n, EMERGENCY):
            return True
    return not _goes_first(known, rank, me, other)


def _will_stop(known: Knowledge, other: Passage, lane: int) -> bool:
    """Whether a light stops somebody who can still stop."""
    careless = known.is_driver(other.n) and (
        not known.obeys(other.n, LIGHTS) or known.obeys(other.n, EMERGENCY)
    )
    return shows_stop(known, lane) and not careless


def _overlap(known: Knowledge, me: Passage, other: Passage, k: int, lane: int) -> bool:
    roads, other_lane = known.roads, int(known.roads.conflict_lane[k])
    start = roads.speed[roads.lane_first[lane]] * known.of("pace", me.n)
    top, other_top = max(start, SLOWEST_TOP), max(roads.lane_limit[other_lane], other.speed)
    exits = after(roads, lane)
    merges = bool(exits) and exits[0] in after(roads, other_lane)
    keep = BEFORE + MERGE_TIME * merges
    enter = travel_time(me.to_in, me.speed, top, RESTART)
    leave = travel_time(me.to_out, me.speed, top, RESTART)
    first = travel_time(other.to_in, other.speed, other_top, RESTART)
    last = travel_time(other.to_out, other.speed, other_top, LATE)
    return first - keep < leave and enter - AFTER < last


def _goes_first(known: Knowledge, rank: int, me: Passage, other: Passage) -> bool:
    mine, its = known.of("waited", me.n), known.of("waited", other.n)
    slow = me.speed < SLOW and other.speed < SLOW
    if slow and max(mine, its) > PATIENCE:
        return (-mine, me.n) < (-its, other.n)
    if rank != 0:
        return rank < 0
    if slow and mine != its:
        return mine > its
    arrivals = [travel_time(one.to_in, one.speed, np.inf, RESTART) for one in (me, other)]
    return (arrivals[0], me.n) < (arrivals[1], other.n)


def travel_time(distance: float, speed: float, top: float, gain: float) -> float:
    """As `drivelab.kernels.world.junctions.travel_time`."""
    if distance <= 0:
        return 0.0
    if speed >= top:
        return distance / max(speed, 1e-3)
    speeding_up = (top**2 - speed**2) / (2 * gain)
    if distance <= speeding_up:
        return float((np.sqrt(speed**2 + 2 * gain * distance) - speed) / gain)
    return (top - speed) / gain + (distance - speeding_up) / top


def _waited(known: Knowledge, n: int, stop: Stop) -> float:
    waited, standing = known.of("waited", n), abs(known.of("speed", n)) < STOPPED
    if not known.is_driver(n):
        return waited + DT if standing else 0.0
    away, path = stop.room, known.paths.get(n)
    if path and path.line:
        away = min(away, path.starts[path.line] - known.of("half_length", n))
    if away < -INSIDE or away > NEAR_LINE or stop.why & BY_LIGHT:
        return 0.0
    return waited + DT if standing and stop.why else waited
