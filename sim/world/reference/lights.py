"""Traffic lights, group by group of every environment at once."""

from __future__ import annotations

import numpy as np

from drivelab.kernels.world.arrays import DT, GREEN, RED, YELLOW, State


def update_lights(state: State) -> None:
    """As `drivelab.kernels.world.lights.update_lights`."""
    cycle, green, yellow, red = np.moveaxis(state.light_plan, -1, 0)
    time = state.step[:, None] * DT
    since = time - green
    turns = np.isfinite(cycle) & (cycle > 0)
    rounds = np.floor(since / np.where(turns, cycle, 1.0) + 1e-9)
    since = np.where(turns, since - np.where(turns, cycle, 0.0) * rounds, since)
    shown = np.full(state.light.shape, RED)
    lit = (since >= -1e-9) & (since < red - green - 1e-9)
    shown[lit] = YELLOW
    shown[lit & (since < yellow - green - 1e-9)] = GREEN
    planned = ~state.light_logged[:, None] & (cycle > 0)
    state.light[planned] = shown[planned]
    frame = np.minimum(state.step, state.light_log.shape[1] - 1)
    logged = state.light_log[np.arange(len(frame)), frame]
    state.light[state.light_logged] = logged[state.light_logged]
