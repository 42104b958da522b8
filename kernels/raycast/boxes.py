"""Rays against oriented boxes; a ray looks only at boxes in its slice of the compass."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

SLICES = 720


class BoxArrays(NamedTuple):
    """Boxes as the kernels read them, about the rays' common origin.

    Attributes:
        centres: (n, 3) from the origin of the rays.
        axes: (n, 3, 3) rows are the boxes' axes.
        halves: (n, 3).
        radii: (n,) of the sphere around.
        first: (SLICES + 1,) where each slice's boxes begin in `members`.
        members: numbers of boxes, slice by slice.
    """

    centres: np.ndarray
    axes: np.ndarray
    halves: np.ndarray
    radii: np.ndarray
    first: np.ndarray
    members: np.ndarray


@njit(nogil=True, cache=True)
def sliced(centres, radii):  # type: ignore[no-untyped-def]
    """For every slice of the compass the boxes that reach into it: (first, members)."""
    n = len(centres)
    begin = np.empty(n, np.int64)
    count = np.empty(n, np.int64)
    first = np.zeros(SLICES + 1, np.int64)
    for b in range(n):
        away = math.hypot(centres[b, 0], centres[b, 1])
        if away <= radii[b] * 1.000001:
            begin[b], count[b] = 0, SLICES
        else:
            half = math.asin(radii[b] / away) + 1e-9
            middle = math.atan2(centres[b, 1], centres[b, 0])
            low = math.floor((middle - half) / (2 * math.pi) * SLICES)
            high = math.floor((middle + half) / (2 * math.pi) * SLICES)
            begin[b], count[b] = low, min(high - low + 1, SLICES)
        for k in range(count[b]):
            first[(begin[b] + k) % SLICES + 1] += 1
    for s in range(SLICES):
        first[s + 1] += first[s]
    members = np.empty(first[SLICES], np.int32)
    at = first[:SLICES].copy()
    for b in range(n):
        for k in range(count[b]):
            s = (begin[b] + k) % SLICES
            members[at[s]] = b
            at[s] += 1
    return first, members


@njit(nogil=True, cache=True)
def nearest_box(boxes, dx, dy, dz, limit):  # type: ignore[no-untyped-def]  # noqa: C901
    """Distance, number and cosine of the nearest box within `limit`; -1 if there is none.

    A ray that starts inside a box meets its far side.
    """
    found, cosine = -1, 1.0
    s = math.floor(math.atan2(dy, dx) / (2 * math.pi) * SLICES) % SLICES
    for k in range(boxes.first[s], boxes.first[s + 1]):
        b = boxes.members[k]
        cx, cy, cz = boxes.centres[b, 0], boxes.centres[b, 1], boxes.centres[b, 2]
        along, radius = cx * dx + cy * dy + cz * dz, boxes.radii[b]
        if along - radius > limit or along + radius < 0:
            continue
        if cx * cx + cy * cy + cz * cz - along * along > radius * radius * 1.000001:
            continue
        near, far, near_cosine, far_cosine = -math.inf, math.inf, 1.0, 1.0
        for axis in range(3):
            ax, ay, az = boxes.axes[b, axis, 0], boxes.axes[b, axis, 1], boxes.axes[b, axis, 2]
            slope = ax * dx + ay * dy + az * dz
            middle, half = ax * cx + ay * cy + az * cz, boxes.halves[b, axis]
            if abs(slope) < 1e-12:
                if abs(middle) > half:
                    far = -math.inf
                continue
            one, other = (middle - half) / slope, (middle + half) / slope
            if one > other:
                one, other = other, one
            if one > near:
                near, near_cosine = one, abs(slope)
            if other < far:
                far, far_cosine = other, abs(slope)
        if near > far or far < 0:
            continue
        distance, angle = (near, near_cosine) if near >= 0 else (far, far_cosine)
        if distance < limit:
            limit, found, cosine = distance, b, angle
    return limit, found, cosine
