"""Free lines as the world stores them: vertices in the map's own frame, with their distances."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths


def way_rows(
    path: Float[np.ndarray, "n columns"], origin: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "m 4"]:
    """Rows (x, y, heading, distance) about `origin`; doubled vertices are dropped.

    Headings are those of the path's segments, so that a vertex knows where the way goes on.
    """
    points = np.asarray(path, float)[:, :2] - origin
    step = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate([[True], step > 1e-6])]
    if len(points) < 2:
        raise ValueError("a way needs two vertices that differ")
    delta = np.diff(points, axis=0)
    yaw = np.unwrap(np.arctan2(delta[:, 1], delta[:, 0]))
    return np.column_stack([points, np.append(yaw, yaw[-1]), arc_lengths(points)])
