"""Intelligent driver model over arrays of cars; the formula stands in `drivelab.kernels.idm`."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float

from drivelab.kernels.idm import idm_acceleration_scalar


@dataclass(frozen=True, slots=True)
class IDMParameters:
    """Driver of one car; the defaults are those of PDM-Closed (the paper's exponent is 4)."""

    min_gap: float = 1.0  # bumper to bumper at standstill [m]
    headway: float = 1.5  # desired time gap [s]
    acceleration: float = 1.5  # largest, a in the paper [m/s^2]
    deceleration: float = 3.0  # comfortable, b in the paper [m/s^2]
    exponent: float = 10.0  # how late the free acceleration fades
    braking_limit: float = 3.0  # hardest braking ever commanded [m/s^2]

    def values(self) -> tuple[float, float, float, float, float, float]:
        """In the order of `idm_acceleration_scalar`."""
        return (
            self.min_gap,
            self.headway,
            self.acceleration,
            self.deceleration,
            self.exponent,
            self.braking_limit,
        )


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
    many = _idm_many(flat[0], flat[1], flat[2], flat[3], parameters.values())
    return many.reshape(arrays[0].shape)
