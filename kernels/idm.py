"""Intelligent driver model (Treiber, Hennecke, Helbing 2000, arXiv cond-mat/0002177), one car.

Departures as in NAVSIM's PDM-Closed: the gap is never taken below the minimum gap, so the model
stays finite at contact, and the result is clipped to what the car may do.
"""

from __future__ import annotations

from math import sqrt

from numba import njit


@njit(cache=True)
def idm_acceleration_scalar(
    gap: float,
    speed: float,
    lead_speed: float,
    target_speed: float,
    min_gap: float,
    headway: float,
    acceleration: float,
    deceleration: float,
    exponent: float,
    braking_limit: float,
) -> float:
    """Acceleration [m/s^2] at a bumper gap [m] and speeds [m/s]; see `drivelab.planning.idm`."""
    closing = speed * (speed - lead_speed) / (2.0 * sqrt(acceleration * deceleration))
    desired = min_gap + headway * speed + closing
    free = 1.0 - (speed / target_speed) ** exponent
    result = acceleration * (free - (desired / max(gap, min_gap)) ** 2)
    return min(max(result, -braking_limit), acceleration)
