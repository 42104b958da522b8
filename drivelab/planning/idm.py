"""Intelligent driver model (Treiber, Hennecke, Helbing 2000, arXiv cond-mat/0002177).

Departures as in NAVSIM's PDM-Closed: the gap is never taken below the minimum gap, so the model
stays finite at contact, and the result is clipped to what the car may do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class IDMParameters:
    """Driver of one car; the defaults are those of PDM-Closed (the paper's exponent is 4)."""

    min_gap: float = 1.0  # bumper to bumper at standstill [m]
    headway: float = 1.5  # desired time gap [s]
    acceleration: float = 1.5  # largest, a in the paper [m/s^2]
    deceleration: float = 3.0  # comfortable, b in the paper [m/s^2]
    exponent: float = 10.0  # how late the free acceleration fades
    braking_limit: float = 3.0  # hardest braking ever commanded [m/s^2]


@numba.njit(cache=True)
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
    """One car; compiled, for use inside other kernels. Units and order as in `IDMParameters`."""
    closing = speed * (speed - lead_speed) / (2.0 * np.sqrt(acceleration * deceleration))
    desired = min_gap + headway * speed + closing
    free = 1.0 - (speed / target_speed) ** exponent
    result = acceleration * (free - (desired / max(gap, min_gap)) ** 2)
    return min(max(result, -braking_limit), acceleration)


@numba.njit(cache=True)
def _idm_many(
    gap: np.ndarray,
    speed: np.ndarray,
    lead_speed: np.ndarray,
    target_speed: np.ndarray,
    parameters: tuple[float, float, float, float, float, float],
) -> np.ndarray:
    out = np.empty(gap.size)
    min_gap, headway, acceleration, deceleration, exponent, limit = parameters
    for i in range(gap.size):
        out[i] = idm_acceleration_scalar(
            gap[i],
            speed[i],
            lead_speed[i],
            target_speed[i],
            min_gap,
            headway,
            acceleration,
            deceleration,
            exponent,
            limit,
        )
    return out


def idm_acceleration(
    gap: Float[np.ndarray, "*shape"] | float,
    speed: Float[np.ndarray, "*shape"] | float,
    *,
    lead_speed: Float[np.ndarray, "*shape"] | float,
    target_speed: Float[np.ndarray, "*shape"] | float,
    parameters: IDMParameters,
) -> Float[np.ndarray, "*shape"]:
    """Acceleration [m/s^2] of each car: gap [m] to the leader's rear, speeds [m/s] along the path.

    A free road is a gap of infinity.
    """
    arrays = np.broadcast_arrays(gap, speed, lead_speed, target_speed)
    flat = [np.ascontiguousarray(array, float).ravel() for array in arrays]
    p = parameters
    values = (p.min_gap, p.headway, p.acceleration, p.deceleration, p.exponent, p.braking_limit)
    return _idm_many(flat[0], flat[1], flat[2], flat[3], values).reshape(arrays[0].shape)
