"""Colours that turn with a thing: spherical harmonics of degree 1 to 3 under a rotation.

The functions of one degree span a space that every rotation maps onto itself, so coefficients turn
by one matrix per degree. It is found from the functions' values at more directions than there are
unknowns; the equations have an exact solution, and least squares finds it to rounding.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float

from drivelab.kernels.splat.harmonics import basis
from drivelab.kernels.splat.scene import COEFFICIENTS

_DIRECTIONS = 32  # equations; 16 unknowns at most


def rotate_sh(
    sh: Float[np.ndarray, "n k 3"], rotation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n k 3"]:
    """Coefficients of colours that have turned by a rotation.

    Args:
        sh: k of 1, 4, 9 or 16 coefficients as stored.
        rotation: proper; a colour seen along d before is seen along R d afterwards.

    Returns:
        float32, a new array.
    """
    turned = np.array(sh, np.float32)
    degree = COEFFICIENTS[sh.shape[1]]
    matrices = turn_matrices(rotation, degree)
    for n in range(1, degree + 1):
        rows = slice(n * n, (n + 1) ** 2)
        turned[:, rows] = np.einsum("ij,njc->nic", matrices[n].astype(np.float32), turned[:, rows])
    return turned


def turn_matrices(rotation: Float[np.ndarray, "3 3"], degree: int) -> list[np.ndarray]:
    """For degree 0, 1, ...: the (2l + 1, 2l + 1) float64 matrix that turns its coefficients."""
    directions, solve = _equations(degree)
    before = _values(directions @ np.asarray(rotation, float), degree)  # along R^T d
    return [part @ before[:, n * n : (n + 1) ** 2] for n, part in enumerate(solve)]


@cache
def _equations(degree: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Unit directions (m, 3), spread evenly, and for each degree what inverts its values there."""
    at = np.arange(_DIRECTIONS) + 0.5
    z, angle = 1.0 - 2.0 * at / _DIRECTIONS, np.pi * (1.0 + 5.0**0.5) * at
    ring = np.sqrt(1.0 - z * z)
    directions = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1)
    values = _values(directions, degree)
    parts = [values[:, n * n : (n + 1) ** 2] for n in range(degree + 1)]
    return directions, [np.linalg.pinv(part) for part in parts]


def _values(directions: np.ndarray, degree: int) -> np.ndarray:
    x, y, z = directions.T
    return np.stack(basis(x, y, z, degree), -1)
