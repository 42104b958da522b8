"""Boxes from key frames to a finer grid."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from drivelab.kernels.tracker import wrapped


@njit(cache=True)
def densify_tracks(
    poses: Float[np.ndarray, "k n 3"],
    valid: Bool[np.ndarray, "k n"],
    sizes: Float[np.ndarray, "n 2"],
    substeps: int,
    frames: int,
) -> Float[np.ndarray, "f n 6"]:
    """Boxes (x, y, cos, sin, half length, half width) at `substeps` per key frame, NaN when absent.

    Between the first and the last key frame of a track poses are interpolated (gaps are bridged,
    headings the short way); a track seen in a single key frame stands in every frame.
    """
    count = valid.shape[1]
    out = np.full((frames, count, 6), np.nan)
    for n in range(count):
        seen = np.flatnonzero(valid[:, n])
        if seen.shape[0]:
            _densify(poses[:, n], seen, sizes[n], substeps, out[:, n])
    return out


@njit(cache=True)
def _densify(
    poses: Float[np.ndarray, "k 3"],
    seen: Int[np.ndarray, " s"],
    size: Float[np.ndarray, "2"],
    substeps: int,
    out: Float[np.ndarray, "f 6"],
) -> None:
    """One track: `seen` are the key frames that hold it, rising."""
    low, yaw = 0, poses[seen[0], 2]
    first, last = 0, out.shape[0]
    if seen.shape[0] > 1:
        first, last = seen[0] * substeps, min(last, seen[-1] * substeps + 1)
    for f in range(first, last):
        share, high = 0.0, low
        if seen.shape[0] > 1:
            while low + 2 < seen.shape[0] and f > seen[low + 1] * substeps:
                yaw += wrapped(poses[seen[low + 1], 2] - yaw)
                low += 1
            high = low + 1
            share = (f - seen[low] * substeps) / ((seen[high] - seen[low]) * substeps)
        a, b = poses[seen[low]], poses[seen[high]]
        angle = yaw + wrapped(b[2] - yaw) * share
        out[f, 0] = a[0] + (b[0] - a[0]) * share
        out[f, 1] = a[1] + (b[1] - a[1]) * share
        out[f, 2], out[f, 3] = cos(angle), sin(angle)
        out[f, 4], out[f, 5] = size[0] / 2.0, size[1] / 2.0
