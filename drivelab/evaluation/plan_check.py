"""What an agent answered, held against what a plan must be; nothing wrong reaches a metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from drivelab.errors import PlanError
from drivelab.types import Plan

HORIZON = 4.0  # every score of single plans looks this far [s]
FARTHEST = 1e6  # no car gets there in time; beyond, squares of squares overflow [m, rad]


def check_answer(plans: object, expected: int) -> Sequence[object]:
    """`Agent.act` must return one plan per observation, in order."""
    if not isinstance(plans, list | tuple):
        raise PlanError(f"act returned {type(plans).__name__}, expected a list of {expected} Plan")
    if len(plans) != expected:
        raise PlanError(f"act returned {len(plans)} plans for {expected} observations")
    return plans


def check_plan(plan: object, *, horizon: float = HORIZON) -> Plan:
    """Refuse what is not a finite (t, 3) float plan that covers the horizon [s]."""
    if not isinstance(plan, Plan):
        raise PlanError(f"expected a drivelab.types.Plan, got {type(plan).__name__}")
    if not (isinstance(plan.dt, float | int) and np.isfinite(plan.dt) and plan.dt > 0):
        raise PlanError(f"Plan.dt is {plan.dt!r}, expected seconds above 0")
    if np.iscomplexobj(plan.poses):
        raise PlanError("Plan.poses holds complex numbers, expected real ones")
    try:
        poses = np.asarray(plan.poses, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PlanError(f"Plan.poses is no array of numbers: {error}") from error
    if poses.ndim != 2 or poses.shape[1] != 3:
        raise PlanError(
            f"Plan.poses has shape {poses.shape}, expected (t, 3): x [m], y [m], yaw [rad]"
        )
    _check_numbers(poses)
    needed = int(np.ceil(horizon / plan.dt - 1e-9))
    if len(poses) < needed:
        raise PlanError(
            f"Plan.poses has {len(poses)} rows at dt={plan.dt:g} s, expected at least {needed} "
            f"to cover {horizon:g} s (the present pose is left out)"
        )
    return Plan(poses, float(plan.dt), plan.modes, plan.probabilities, plan.notes)


def _check_numbers(poses: Float[np.ndarray, "t 3"]) -> None:
    bad = ~np.isfinite(poses).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise PlanError(f"Plan.poses[{row}] is {poses[row].tolist()}, expected finite numbers")
    far = (np.abs(poses) > FARTHEST).any(axis=1)
    if far.any():
        row = int(far.argmax())
        raise PlanError(
            f"Plan.poses[{row}] is {poses[row].tolist()}, expected metres and radians in the ego "
            f"frame, none beyond {FARTHEST:g}"
        )
