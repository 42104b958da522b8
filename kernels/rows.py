"""Rows written element by element, for the sake of the first run.

Where an array is assigned to a part of another one, numba also compiles the sentence that it would
say of unequal shapes, and the first score of a fresh installation waits for that.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numba import njit


@njit(cache=True)
def fill_row(out: Float[np.ndarray, " n"], values: Float[np.ndarray, " m"]) -> None:
    """Write `values` over the first m elements of `out` (m <= n, unchecked)."""
    for i in range(values.shape[0]):
        out[i] = values[i]
