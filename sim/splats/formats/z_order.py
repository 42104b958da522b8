"""The Z-order curve through space (Morton): an order in which neighbours mostly lie together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

BITS = 20  # of each axis; three of them fit into 63


def z_order(points: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """Indices that put points in the curve's order; equals keep theirs."""
    low = points.min(0, initial=np.inf)
    span = np.maximum(points.max(0, initial=-np.inf) - low, np.finfo(float).tiny)
    cells = ((points - low) / span * ((1 << BITS) - 1)).astype(np.uint64)
    keys = np.zeros(len(points), np.uint64)
    for axis in range(3):
        keys |= _spread(cells[:, axis]) << np.uint64(axis)
    return np.argsort(keys, kind="stable")


def _spread(values: np.ndarray) -> np.ndarray:
    """Two zero bits behind each bit."""
    for shift, mask in (
        (32, 0x001F00000000FFFF), (16, 0x001F0000FF0000FF), (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249),
    ):  # fmt: skip
        values = (values | (values << np.uint64(shift))) & np.uint64(mask)
    return values
