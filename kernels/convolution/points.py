"""The numbers of Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308).

Three by three weights and six by six pixels are polynomials, evaluated at six points along each
axis; there they are multiplied, and the product is interpolated. The usual points 0, +-1, +-2 and
infinity round more than twice as coarsely as those below, the best of fourteen sets that were
tried. What interpolation divides by is part of the weights, which are made in float64.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

TILE = 4  # pixels of a result along each axis
KERNEL = 3
POINTS = TILE + KERNEL - 1  # 0, +-INNER, +-OUTER and infinity
INNER, OUTER = 0.625, 1.5


def weight_transform() -> Float[np.ndarray, "6 3"]:
    """From three weights to their values at the points, divided as interpolation asks."""
    near, far = INNER**2, OUTER**2
    inner, outer = 2 * near * (near - far), 2 * far * (far - near)
    points = np.array([0, INNER, -INNER, OUTER, -OUTER])
    divisors = np.array([near * far, inner, inner, outer, outer])
    rows = points[:, None] ** np.arange(KERNEL) / divisors[:, None]
    return np.concatenate([rows, [[0, 0, 1]]])


def panels(weight: Float[np.ndarray, "o c 3 3"], width: int) -> Float32[np.ndarray, "p 36 c w"]:
    """Weights at the points, in the order in which `width` channels out are computed together."""
    turn = weight_transform()
    taken, given = weight.shape[:2]
    flat = weight.reshape(taken * given, KERNEL * KERNEL).astype(np.float64)
    valued = (np.kron(turn, turn) @ flat.T).astype(np.float32)
    cut = valued.reshape(POINTS * POINTS, taken // width, width, given)
    return np.ascontiguousarray(cut.transpose(1, 0, 3, 2))
