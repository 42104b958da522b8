"""One decision of an environment in one compiled call: move, judge, look."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32
from numba import njit

from drivelab.kernels.world.arrays import DT
from drivelab.kernels.world.judge import judge_step
from drivelab.kernels.world.observe_ego import observe_ego
from drivelab.kernels.world.step import step_world


@njit(cache=True)
def decide(  # type: ignore[no-untyped-def]
    roads, state, controls, poses, how, policies, verdict, rows
):
    """Step the world, judge all policies, and let the egos look around.

    Args:
        roads: tables of the bank of maps.
        state: all environments; replaced.
        controls: (E, A, 2) as for `step_world`.
        poses: (E, A, 3) as for `step_world`.
        how: as for `step_world`.
        policies: (E, A) slots, -1 = none.
        verdict: filled, see `judge.Verdict`.
        rows: (E, EGO_FLOATS) filled with what the egos see; left alone where it has no columns.
    """
    step_world(roads, state, controls, poses, how, policies)
    judge_step(roads.lane_limit, state, policies, verdict)
    if rows.shape[1] > 0:
        observe_ego(roads, state, rows)


@njit(cache=True)
def command_pedals(
    actions: Float32[np.ndarray, "E A 2"],
    steering: Float[np.ndarray, "E N"],
    policies: np.ndarray,
    over: Bool[np.ndarray, "E A"],
    limits: tuple[float, float, float, float],
    controls: Float[np.ndarray, "E A 2"],
) -> bool:
    """Turn pedal and steering wheel into accelerations and steering rates.

    Args:
        actions: both in [-1, 1].
        steering: present angles [rad].
        policies: (E, A) slots, -1 = none.
        over: who has ended; these brake as hard as they can, straight on.
        limits: acceleration and braking [m/s^2], steering angle [rad] and rate [rad/s] at 1.
        controls: filled with accelerations [m/s^2] and steering rates [rad/s].

    Returns:
        Whether all actions lie within their bounds; NaN does not.
    """
    good = True
    for e in range(actions.shape[0]):
        for a in range(actions.shape[1]):
            pedal, wheel = float(actions[e, a, 0]), float(actions[e, a, 1])
            good = good and abs(pedal) <= 1.0 and abs(wheel) <= 1.0
            slot = policies[e, a]
            if slot < 0 or over[e, a]:
                pedal, wheel = -1.0, 0.0
            controls[e, a, 0] = pedal * (limits[0] if pedal > 0.0 else limits[1])
            rate = (limits[2] * wheel - steering[e, max(slot, 0)]) / DT
            controls[e, a, 1] = min(max(rate, -limits[3]), limits[3])
    return good
