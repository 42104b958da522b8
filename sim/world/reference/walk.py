"""Actors on free ways; as `drivelab.kernels.world.walk`."""

from __future__ import annotations

import numpy as np

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import walk as rules
from drivelab.kernels.world.arrays import ABSENT, CELL, DT, PEDESTRIAN, WALK, Roads, State
from drivelab.kernels.world.traffic import draw
from drivelab.planning import IDMParameters, idm_acceleration
from drivelab.sim.world.reference.free_way import Way, place_on_way, way_pose
from drivelab.sim.world.reference.kerb import kerb_ahead, nobody_comes


def move_walkers(roads: Roads, state: State) -> None:
    """Let everybody in mode WALK decide on the moment before, then move along their ways."""
    for e in range(len(state.step)):
        walkers = [
            n
            for n in range(1, state.count[e])
            if state.mode[e, n] == WALK and state.way_count[e, n] > 1
        ]
        for n in walkers:
            if state.step[e] == 0:
                place = place_on_way(way_of(state, e, n), state.x[e, n], state.y[e, n])
                state.way_at[e, n], state.way_off[e, n] = place
            state.acceleration[e, n] = _decide(roads, state, e, n)
        for n in walkers:
            _move(roads, state, e, n)


def way_of(state: State, e: int, n: int) -> Way:
    """The rows of an actor's way."""
    first = state.way_first[e, n]
    return state.way[e, first : first + state.way_count[e, n]]


def _decide(roads: Roads, state: State, e: int, n: int) -> float:
    """Acceleration of the next step."""
    way, at, speed = way_of(state, e, n), float(state.way_at[e, n]), abs(float(state.speed[e, n]))
    driver = IDMParameters(*(float(value) for value in state.driver[e, n]))
    wish = speed if np.isnan(state.wish[e, n]) else float(state.wish[e, n])
    softly = max(driver.deceleration, rules.LEAST_BRAKING)
    braking = speed**2 / (2.0 * softly)
    if not np.isnan(state.push[e, n]):
        change = float(state.push[e, n])
    elif state.way_gap[e, n]:
        reach = braking + driver.headway * speed + driver.min_gap + rules.LOOK
        gap, lead = _box_ahead(state, e, n, reach)
        target = max(wish, rules.LEAST_WISH)
        change = float(
            idm_acceleration(gap, speed, lead_speed=lead, target_speed=target, parameters=driver)
        )
    else:
        change = float(np.clip((wish - speed) / DT, -softly, driver.acceleration))
    room = np.inf
    if state.way_lands[e, n] < 0 and not _leaves_map(roads, state, e, way):
        room = way[-1, 3] - at
    if state.way_waits[e, n]:
        room = min(room, _room_to_wait(roads, state, e, n, braking + rules.KERB_LOOK, wish))
    if np.isfinite(room):
        # The largest v with (speed + v) / 2 DT + v^2 / (2 softly) = room.
        half = softly * DT / 2
        under = half**2 + 2.0 * softly * (max(room, 0.0) - speed * DT / 2)
        stop = max(np.sqrt(max(under, 0.0)) - half, 0.0)
        change = min(change, (stop - speed) / DT)
    return max(change, -speed / DT)


def _room_to_wait(roads: Roads, state: State, e: int, n: int, look: float, wish: float) -> float:
    """How far a careful pedestrian may go."""
    way, number = way_of(state, e, n), int(state.map[e])
    room = _box_ahead(state, e, n, look)[0] - rules.PERSON_ROOM
    place = (float(state.x[e, n]), float(state.y[e, n]))
    kerb = kerb_ahead(roads, number, way, float(state.way_at[e, n]), place, look)
    if not np.isfinite(kerb):
        state.waited[e, n] = 0.0
        return room
    before = float(state.waited[e, n])
    if nobody_comes(roads, state, e, n, way, kerb, wish):
        state.waited[e, n] = before + DT if before > 0.0 else 0.0
        hesitation = rules.HESITATION * draw(state.seed[e], n, 0) / rules.DRAWN
        stays = 0.0 < state.waited[e, n] < hesitation
    else:
        state.waited[e, n], stays = DT, True
    return min(room, kerb - rules.KERB_ROOM) if stays else room


