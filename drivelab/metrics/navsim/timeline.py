"""Plans on the scorer's 10 Hz grid, with the official integer times.

The official code turns float seconds into integer microseconds by truncation, and interpolates over
those; with exact 0.1 s steps the poses would differ by up to speed x 1 us.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from drivelab.geometry.poses import compose
from drivelab.kernels.interpolate import interpolate_poses
from drivelab.metrics.navsim.rules import DT, STATES


def query_times(start: int) -> Int[np.ndarray, "41"]:
    """Times of the 41 states, relative to `start` [us]."""
    return _truncated(np.arange(STATES), DT, start)


def _truncated(index: Int[np.ndarray, " n"], dt: float, start: int) -> Int[np.ndarray, " n"]:
    # A product, not a division: start / 1e6 would round differently.
    seconds = dt * index + start * 1e-6
    return (seconds * 1e6).astype(np.int64) - start


def plan_states(
    plans: Float[np.ndarray, "b k 3"], dt: float, pose: Float[np.ndarray, "3"], start: int
) -> Float[np.ndarray, "b 41 3"]:
    """Plans in the ego frame at dt, 2 dt, ... -> map poses at 10 Hz, the initial pose first."""
    batch, count, _ = plans.shape
    poses = np.empty((batch, count + 1, 3))
    poses[:, 0] = pose
    poses[:, 1:] = compose(pose, plans)
    knots = _truncated(np.arange(count + 1), dt, start)
    knots[0] = 0
    return interpolate_poses(poses, knots, query_times(start))


def reference_states(poses: Float[np.ndarray, "k 3"], start: int) -> Float[np.ndarray, "1 41 3"]:
    """The reference's own 10 Hz map poses on the grid of the scorer."""
    knots = 100_000 * np.arange(len(poses))
    return interpolate_poses(np.ascontiguousarray(poses[None]), knots, query_times(start))
