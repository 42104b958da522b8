"""Rotations as the three smaller components of a quaternion, the largest left out.

The left-out one follows from the length of 1; where it is negative, all four change their sign,
which is the same rotation. Components of the others lie within +-1/sqrt(2).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from drivelab.sim.splats.formats.stored import unit_quats

HALF = np.sqrt(0.5)  # largest that a component other than the largest can be


def three_smaller(
    quats: Float[np.ndarray, "n 4"],
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Leave the largest component out.

    Args:
        quats: of any length but 0.

    Returns:
        Which one was left out (the first of equals), and the others in their order, within
        +-1/sqrt(2).
    """
    unit = unit_quats(quats)
    largest = np.abs(unit).argmax(1)
    unit = np.where(np.take_along_axis(unit, largest[:, None], 1) < 0, -unit, unit)
    return largest, np.take_along_axis(unit, _others(largest), 1)


def of_three(
    largest: Int[np.ndarray, " n"], others: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 4"]:
    """Quaternions of what `three_smaller` left; others too long for a length of 1 get 0 for it."""
    out = np.zeros((len(others), 4))
    np.put_along_axis(out, _others(largest), others, 1)
    left = np.sqrt(np.maximum(0.0, 1.0 - (others**2).sum(1)))
    np.put_along_axis(out, largest[:, None], left[:, None], 1)
    return out


def _others(largest: np.ndarray) -> np.ndarray:
    """(n, 3) the components that were not left out, in their order."""
    table = np.array([[n for n in range(4) if n != out] for out in range(4)])
    rows: np.ndarray = table[largest]
    return rows
