"""How smooth a clip was, as RAD's released script measures it, to compare with.

`drivelab.metrics.closed_loop.rad` scores clips; it takes jerk as plain second differences.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

DT = 0.1  # between frames [s]


def released_jerk(velocity: Float[np.ndarray, " t"]) -> float:
    """Mean absolute jerk of the frames before the event [m/s^3], or of a yaw rate [rad/s^3].

    Central differences twice, one-sided at both ends; 0 for fewer than two frames.
    """
    if len(velocity) < 2:
        return 0.0
    return float(np.abs(np.gradient(np.gradient(velocity, DT), DT)).mean())