def _box_ahead(state: State, e: int, n: int, reach: float) -> tuple[float, float]:
    """Gap along the way to the nearest box on it, and its speed along the way."""
    way, at = way_of(state, e, n), float(state.way_at[e, n])
    gaps = [(np.inf, 0.0)]
    for j in range(state.count[e]):
        length, width = float(state.half_length[e, j]), float(state.half_width[e, j])
        far = reach + float(state.half_length[e, n]) + length + width
        away = np.hypot(state.x[e, j] - state.x[e, n], state.y[e, j] - state.y[e, n])
        if j == n or state.mode[e, j] == ABSENT or away > far:
            continue
        where, off = place_on_way(way, state.x[e, j], state.y[e, j], at, at + far)
        turn = float(state.yaw[e, j]) - way_pose(way, where)[2]
        along = abs(np.cos(turn)) * length + abs(np.sin(turn)) * width
        across = abs(np.sin(turn)) * length + abs(np.cos(turn)) * width
        gap = where - at - float(state.half_length[e, n]) - along
        if where > at and gap <= reach and abs(off) <= state.half_width[e, n] + across + rules.SIDE:
            gaps.append((gap, max(float(state.speed[e, j] * np.cos(turn)), 0.0)))
    return min(gaps, key=lambda entry: entry[0])


def _leaves_map(roads: Roads, state: State, e: int, way: Way) -> bool:
    """Whether a way ends beyond the map."""
    m = state.map[e]
    cell = (way[-1, :2] - [roads.grid_x[m], roads.grid_y[m]]) / CELL
    return bool(np.any(cell < 0.0) or np.any(cell >= [roads.cells_x[m], roads.cells_y[m]]))


def _move(roads: Roads, state: State, e: int, n: int) -> None:
    """Advance one actor with the acceleration it has chosen."""
    way, before = way_of(state, e, n), abs(float(state.speed[e, n]))
    speed = max(before + float(state.acceleration[e, n]) * DT, 0.0)
    step = (before + speed) / 2 * DT
    at = float(state.way_at[e, n]) + step
    if at >= way[-1, 3] and _leaves_map(roads, state, e, way):
        state.mode[e, n] = ABSENT
        state.speed[e, n] = state.acceleration[e, n] = state.yaw_rate[e, n] = 0.0
        return
    if state.way_lands[e, n] < 0:
        at = min(at, float(way[-1, 3]))
    person = state.kind[e, n] == PEDESTRIAN
    blend = rules.PERSON_BLEND if person else rules.CAR_BLEND
    slope = rules.PERSON_SLOPE if person else rules.CAR_SLOPE
    off = float(state.way_off[e, n])
    inward = min(-abs(off) * np.expm1(-step / blend), slope * step)
    side = 1.0 if off > 0.0 else -1.0
    off -= side * inward
    x, y, yaw = way_pose(way, at)
    state.x[e, n], state.y[e, n] = x - off * np.sin(yaw), y + off * np.cos(yaw)
    if step > 0.0:
        yaw -= side * np.arctan(inward / step)
    if state.backwards[e, n]:
        yaw += np.pi
    most = rules.PERSON_TURN * DT if person else step / rules.CAR_RADIUS
    turn = float(np.clip(wrap_angle(yaw - float(state.yaw[e, n])), -most, most))
    yaw = float(wrap_angle(float(state.yaw[e, n]) + turn))
    state.yaw[e, n], state.cos[e, n], state.sin[e, n] = yaw, np.cos(yaw), np.sin(yaw)
    state.yaw_rate[e, n], state.acceleration[e, n] = turn / DT, (speed - before) / DT
    state.speed[e, n] = -speed if state.backwards[e, n] else speed
    state.way_at[e, n], state.way_off[e, n] = at, off
