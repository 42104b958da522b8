"""RAD's action anchors: 61 x 61 pieces of motion over 0.5 s (arXiv 2502.13144, appendix A.2).

Source of the recipe: rollouts of a kinematic bicycle (explicit Euler, 50 steps of 0.01 s, constant
speed and steering), 641 speeds times 3,921 steering angles; each displacement of the grid takes the
rollout that ends nearest to it. At low speed a car cannot move sideways: the outer lateral bins of
the first eight longitudinal rows are masked and repeat the nearest kept anchor of their row.

The rollouts are not all made here. With a turn w in each step, 50 Euler steps end at the distance
v dt sin(25 w) / sin(w / 2) in the direction 24.5 w, so the rollout that would end exactly on a grid
point is known, and only its neighbours are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 61
STEP_LATERAL, STEP_LONGITUDINAL = 0.025, 0.25  # [m]
LATERAL = STEP_LATERAL * (np.arange(BINS) - BINS // 2)  # displacement to the left after 0.5 s [m]
LONGITUDINAL = STEP_LONGITUDINAL * np.arange(BINS)  # forward [m]
WHEEL_BASE = 2.765  # [m]
_STEPS, _DT, _KEEP = 50, 0.01, 10
_SPEEDS = np.linspace(0.0, 32.0, 641)  # [m/s]
_ANGLES = np.deg2rad(np.linspace(-49.0, 49.0, 3921))
_MASKED = np.array([30, 30, 28, 26, 22, 17, 10, 1, *[0] * (BINS - 8)])  # per side, by row
_SPEED_REACH, _ANGLE_REACH = 2, 80  # neighbours compared; at most 1 and 9 are ever needed
_CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class RadAnchors:
    """All anchors by [longitudinal row, lateral bin], read only.

    The papers and files of RAD disagree on the letters x and y, so neither is used: lateral is to
    the left, longitudinal is forward. Flat files number anchors `longitudinal * 61 + lateral`,
    while actions are (lateral, longitudinal): see `flat_index`.
    """

    poses: Float[np.ndarray, "61 61 6 3"]  # rear axle (x, y, yaw) at 0, 0.1, ... 0.5 s, ego frame
    valid: Bool[np.ndarray, "61 61"]

    @property
    def step(self) -> Float[np.ndarray, "61 61 3"]:
        """The pose after 0.1 s: the part that is executed before the next decision."""
        return self.poses[:, :, 1]


def nearest_valid(
    lateral: Int[np.ndarray, "*batch"], longitudinal: Int[np.ndarray, "*batch"]
) -> Int[np.ndarray, "*batch"]:
    """The lateral bin of the valid anchor nearest to the one asked for, in the same row."""
    limit = _MASKED[longitudinal]
    return np.clip(lateral, limit, BINS - 1 - limit)


def flat_index(
    lateral: Int[np.ndarray, "*batch"], longitudinal: Int[np.ndarray, "*batch"]
) -> Int[np.ndarray, "*batch"]:
    """Number of an anchor in RAD's flat files of 3,721 rows: forward is the slow index."""
    return np.asarray(longitudinal) * BINS + np.asarray(lateral)


@cache
def rad_anchors() -> RadAnchors:
    """Build the anchors (0.2 s, once per process)."""
    lateral = np.arange(BINS)
    valid = nearest_valid(lateral, np.arange(BINS)[:, None]) == lateral
    rows, columns = np.nonzero(valid)
    speed, angle = _nearest_rollouts(LONGITUDINAL[rows], LATERAL[columns])
    poses = np.zeros((BINS, BINS, _STEPS // _KEEP + 1, 3))
    poses[rows, columns] = _roll_out(_SPEEDS[speed], _ANGLES[angle])
    filled = poses[np.arange(BINS)[:, None], nearest_valid(lateral, np.arange(BINS)[:, None])]
    filled.flags.writeable = valid.flags.writeable = False
    return RadAnchors(filled, valid)


def _nearest_rollouts(
    forward: Float[np.ndarray, " k"], left: Float[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Speed and angle numbers of the rollouts that end nearest to the given points."""
    turn = 2.0 * np.arctan2(left, forward) / (_STEPS - 1)
    reach = np.hypot(forward, left) / _chord(turn)
    angle = np.arctan(turn * WHEEL_BASE / np.maximum(reach, 1e-12))
    speed_at = np.rint(reach / _DT / _SPEEDS[1]).astype(int)
    angle_at = np.rint((angle - _ANGLES[0]) / (_ANGLES[1] - _ANGLES[0])).astype(int)
    parts = [
        _best_neighbour(forward[part], left[part], speed_at[part], angle_at[part])
        for part in (slice(k, k + _CHUNK) for k in range(0, len(forward), _CHUNK))
    ]
    speed, angle = np.concatenate(parts, axis=1)
    return speed, angle


def _best_neighbour(
    forward: Float[np.ndarray, " k"],
    left: Float[np.ndarray, " k"],
    speed_at: Int[np.ndarray, " k"],
    angle_at: Int[np.ndarray, " k"],
) -> Int[np.ndarray, "2 k"]:
    d_speed, d_angle = np.meshgrid(
        np.arange(-_SPEED_REACH, _SPEED_REACH + 1),
        np.arange(-_ANGLE_REACH, _ANGLE_REACH + 1),
        indexing="ij",
    )
    speed = np.clip(speed_at[:, None] + d_speed.ravel(), 0, len(_SPEEDS) - 1)
    angle = np.clip(angle_at[:, None] + d_angle.ravel(), 0, len(_ANGLES) - 1)
    reach = _SPEEDS[speed] * _DT
    turn = reach / WHEEL_BASE * np.tan(_ANGLES)[angle]
    length, direction = reach * _chord(turn), 0.5 * (_STEPS - 1) * turn
    x, y = length * np.cos(direction), length * np.sin(direction)
    best = np.argmin((x - forward[:, None]) ** 2 + (y - left[:, None]) ** 2, axis=1)[:, None]
    return np.stack([np.take_along_axis(part, best, 1)[:, 0] for part in (speed, angle)])


def _chord(turn: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Length of the sum of unit vectors, each turned from the one before."""
    half = 0.5 * turn
    bent = np.abs(half) > 1e-12
    return np.where(bent, np.sin(_STEPS * half) / np.sin(np.where(bent, half, 1.0)), float(_STEPS))


def _roll_out(
    speed: Float[np.ndarray, " k"], angle: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k 6 3"]:
    """Poses every 0.1 s of bicycles at constant speed and steering; all start at the origin."""
    x, y, yaw = np.zeros((3, len(speed)))
    kept = [np.stack([x, y, yaw], -1)]
    for step in range(1, _STEPS + 1):
        x = x + speed * np.cos(yaw) * _DT
        y = y + speed * np.sin(yaw) * _DT
        yaw = yaw + speed / WHEEL_BASE * np.tan(angle) * _DT
        if step % _KEEP == 0:
            kept.append(np.stack([x, y, yaw], -1))
    return np.stack(kept, axis=1)
