"""The IDM roll-out of one PDM-Closed path: five speed targets side by side.

Source: Dauner et al. (arXiv 2306.07962) as NAVSIM runs it, including how the leading-object record
is shared between the targets of a path.
"""

from __future__ import annotations

from math import cos, inf, pi, sin

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from drivelab.kernels.boxes import box_ring, ring_distance
from drivelab.kernels.idm import idm_acceleration_scalar
from drivelab.kernels.rows import fill_row

DT = 0.1  # [s]
MIN_GAP = 1.0  # [m]
HEADWAY = 1.5  # [s]
MAX_ACCELERATION = 1.5  # [m/s^2]
MAX_DECELERATION = 3.0  # [m/s^2]
EXPONENT = 10.0


@njit(cache=True)
def path_pose(
    path: Float[np.ndarray, "n 3"],
    arc: Float[np.ndarray, " n"],
    s: float,
    out: Float[np.ndarray, "3"],
) -> None:
    """Pose at arc length s, clipped to [1e-5, length]; path headings are unwrapped."""
    s = min(max(s, 1e-5), arc[-1])
    k = min(max(np.searchsorted(arc, s), 1), arc.shape[0] - 1)
    span = arc[k] - arc[k - 1]
    share = (s - arc[k - 1]) / span if span > 0.0 else 0.0
    for c in range(3):
        out[c] = path[k - 1, c] + (path[k, c] - path[k - 1, c]) * share
    out[2] = (out[2] + pi) % (2.0 * pi) - pi


@njit(cache=True)
def _nearest_ahead(
    pose: Float[np.ndarray, "3"],
    progress: float,
    ego: Float[np.ndarray, "3"],
    hits: Int[np.ndarray, " h"],
    along: Float[np.ndarray, " h"],
    points: Float[np.ndarray, "p 2"],
    start: Int[np.ndarray, " m+1"],
) -> tuple[int, float]:
    """Among the hits ahead of `progress` the first with the smallest distance to the ego box."""
    box = np.empty(6)
    c, s = cos(pose[2]), sin(pose[2])
    box[0], box[1] = pose[0] + ego[2] * c, pose[1] + ego[2] * s
    box[2], box[3], box[4], box[5] = c, s, ego[0], ego[1]
    ring = box_ring(box)
    best, which = inf, -1
    for h in range(hits.shape[0]):
        if along[h] > progress:
            gap = ring_distance(ring, points[start[hits[h]] : start[hits[h] + 1]])
            if gap < best:
                best, which = gap, hits[h]
    return which, best


@njit(cache=True)
def roll_out(
    path: Float[np.ndarray, "n 3"],
    arc: Float[np.ndarray, " n"],
    begin: float,
    speed: float,
    targets: Float[np.ndarray, " v"],
    ego: Float[np.ndarray, "3"],
    hits: Int[np.ndarray, " h"],
    along: Float[np.ndarray, " h"],
    hit_start: Int[np.ndarray, " f"],
    rings: Float[np.ndarray, "p 2"],
    ring_start: Int[np.ndarray, " r"],
    yaws: Float[np.ndarray, " m"],
    speeds: Float[np.ndarray, " m"],
    is_static: Bool[np.ndarray, " m"],
    is_light: Bool[np.ndarray, " m"],
) -> Float[np.ndarray, "v 41 3"]:
    """Poses of the five proposals of one path.

    Objects meeting the corridor at forecast k are hits[hit_start[k]:hit_start[k+1]], with `along`
    the arc length of their centroids; their rings at that time are rows
    ring_start[k*m + i]:ring_start[k*m + i + 1] of `rings`. At odd steps the leading object of the
    step before is kept; at even steps one record is changed target by target, so what a target
    does not set is inherited from the one before it.
    """
    steps, count, objects = 41, targets.shape[0], yaws.shape[0]
    poses = np.empty((count, steps, 3))
    progress = np.full(count, begin)
    velocity = np.full(count, speed)
    lead = np.zeros((count, 3))  # x_lead, v_lead, rear length of the leader
    for v in range(count):
        path_pose(path, arc, begin, poses[v, 0])
    for t in range(1, steps):
        if t % 2 == 0:
            k = t // 2
            window = slice(hit_start[k], hit_start[k + 1])
            starts = ring_start[k * objects : (k + 1) * objects + 1]
            record = np.zeros(3)
            for v in range(count):
                which, gap = _nearest_ahead(
                    poses[v, t - 1], progress[v], ego, hits[window], along[window], rings, starts
                )
                if which >= 0:
                    record[0] = progress[v] + gap
                    if not is_light[which]:
                        turned = cos(yaws[which] - poses[v, t - 1, 2])
                        record[1] = 0.0 if is_static[which] else speeds[which] * turned
                else:
                    record[0], record[2] = arc[-1], ego[0]
                fill_row(lead[v], record)
        for v in range(count):
            acceleration = idm_acceleration_scalar(
                lead[v, 0] - progress[v] - lead[v, 2],
                velocity[v],
                lead[v, 1],
                targets[v],
                MIN_GAP,
                HEADWAY,
                MAX_ACCELERATION,
                MAX_DECELERATION,
                EXPONENT,
                MAX_DECELERATION,
            )
            progress[v] += DT * velocity[v]
            velocity[v] += DT * acceleration
            path_pose(path, arc, progress[v], poses[v, t])
    return poses
