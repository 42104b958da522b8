"""From plans to controls: the LQR tracker, one command per decision."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.interpolate import interpolate_poses
from drivelab.kernels.tracker import first_commands
from drivelab.kernels.world.arrays import State
from drivelab.types import STATE_SIZE, StateColumn

TRACK_DT = 100_000  # grid of the tracker [us]
LONGEST = 40  # steps of a plan that the tracker is shown, as in NAVSIM


def plan_poses(plans: Float[np.ndarray, "E p 3"], dt: float) -> Float[np.ndarray, "E t 3"]:
    """Plans at dt, 2 dt, ... as ego-frame poses at 10 Hz, the present one first, up to 4 s."""
    count = plans.shape[1] + 1
    poses = np.zeros((len(plans), count, 3))
    poses[:, 1:] = plans
    knots = np.rint(np.arange(count) * dt * 1e6).astype(np.int64)
    steps = max(min(int(knots[-1]) // TRACK_DT, LONGEST), 1)
    times = TRACK_DT * np.arange(steps + 1)
    return interpolate_poses(poses, knots, times)


def track_plans(
    state: State, plans: Float[np.ndarray, "E p 3"], dt: float
) -> Float[np.ndarray, "E 2"]:
    """Acceleration [m/s^2] and steering rate [rad/s] of every ego for the next 0.1 s.

    Args:
        state: all environments.
        plans: rear-axle poses in the present frame of each ego.
        dt: spacing of the poses [s].
    """
    initial = np.zeros((len(plans), STATE_SIZE))
    initial[:, StateColumn.VX] = state.speed[:, 0]
    initial[:, StateColumn.AX] = state.acceleration[:, 0]
    initial[:, StateColumn.STEERING] = state.steering[:, 0]
    return first_commands(plan_poses(plans, dt), initial, state.wheel_base[:, 0].copy())
