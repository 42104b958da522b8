"""How different the modes of one plan are: what DiffusionDrive reports as mode diversity.

arXiv 2411.15139 gives D = 1 - mean over modes of Area(mode) / Area(union of all modes): 0 where all
modes lie on each other, near 1 where many go their own ways. The paper does not say what the area
of a trajectory is. Here it is the ground that a car as wide as nuPlan's ego passes over, from the
rear axle's present place along the planned positions.
"""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import DataError

WIDTH = 2.297  # of nuPlan's ego [m]
SHORTEST = 0.1  # a mode that stands still still covers so much road [m]


def mode_diversity(modes: Float[np.ndarray, "m t 3"], *, width: float = WIDTH) -> float:
    """Diversity of the modes of one plan, 0 to 1.

    Args:
        modes: x, y [m], heading of each in the present ego frame.
        width: of the vehicle [m].

    Raises:
        DataError: there is no mode, or a position is not finite.
    """
    if modes.ndim != 3 or not len(modes) or not np.isfinite(modes[..., :2]).all():
        raise DataError(f"modes of shape {modes.shape}: expected finite (m, t, 3) with m >= 1")
    ways = [_swept(mode[:, :2], width) for mode in modes]
    union = shapely.union_all(ways).area
    return 1.0 - float(np.mean([way.area for way in ways])) / union


def _swept(positions: Float[np.ndarray, "t 2"], width: float) -> shapely.Polygon:
    line = np.concatenate([np.zeros((1, 2)), positions])
    if np.abs(line - line[0]).max() < SHORTEST:
        line = np.array([[0.0, 0.0], [SHORTEST, 0.0]])
    return shapely.LineString(line).buffer(width / 2, cap_style="flat")
