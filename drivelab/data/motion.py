"""Velocity and acceleration of a recorded pose sequence, by line fits to its differences."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import median_filter

from drivelab.geometry.poses import rotate


def fit_motion(
    times: Float[np.ndarray, " n"],
    positions: Float[np.ndarray, "n 2"],
    at: Float[np.ndarray, " k"],
    *,
    half_window: float,
    median: int = 1,
) -> tuple[Float[np.ndarray, "k 2"], Float[np.ndarray, "k 2"]]:
    """Velocity [m/s] and acceleration [m/s^2] along the map axes at the times `at` [s].

    Differences of consecutive positions stand at the middle of their interval; within
    `half_window` [s] a line weighted by the interval is fitted, its value is the velocity and its
    slope the acceleration. `median` > 1 first takes the running median over that many differences:
    for logs whose steps are not all as long as they claim.
    """
    step = np.diff(times)
    velocity = np.diff(positions, axis=0) / step[:, None]
    if median > 1:
        velocity = median_filter(velocity, size=(median, 1), mode="nearest")
    middle = (times[:-1] + times[1:]) / 2
    rows = [_line(middle, velocity, step, moment, half_window) for moment in at]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def _line(
    times: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "n 2"],
    weights: Float[np.ndarray, " n"],
    moment: float,
    half_window: float,
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    """Value and slope at `moment` of the weighted line through the window."""
    near = np.abs(times - moment) <= half_window
    if near.sum() < 2:
        near = np.zeros(len(times), bool)
        near[np.argsort(np.abs(times - moment), kind="stable")[:2]] = True
    t, w, v = times[near] - moment, weights[near], values[near]
    w = w / w.sum()
    mean_t, mean_v = w @ t, w @ v
    spread = w @ (t - mean_t) ** 2
    slope = (w * (t - mean_t)) @ (v - mean_v) / spread if spread > 0 else np.zeros(2)
    return mean_v - slope * mean_t, slope


def ego_frame(
    vectors: Float[np.ndarray, "k 2"], yaw: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k 2"]:
    """Map-axis vectors along the ego's own axes."""
    return rotate(vectors, -yaw)


def box_velocities(
    times: Float[np.ndarray, " t"],
    centres: Float[np.ndarray, "t n 2"],
    valid: Bool[np.ndarray, "t n"],
    reach: int,
) -> Float[np.ndarray, "t n 2"]:
    """Velocities of boxes by differences over up to `reach` frames to either side.

    A difference never bridges a gap of the track; a box seen in one frame only stands still.
    """
    frames, count = valid.shape
    first = np.empty((frames, count), int)
    last = np.empty((frames, count), int)
    run_start = np.zeros(count, int)
    for i in range(frames):
        started = valid[i] & (~valid[i - 1] if i else True)
        run_start = np.where(started, i, run_start)
        first[i] = np.maximum(run_start, i - reach)
    run_end = np.full(count, frames - 1)
    for i in range(frames - 1, -1, -1):
        ended = valid[i] & (~valid[i + 1] if i + 1 < frames else True)
        run_end = np.where(ended, i, run_end)
        last[i] = np.minimum(run_end, i + reach)
    column = np.arange(count)
    span = np.where(valid, times[last] - times[first], 0.0)
    shift = centres[last, column] - centres[first, column]
    moving = span > 0
    velocity = np.where(moving[..., None], shift / np.where(moving, span, 1.0)[..., None], 0.0)
    return np.where(valid[..., None], velocity, np.nan)
