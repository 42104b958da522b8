"""Boxes from key frames to a finer grid."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from jaxtyping import Bool, Float
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
    keys, count = valid.shape
    out = np.full((frames, count, 6), np.nan)
    for n in range(count):
        first, last = -1, -1
        for k in range(keys):
            if valid[k, n]:
                if first < 0:
                    first = k
                last = k
        if first < 0:
            continue
        low, high = first, first
        yaw_low, yaw_high = poses[first, n, 2], poses[first, n, 2]
        for f in range(frames):
            if first == last:
                share = 0.0
            elif f < first * substeps or f > last * substeps:
                continue
            else:
                while high * substeps < f:
                    low, yaw_low = high, yaw_high
                    high += 1
                    while not valid[high, n]:
                        high += 1
                    yaw_high = yaw_low + wrapped(poses[high, n, 2] - yaw_low)
                span = (high - low) * substeps
                share = (f - low * substeps) / span if span > 0 else 0.0
            yaw = yaw_low + (yaw_high - yaw_low) * share
            out[f, n, 0] = poses[low, n, 0] + (poses[high, n, 0] - poses[low, n, 0]) * share
            out[f, n, 1] = poses[low, n, 1] + (poses[high, n, 1] - poses[low, n, 1]) * share
            out[f, n, 2], out[f, n, 3] = cos(yaw), sin(yaw)
            out[f, n, 4], out[f, n, 5] = sizes[n, 0] / 2.0, sizes[n, 1] / 2.0
    return out
