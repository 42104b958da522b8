"""Free ways by whole arrays; as `drivelab.kernels.world.free_way`, a way given by its own rows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world.free_way import CORNER

Way = Float[np.ndarray, "n 4"]


def way_pose(way: Way, s: float) -> tuple[float, float, float]:
    """Point and heading at distance `s`."""
    k = int(np.clip(np.searchsorted(way[:, 3], s, side="right") - 1, 0, len(way) - 2))
    step = np.diff(way[:, :2], axis=0)
    headings = np.arctan2(step[:, 1], step[:, 0])
    length = way[k + 1, 3] - way[k, 3]
    here, left = s - way[k, 3], way[k + 1, 3] - s
    reach = min(length / 2, CORNER)
    yaw = headings[k]
    if here < reach and k > 0:
        share = 0.5 + 0.5 * max(here, 0.0) / reach
        yaw = headings[k - 1] + wrap_angle(yaw - headings[k - 1]) * share
    elif left < reach and k + 1 < len(headings):
        share = 0.5 + 0.5 * max(left, 0.0) / reach
        yaw = headings[k + 1] + wrap_angle(yaw - headings[k + 1]) * share
    x, y = way[k, :2] + here / length * step[k]
    return float(x), float(y), float(yaw)


def place_on_way(
    way: Way, x: float, y: float, low: float = -np.inf, high: float = np.inf
) -> tuple[float, float]:
    """Distance along the way of its point nearest to (x, y), and how far left of it that lies."""
    a, step = way[:-1, :2], np.diff(way[:, :2], axis=0)
    length = np.diff(way[:, 3])
    u = step / length[:, None]
    d = np.array([x, y]) - a
    s = np.sum(d * u, axis=1)
    floor, ceiling = np.zeros(len(s)), length.copy()
    floor[0], ceiling[-1] = -np.inf, np.inf
    s = np.clip(s, floor, ceiling)
    gap = np.hypot(*(d - s[:, None] * u).T)
    seen = ((way[1:, 3] >= low) | (np.arange(len(s)) == len(s) - 1)) & (
        (way[:-1, 3] <= high) | (np.arange(len(s)) == 0)
    )
    k = int(np.argmin(np.where(seen, gap, np.inf)))
    left = u[k, 0] * d[k, 1] - u[k, 1] * d[k, 0]
    return float(way[k, 3] + s[k]), float(gap[k] if left >= 0.0 else -gap[k])


def finished(points: Float[np.ndarray, "n 2"]) -> Way:
    """Rows of a way through points; a point within a millimetre of the one before is left out."""
    kept = [points[0]]
    for point in points[1:]:
        if np.hypot(*(point - kept[-1])) >= 1e-3:
            kept.append(point)
    vertices = np.array(kept)
    step = np.diff(vertices, axis=0)
    yaw = np.arctan2(step[:, 1], step[:, 0])
    distance = np.concatenate([[0.0], np.cumsum(np.hypot(*step.T))])
    return np.column_stack([vertices, np.append(yaw, yaw[-1]), distance])


def way_crossing(
    way: Way, begin: float, other: Way, other_begin: float, near: float
) -> tuple[float, float]:
    """Where a way first crosses another one, or else comes closest to it; NaN for nowhere."""
    u, v = np.diff(way[:, :2], axis=0)[:, None], np.diff(other[:, :2], axis=0)[None]
    d = other[None, :-1, :2] - way[:-1, None, :2]
    cross = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    flat = cross == 0.0
    cross = np.where(flat, 1.0, cross)
    t = (d[..., 0] * v[..., 1] - d[..., 1] * v[..., 0]) / cross
    w = (d[..., 0] * u[..., 1] - d[..., 1] * u[..., 0]) / cross
    mine = way[:-1, None, 3] + t * np.diff(way[:, 3])[:, None]
    theirs = other[None, :-1, 3] + w * np.diff(other[:, 3])[None]
    meet = ~flat & (t >= 0) & (t <= 1) & (w >= 0) & (w <= 1)
    meet &= (mine >= begin) & (theirs >= other_begin)
    if meet.any():
        at = np.where(meet, mine, np.inf)
        k, j = np.unravel_index(np.argmin(at), at.shape)
        return float(mine[k, j]), float(theirs[k, j])
    t = np.clip(np.sum(d * u, axis=-1) / np.sum(u * u, axis=-1), 0.0, 1.0)
    away = d - t[..., None] * u
    gap = np.hypot(away[..., 0], away[..., 1])
    mine = way[:-1, None, 3] + t * np.diff(way[:, 3])[:, None]
    gap[mine < begin] = np.inf
    gap[:, other[:-1, 3] < other_begin] = np.inf
    if gap.min() >= near:
        return np.nan, np.nan
    k, j = np.unravel_index(np.argmin(gap), gap.shape)
    return float(mine[k, j]), float(other[j, 3])


def smooth_share(t: float) -> float:
    """Quintic from 0 to 1."""
    t = float(np.clip(t, 0.0, 1.0))
    return float(np.polyval([6.0, -15.0, 10.0, 0.0, 0.0, 0.0], t))
