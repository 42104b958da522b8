"""Actors that repeat a recorded track."""

from __future__ import annotations

from math import cos, isnan, sin

from numba import njit

from drivelab.kernels.tracker import wrapped
from drivelab.kernels.world.arrays import ABSENT, DT, REPLAY, State


@njit(cache=True)
def replay_actors(state: State) -> None:
    """Put every replayed actor where the log says it is at the end of this step.

    It is absent where the log has no box and after the log's end. An actor that a behaviour took
    out of the replay stays out.
    """
    slots = min(state.log.shape[2], state.mode.shape[1])
    for e in range(state.step.shape[0]):
        frame = state.step[e] + 1
        held = frame < state.log_frames[e]
        for n in range(1, min(state.count[e], slots)):
            mode = state.mode[e, n]
            if mode != REPLAY and mode != ABSENT:
                continue
            if not held or isnan(state.log[e, frame, n, 0]):
                if mode == REPLAY:
                    state.mode[e, n] = ABSENT
                    state.speed[e, n] = state.acceleration[e, n] = state.yaw_rate[e, n] = 0.0
                continue
            yaw, speed = state.log[e, frame, n, 2], state.log[e, frame, n, 3]
            seen = mode == REPLAY  # in the frame before as well
            state.acceleration[e, n] = (speed - state.speed[e, n]) / DT if seen else 0.0
            state.yaw_rate[e, n] = wrapped(yaw - state.yaw[e, n]) / DT if seen else 0.0
            state.x[e, n], state.y[e, n] = state.log[e, frame, n, 0], state.log[e, frame, n, 1]
            state.yaw[e, n], state.cos[e, n], state.sin[e, n] = yaw, cos(yaw), sin(yaw)
            state.speed[e, n] = speed
            state.mode[e, n] = REPLAY
