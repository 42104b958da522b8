"""Scripted behaviours: they begin when their triggers hold and steer the traffic state of an actor.

Acts of actors on lanes set wishes (`wish`, `push`, `shift`, `obeys`); the others put the actor on a
free way of its own (mode WALK) and, where that way ends on a lane, back onto it (DRIVE). What
cannot be carried out ends as IMPOSSIBLE.
"""

from __future__ import annotations

from math import inf, isnan

import numpy as np
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    BLIND,
    DONE,
    DRIVE,
    DT,
    IMPOSSIBLE,
    LIGHTS,
    PARKED,
    PEDESTRIAN,
    REPLAY,
    RUNNING,
    SIGNS,
    WAITING,
    WALK,
    YIELDS,
    Roads,
    State,
)
from drivelab.kernels.world.excerpts import lanes_of
from drivelab.kernels.world.free_way import place_on_way, way_crossing, way_pose
from drivelab.kernels.world.inner import inner, wide
from drivelab.kernels.world.lane_way import (
    Outset,
    distance_to_light,
    nearest_lane,
    neighbour,
    place_on_lane,
    turn_route,
)
from drivelab.kernels.world.script_rules import (
    ARRIVED,
    BASE,
    BEFORE,
    MINE,
    OTHER,
    TRAVELLED,
    UNTIL,
    brake,
    can_join,
    push_to,
    side_of_car,
    speed_ahead,
    speed_to_meet,
)
from drivelab.kernels.world.script_ways import (
    WAY_ROOM,
    lane_speed,
    write_lanes,
    write_overtaking,
    write_pull_away,
    write_reversing,
    write_u_turn,
)
from drivelab.kernels.world.triggers import trigger_holds

# Numbers of the kinds, in the order of drivelab.sim.world.episode.BEHAVIOURS
(
    CUT_IN, HARD_BRAKE, SET_SPEED, FOLLOW_PATH, RUN_RED_LIGHT, OVERTAKE_ONCOMING, JAYWALK, U_TURN,
    REVERSE_OUT, OPEN_DOOR, PULL_AWAY,
) = range(11)  # fmt: skip

LAND_REACH, LAND_TURN, LAND_OVER = 1.5, 0.5, 2.0  # a path ends on a lane so near [m], [rad]; [s]
LIGHT_REACH = 200.0  # lights and junctions farther ahead cannot be run [m]
LANES_SPACING = 2.5  # of the vertices of lanes ahead [m]
MEET_NEAR = 2.0  # ways that come so near to each other meet [m]
CUT_GAP = 3.0  # room to the ego's front bumper a cut-in aims at [m]
CUT_LOOK = 100.0  # an actor is sought on the ego's way up to so far from the ego [m]
NEVER = -1


@njit(cache=True)
def run_scripts(roads: Roads, state: State) -> None:
    """Begin the behaviours whose triggers hold, carry on those that run."""
    lanes = lanes_of(roads)
    behaviours = state.script.shape[2]
    for e in range(state.step.shape[0]):
        for n in range(1, state.count[e]):
            for k in range(behaviours):
                if state.script[e, n, k] < 0:
                    break
                status = state.script_state[e, n, k]
                if status in (DONE, IMPOSSIBLE) or state.mode[e, n] == ABSENT:
                    if status == RUNNING:
                        state.script_state[e, n, k] = DONE
                    continue
                enters, steps, over = NEVER, 0, 0.0
                if status == WAITING and trigger_holds(
                    state.script_when[e, n, k], state.script_state[e, n], state.step[e] * DT,
                    state.way_at[e, 0], state.x[e], state.y[e], state.cos[e], state.sin[e],
                    state.speed[e], state.half_length[e], state.half_width[e], n,
                ):  # fmt: skip
                    state.script_step[e, n, k] = state.step[e]
                    status, enters, steps, over = _begin(lanes, state, e, n, k)
                if status == RUNNING and enters < 0:
                    status, enters = _carry_on(state, e, n, k)
                    over = LAND_OVER
                if enters >= 0:
                    # The lane becomes the actor's own from where it is; its offset dies away.
                    s, shift = place_on_lane(lanes, enters, state.x[e, n], state.y[e, n])
                    state.lane[e, n], state.lane_s[e, n], state.lane_d[e, n] = enters, s, shift
                    state.shift[e, n] = state.shift_from[e, n] = shift
                    state.shift_time[e, n] = 0.0
                    away = abs(shift - state.shift_to[e, n])
                    state.shift_over[e, n] = over if away > 1e-3 else 0.0
                    state.waited[e, n], state.stopped_at[e, n] = 0.0, NEVER
                    state.route_at[e, n] = turn_route(
                        lanes, state.route[e, n], state.route_at[e, n], enters, steps
                    )
                state.script_state[e, n, k] = status


