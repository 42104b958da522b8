"""Mean absolute jerk of a clip: the paper's second difference, and what RAD's script computes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.metrics.closed_loop.drive import DT


def mean_jerk(velocity: Float[np.ndarray, " t"]) -> float:
    """Mean absolute second derivative of a velocity [m/s^3]; 0 for fewer than three samples."""
    if len(velocity) < 3:
        return 0.0
    return float(np.abs(np.diff(velocity, n=2)).mean() / DT**2)


def released_jerk(velocity: Float[np.ndarray, " t"]) -> float:
    """As the released script: of a velocity [m/s^3], or of a yaw rate [rad/s^3].

    Central differences twice, one-sided at both ends; 0 for fewer than two samples.
    """
    if len(velocity) < 2:
        return 0.0
    return float(np.abs(np.gradient(np.gradient(velocity, DT), DT)).mean())
