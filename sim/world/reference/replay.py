"""Actors that repeat a recorded track; as `drivelab.kernels.world.replay`."""

from __future__ import annotations

import numpy as np

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world.arrays import ABSENT, DT, REPLAY, State


def replay_actors(state: State) -> None:
    """Put every replayed actor where the log says it is at the end of this step."""
    environments, slots = state.mode.shape
    frame = state.step + 1
    held = frame < state.log_frames
    rows = state.log[np.arange(environments), np.where(held, frame, 0)]
    there = held[:, None] & ~np.isnan(rows[..., 0])
    slot = np.arange(slots)
    used = (slot > 0) & (slot < state.count[:, None])
    replayed = used & np.isin(state.mode, (REPLAY, ABSENT))
    seen = state.mode == REPLAY
    gone = replayed & ~there & seen
    state.mode[gone] = ABSENT
    for array in (state.speed, state.acceleration, state.yaw_rate):
        array[gone] = 0.0
    now = replayed & there
    x, y, yaw, speed = np.moveaxis(rows, -1, 0)
    pushed, turned = (speed - state.speed) / DT, wrap_angle(yaw - state.yaw) / DT
    state.acceleration[now] = np.where(seen, pushed, 0.0)[now]
    state.yaw_rate[now] = np.where(seen, turned, 0.0)[now]
    for array, value in (
        (state.x, x), (state.y, y), (state.yaw, yaw), (state.cos, np.cos(yaw)),
        (state.sin, np.sin(yaw)), (state.speed, speed),
    ):  # fmt: skip
        array[now] = value[now]
    state.mode[now] = REPLAY