@inner
def _begin(lanes, state, e, n, k):  # type: ignore[no-untyped-def]
    """First step of a behaviour: its status; a lane to enter, steps to the left and time for it."""
    kind, mode = state.script[e, n, k], state.mode[e, n]
    value, memory = state.script_value[e, n, k], state.script_memory[e, n, k]
    way, lane, shift = state.way[e], wide(state.lane[e, n]), state.shift[e, n]
    outset = Outset(state.route[e, n], wide(state.route_at[e, n]), lane, state.lane_s[e, n])
    speed, number = abs(state.speed[e, n]), state.map[e]
    x, y, yaw = state.x[e, n], state.y[e, n], state.yaw[e, n]
    status, enters, steps, over = IMPOSSIBLE, NEVER, 0, 0.0
    # of a way to start on; behind the used vertices if it is new
    first, count = wide(state.way_used[e]), wide(0)
    ego_first, ego_count = wide(state.way_first[e, 0]), wide(state.way_count[e, 0])
    wanted, acceleration, lands = speed, np.nan, NEVER
    own = first + WAY_ROOM <= way.shape[0]
    on_lane = mode == DRIVE and lane >= 0
    meets = False
    memory[:] = 0.0
    memory[BEFORE] = state.driver[e, n, 2]
    memory[OTHER] = np.nan
    if kind in (HARD_BRAKE, SET_SPEED):
        if mode in (DRIVE, WALK):
            status = RUNNING
            memory[UNTIL] = -1.0
            if kind == SET_SPEED:
                state.wish[e, n] = value[0]
    elif kind == OPEN_DOOR:
        if mode == PARKED:
            status = RUNNING
            memory[MINE], memory[OTHER] = x, y
            memory[UNTIL] = state.half_width[e, n]
            memory[BASE] = side_of_car(
                x, y, state.cos[e, n], state.sin[e, n], state.x[e], state.y[e], state.kind[e],
                state.mode[e], state.count[e], n,
            )  # fmt: skip
    elif kind in (FOLLOW_PATH, JAYWALK):
        first = wide(state.script_way[e, n, k, 0])
        count = wide(state.script_way[e, n, k, 1])
        wanted = speed if isnan(value[0]) else value[0]
        acceleration, meets = value[1], value[2] > 0.0
        fits = mode in (PARKED, DRIVE, WALK, REPLAY)
        turns = state.kind[e, n] == PEDESTRIAN or speed < 1.0
        if not fits or wanted <= 0.0 or not can_join(way, first, count, x, y, yaw, turns):
            count = 0
        if count > 1 and mode == DRIVE:
            end = way_pose(way, first, count, way[first + count - 1, 3])
            lands = nearest_lane(lanes, number, end[0], end[1], end[2], LAND_REACH, LAND_TURN)
    elif kind == REVERSE_OUT:
        if mode == PARKED and own:
            count = write_reversing(way, first, x, y, yaw, value[0])
            wanted = value[1]
    elif kind == PULL_AWAY:
        if mode == PARKED and own:
            count, lands = write_pull_away(lanes, number, way, first, x, y, yaw)
            wanted, acceleration = value[0], value[1]
            if count > 0 and isnan(wanted):
                s = place_on_lane(lanes, lands, x, y)[0]
                wanted = lane_speed(lanes, lands, s) * state.pace[e, n]
    elif kind == CUT_IN:
        steps, over = int(value[0]), value[1]
        if on_lane:
            enters = neighbour(lanes, lane, steps)
        if enters >= 0:
            status = RUNNING
            state.other_lane[e, n] = lane
            memory[BASE] = speed if isnan(value[2]) else value[2]
            if not isnan(value[2]):
                state.wish[e, n] = value[2]
            if value[3] > 0.0:
                state.obeys[e, n] |= BLIND
    elif kind == RUN_RED_LIGHT:
        if on_lane:
            memory[UNTIL] = distance_to_light(lanes, outset, LIGHT_REACH)
        if on_lane and not isnan(memory[UNTIL]):
            status = RUNNING
            state.obeys[e, n] &= np.uint8(255 - (LIGHTS | SIGNS | YIELDS))
            if not isnan(value[0]):
                state.wish[e, n] = value[0]
            if value[1] > 0.0:
                state.obeys[e, n] |= BLIND
            if value[1] > 0.0 and own:
                memory[BASE] = max(speed, 1.0) if isnan(value[0]) else value[0]
                written = write_lanes(lanes, way, first, WAY_ROOM, outset, LANES_SPACING)
                memory[MINE], memory[OTHER] = way_crossing(
                    way, first, written, 0.0, ego_first, ego_count, state.way_at[e, 0], MEET_NEAR
                )
    elif kind == OVERTAKE_ONCOMING:
        wanted = speed if isnan(value[3]) else value[3]
        swing = wanted * value[1]
        if on_lane and own and swing >= 1.0:
            count, lands = write_overtaking(
                lanes, way, first, outset, shift, value[0], swing, value[2]
            )
    elif kind == U_TURN and on_lane and own:
        wanted = value[1]
        braking = max(speed * speed - wanted * wanted, 0.0) / (2.0 * state.driver[e, n, 3])
        count, lands = write_u_turn(
            lanes, number, way, first, outset, shift, braking + 1.0, value[0]
        )
    if count > 1:
        status = RUNNING
        if first == state.way_used[e]:
            state.way_used[e] += count
            state.script_way[e, n, k, 0], state.script_way[e, n, k, 1] = first, count
        if mode == REPLAY:
            state.log[e, :, n, :] = np.nan  # it does not come back to its recording
        state.way_gap[e, n] = state.way_gap[e, n] and mode == WALK
        state.mode[e, n] = WALK
        state.way_first[e, n], state.way_count[e, n] = first, count
        state.way_at[e, n], state.way_off[e, n] = place_on_way(way, first, count, x, y, -inf, inf)
        state.way_waits[e, n] = False
        state.backwards[e, n] = kind == REVERSE_OUT
        state.way_lands[e, n] = lands
        state.wish[e, n] = wanted
        state.other_lane[e, n] = NEVER
        state.shift[e, n] = state.shift_from[e, n] = state.shift_to[e, n] = 0.0
        state.shift_over[e, n] = state.waited[e, n] = 0.0
        if meets:
            memory[BASE] = wanted
            memory[MINE], memory[OTHER] = way_crossing(
                way, first, count, state.way_at[e, n], ego_first, ego_count, state.way_at[e, 0],
                MEET_NEAR,
            )  # fmt: skip
    brakes = kind in (HARD_BRAKE, SET_SPEED)
    if status == RUNNING and (brakes or count > 1):
        # It takes over: running ones that brake or speed up end, and all do when lanes are left.
        state.push[e, n] = np.nan
        for j in range(state.script.shape[2]):
            other = state.script[e, n, j]
            if j == k or state.script_state[e, n, j] != RUNNING:
                continue
            if other in (HARD_BRAKE, SET_SPEED) or count > 1:
                state.script_state[e, n, j] = DONE
                if other in (FOLLOW_PATH, JAYWALK, PULL_AWAY):
                    memory[BEFORE] = state.script_memory[e, n, j, BEFORE]
                    state.driver[e, n, 2] = memory[BEFORE]
        if count > 1:
            state.obeys[e, n] &= np.uint8(255 - BLIND)
            if not isnan(acceleration):
                state.driver[e, n, 2] = acceleration
    return status, enters, steps, over


