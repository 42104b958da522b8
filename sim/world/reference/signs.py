"""Red lights and stop signs that policies' vehicles pass."""

from __future__ import annotations

import numpy as np

from drivelab.kernels.world.arrays import (
    POLICY,
    RED,
    RED_LIGHT,
    STOP_SIGN,
    STOP_SIGN_AHEAD,
    Roads,
    State,
)
from drivelab.kernels.world.junctions import SIGN_ROOM, STOPPED
from drivelab.kernels.world.signs import LINE_SLACK
from drivelab.sim.world.reference.traffic import after, before, goes_into


def check_signs(roads: Roads, state: State) -> None:
    """As `drivelab.kernels.world.signs.check_signs`."""
    for e, n in np.argwhere(state.mode == POLICY):
        if n >= state.count[e]:
            continue
        heading = np.array([state.cos[e, n], state.sin[e, n]])
        front = np.array([state.x[e, n], state.y[e, n]]) + state.half_length[e, n] * heading
        old = np.array([state.front_x[e, n], state.front_y[e, n]])
        flags, lane = int(state.flags[e, n]) & ~(RED_LIGHT | STOP_SIGN), int(state.lane[e, n])
        if lane >= 0:
            ending = before(roads, lane) if roads.lane_connector[lane] else [lane]
            for line in ending:
                flags |= _passes(roads, state, (e, n), line, old, front)
        state.front_x[e, n], state.front_y[e, n] = front
        state.flags[e, n] = flags


def _passes(
    roads: Roads,
    state: State,
    actor: tuple[int, int],
    lane: int,
    old: np.ndarray,
    front: np.ndarray,
) -> int:
    """What the actor does at the line that ends `lane`, its front moving from `old` to `front`."""
    choices = after(roads, lane)
    signed = roads.lane_control[lane] == STOP_SIGN_AHEAD
    if not choices or not (signed or (roads.lane_group[choices] >= 0).any()):
        return 0
    end = roads.lane_first[lane + 1] - 1
    yaw, origin = roads.yaw[end], np.array([roads.x[end], roads.y[end]])
    axes = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    (beyond, aside), (begin, begin_aside) = axes @ (front - origin), axes @ (old - origin)
    half = roads.lane_width[lane] / 2 + LINE_SLACK
    if abs(aside) > half:
        return 0
    if signed and -SIGN_ROOM < beyond <= 0 and abs(state.speed[actor]) < STOPPED:
        state.stopped_at[actor] = lane
    if not (begin <= 0 < beyond and abs(begin_aside) <= half + beyond - begin):
        return 0
    flags = 0
    if signed:
        flags = 0 if state.stopped_at[actor] == lane else STOP_SIGN
        state.stopped_at[actor] = -1
    taken = [lane for lane in choices if goes_into(roads, state, *actor, lane)] or choices
    groups = roads.lane_group[taken]
    red = (groups >= 0) & (state.light[actor[0], groups] == RED)
    return flags | (RED_LIGHT if red.all() else 0)
