"""Real spherical harmonics up to degree 3, as plain arithmetic on numbers, arrays or tensors."""

from __future__ import annotations

from typing import Any

C0 = 0.28209479177387814
C1 = 0.4886025119029199
C2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
C3 = (
    0.5900435899266435,
    2.890611442640554,
    0.4570457994644658,
    0.3731763325901154,
    1.445305721320277,
)


def basis(x: Any, y: Any, z: Any, degree: int) -> list[Any]:
    """Values of the basis functions of a unit direction, in the order of stored coefficients."""
    found = [C0 + 0.0 * x]
    if degree > 0:
        found += [-C1 * y, C1 * z, -C1 * x]
    if degree > 1:
        found += [
            C2[0] * x * y,
            -C2[0] * y * z,
            C2[1] * (2.0 * z * z - x * x - y * y),
            -C2[0] * x * z,
            C2[2] * (x * x - y * y),
        ]
    if degree > 2:
        found += [
            -C3[0] * y * (3.0 * x * x - y * y),
            C3[1] * x * y * z,
            -C3[2] * y * (4.0 * z * z - x * x - y * y),
            C3[3] * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y),
            -C3[2] * x * (4.0 * z * z - x * x - y * y),
            C3[4] * z * (x * x - y * y),
            -C3[0] * x * (x * x - 3.0 * y * y),
        ]
    return found
