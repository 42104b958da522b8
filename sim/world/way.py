"""Free lines as the world stores them: vertices in the map's own frame, with their distances."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.geometry.polyline import arc_lengths


def way_rows(
    path: Float[np.ndarray, "n columns"], origin: Float[np.ndarray, "2"], name: str = "a way"
) -> Float[np.ndarray, "m 4"]:
    """Rows (x, y, heading, distance) about `origin`; doubled vertices are dropped.

    Headings are those of the path's segments, so that a vertex knows where the way goes on. Errors
    call the way `name`.

    Raises:
        ConfigError: a vertex is not finite, or there are not two that differ.
    """
    points = np.asarray(path, float)[:, :2] - origin
    if not np.isfinite(points).all():
        bad = int(np.argmin(np.isfinite(points).all(axis=1)))
        raise ConfigError(f"{name}: vertex {bad} of {len(points)} is not finite")
    step = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate([[True], step > 1e-6])[: len(points)]]
    if len(points) < 2:
        raise ConfigError(
            f"{name}: {len(path)} vertices, none apart from the first; expected two that differ"
        )
    delta = np.diff(points, axis=0)
    yaw = np.unwrap(np.arctan2(delta[:, 1], delta[:, 0]))
    return np.column_stack([points, np.append(yaw, yaw[-1]), arc_lengths(points)])
