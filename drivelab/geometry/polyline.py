"""Polylines by arc length: measure, project, sample, offset.

Where only x and y matter, further columns (a heading) may follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle


def arc_lengths(points: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, " n"]:
    """Distance along the polyline from its first vertex [m]."""
    steps = np.hypot(*np.diff(points[:, :2], axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def headings(points: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, " n"]:
    """Heading of the segment that starts at each vertex; the last vertex repeats the one before."""
    delta = np.diff(points[:, :2], axis=0)
    yaw = np.arctan2(delta[:, 1], delta[:, 0])
    return np.concatenate([yaw, yaw[-1:]])


def with_headings(points: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n 3"]:
    """Append `headings` as a third column."""
    return np.column_stack([points[:, :2], headings(points)])


def with_tangents(points: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n 3"]:
    """Append the heading of the chord between the neighbours of each vertex: that of the curve.

    `headings` of a bend run half a segment ahead of it, which a tracker follows aside.
    """
    chord = np.gradient(points[:, :2], axis=0)
    return np.column_stack([points[:, :2], np.arctan2(chord[:, 1], chord[:, 0])])


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """What `project` has to know of a polyline, for those who ask it again and again."""

    start: Float[np.ndarray, "k 2"]
    delta: Float[np.ndarray, "k 2"]
    squared: Float[np.ndarray, " k"]  # lengths [m^2]
    arcs: Float[np.ndarray, " n"]

    def project(self, query: Float[np.ndarray, " more"]) -> tuple[float, float]:
        """As `project` of the polyline they were made of."""
        along = np.einsum("ij,ij->i", query[:2] - self.start, self.delta)
        t = np.clip(along / np.where(self.squared > 0, self.squared, 1.0), 0.0, 1.0)
        gap = np.hypot(*(self.start + t[:, None] * self.delta - query[:2]).T)
        best = int(np.argmin(gap))
        return float(self.arcs[best] + t[best] * np.sqrt(self.squared[best])), float(gap[best])


def segments(points: Float[np.ndarray, "n columns"]) -> Segments:
    """The segments of a polyline, measured once."""
    delta = np.diff(points[:, :2], axis=0)
    squared = np.einsum("ij,ij->i", delta, delta)
    return Segments(points[:-1, :2], delta, squared, arc_lengths(points))


def project(
    points: Float[np.ndarray, "n columns"], query: Float[np.ndarray, " more"]
) -> tuple[float, float]:
    """Arc length of the nearest point of the polyline (clamped to its ends), and the distance."""
    return segments(points).project(query)


def sample(
    path: Float[np.ndarray, "n 3"], distance: Float[np.ndarray, "*shape"] | float
) -> Float[np.ndarray, "*shape 3"]:
    """Pose at an arc length, clamped to the ends; headings are unwrapped before interpolation."""
    s = arc_lengths(path)
    at = np.clip(distance, 0.0, s[-1])
    yaw = np.unwrap(path[:, 2])
    return np.stack(
        [
            np.interp(at, s, path[:, 0]),
            np.interp(at, s, path[:, 1]),
            wrap_angle(np.interp(at, s, yaw)),
        ],
        -1,
    )


def offset(path: Float[np.ndarray, "n 3"], left: float) -> Float[np.ndarray, "n 3"]:
    """Shift every vertex to its left by `left` [m]; headings stay."""
    normal = path[:, 2] + np.pi / 2
    return np.column_stack(
        [path[:, 0] + left * np.cos(normal), path[:, 1] + left * np.sin(normal), path[:, 2]]
    )


def resample(points: Float[np.ndarray, "n columns"], spacing: float) -> Float[np.ndarray, "m 2"]:
    """Vertices at equal spacing, at most `spacing` [m] apart, ends kept."""
    s = arc_lengths(points)
    count = max(2, int(np.ceil(s[-1] / spacing)) + 1)
    at = np.linspace(0.0, s[-1], count)
    return np.column_stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])])