@inner
def _carry_on(state, e, n, k):  # type: ignore[no-untyped-def]
    """One more step of a running behaviour: its status, and a lane to enter."""
    kind, mode = state.script[e, n, k], state.mode[e, n]
    value, memory = state.script_value[e, n, k], state.script_memory[e, n, k]
    elapsed = (state.step[e] - state.script_step[e, n, k]) * DT
    speed, at = abs(state.speed[e, n]), state.way_at[e, n]
    ego_at, ego_speed, ego_half = state.way_at[e, 0], state.speed[e, 0], state.half_length[e, 0]
    status, enters = DONE, NEVER
    if kind == HARD_BRAKE:
        push, memory[UNTIL] = brake(speed, value, memory[UNTIL], elapsed)
        state.push[e, n] = push
        status = DONE if isnan(push) else RUNNING
    elif kind == SET_SPEED:
        change = value[0] - speed
        if abs(change) >= 1e-3:
            state.push[e, n] = min(max(change / DT, -value[1]), value[1])
            status = RUNNING
        else:
            # A wish of 0 holds the actor: its push of 0 stays until another behaviour begins.
            state.push[e, n] = 0.0 if value[0] == 0.0 else np.nan
    elif kind == OPEN_DOOR:
        share = min((elapsed + DT) / value[1], 1.0)
        half = memory[UNTIL] + share * (0.5 * value[0] - memory[UNTIL])
        out = memory[BASE] * (half - memory[UNTIL])
        state.half_width[e, n] = half
        state.x[e, n] = memory[MINE] - out * state.sin[e, n]
        state.y[e, n] = memory[OTHER] + out * state.cos[e, n]
        status = DONE if share >= 1.0 else RUNNING
    elif kind == CUT_IN:
        over = elapsed >= value[1] - 1e-9 or mode != DRIVE
        status = DONE if over else RUNNING
        if value[3] > 0.0 and over:
            state.obeys[e, n] &= np.uint8(255 - BLIND)
            state.push[e, n] = np.nan
            if mode == DRIVE:
                state.wish[e, n] = value[2]
        elif value[3] > 0.0 and state.way_count[e, 0] > 1:
            mine = place_on_way(
                state.way[e], wide(state.way_first[e, 0]), wide(state.way_count[e, 0]),
                state.x[e, n], state.y[e, n], ego_at - CUT_LOOK, ego_at + CUT_LOOK,
            )[0]  # fmt: skip
            front = mine - state.half_length[e, n] - CUT_GAP - ego_half
            state.wish[e, n] = speed_ahead(
                front, ego_at, ego_speed, memory[BASE], value[1] - elapsed, state.wish[e, n]
            )
            state.push[e, n] = push_to(state.wish[e, n], speed)
    elif kind == RUN_RED_LIGHT:
        if value[1] > 0.0:
            state.wish[e, n] = speed_to_meet(
                memory, memory[TRAVELLED], ego_at, ego_speed, ego_half, state.wish[e, n]
            )
            state.push[e, n] = push_to(state.wish[e, n], speed)
        memory[TRAVELLED] += speed * DT
        if mode == DRIVE and memory[TRAVELLED] < memory[UNTIL]:
            status = RUNNING
        elif value[1] > 0.0:
            state.obeys[e, n] &= np.uint8(255 - BLIND)
            state.push[e, n] = np.nan
            if mode == DRIVE:
                state.wish[e, n] = value[0]
    elif mode == WALK:
        if (kind in (FOLLOW_PATH, JAYWALK)) and value[2] > 0.0:
            state.wish[e, n] = speed_to_meet(
                memory, at, ego_at, ego_speed, ego_half, state.wish[e, n]
            )
        left = state.way[e, state.way_first[e, n] + state.way_count[e, n] - 1, 3] - at
        enters = state.way_lands[e, n]
        if left > ARRIVED or (enters < 0 and speed > ARRIVED):
            status, enters = RUNNING, NEVER
        else:
            state.driver[e, n, 2] = memory[BEFORE]
        if enters >= 0:
            state.mode[e, n] = DRIVE
            state.way_lands[e, n], state.way_count[e, n] = NEVER, 0
            state.wish[e, n] = value[0] if kind == PULL_AWAY else np.nan
        elif status == DONE and kind == REVERSE_OUT:
            state.mode[e, n] = PARKED
            state.backwards[e, n] = False
            state.way_count[e, n] = 0
            state.speed[e, n] = state.acceleration[e, n] = state.yaw_rate[e, n] = 0.0
    return status, enters
