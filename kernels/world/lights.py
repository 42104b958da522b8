"""Traffic lights: a signal group shows what its plan says of the time, or what the log recorded."""

from __future__ import annotations

from math import floor, isinf

from numba import njit

from drivelab.kernels.world.arrays import DT, GREEN, RED, YELLOW, State


@njit(cache=True)
def update_lights(state: State) -> None:
    """Set `light` of every group for the step that begins now.

    A planned group is green from `green` to `yellow`, yellow to `red` and red else, within its
    cycle, so that a window may run over the cycle's end. A cycle of 0 is no plan: the light stays
    as it is. A log shows its frame of this step, its last one for ever.
    """
    for e in range(state.light.shape[0]):
        step = state.step[e]
        if state.light_logged[e]:
            frame = min(step, state.light_log.shape[1] - 1)
            for g in range(state.light.shape[1]):
                state.light[e, g] = state.light_log[e, frame, g]
            continue
        for g in range(state.light.shape[1]):
            cycle, green = state.light_plan[e, g, 0], state.light_plan[e, g, 1]
            if not cycle > 0.0:
                continue
            since = step * DT - green
            if not isinf(cycle):
                since -= cycle * floor(since / cycle + 1e-9)  # a phase begins on its own step
            if since < -1e-9 or since >= state.light_plan[e, g, 3] - green - 1e-9:
                state.light[e, g] = RED
            elif since >= state.light_plan[e, g, 2] - green - 1e-9:
                state.light[e, g] = YELLOW
            else:
                state.light[e, g] = GREEN
