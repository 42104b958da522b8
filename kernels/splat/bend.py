"""Lenses that are no pinhole, backwards: one Gaussian at a time."""

from __future__ import annotations

import math

from numba import njit

from drivelab.kernels.splat.moments import IN_DEPTH
from drivelab.kernels.splat.project import ORTHO, _jacobian
from drivelab.kernels.splat.unflatten import BLOCK, JACOBIAN, SUMS, TO_JACOBIAN, TO_PLACE, TO_POINT


@njit(nogil=True, cache=True, error_model="numpy")
def _point(bench, lane, lens):  # type: ignore[no-untyped-def]
    """The point before the camera."""
    mx, my, mz = bench[BLOCK, lane], bench[BLOCK + 1, lane], bench[BLOCK + 2, lane]
    return (
        lens[0] * mx + lens[1] * my + lens[2] * mz + lens[3],
        lens[4] * mx + lens[5] * my + lens[6] * mz + lens[7],
        lens[8] * mx + lens[9] * my + lens[10] * mz + lens[11],
    )


@njit(nogil=True, cache=True, error_model="numpy")
def bend(bench, lane, lens, model):  # type: ignore[no-untyped-def]
    """Write the Jacobian of a lane of a bench."""
    x, y, z = _point(bench, lane, lens)
    found = _jacobian(x, y, z, lens[15:19], model)
    for n in range(6):
        bench[JACOBIAN + n, lane] = found[2 + n]


@njit(nogil=True, cache=True, error_model="numpy")
def unbend(bench, lane, lens, model):  # type: ignore[no-untyped-def]
    """Write the gradient of the point of a lane, from its place, its depth and its Jacobian.

    Of a fisheye, with r the distance from the axis, a = atan2(r, z), s = a / r and k = (ds/dr) / r,
    the Jacobian is [[s + x^2 k, xyk, -x / f], [xyk, s + y^2 k, -y / f]] with f = r^2 + z^2.
    """
    to_u, to_v = bench[TO_PLACE, lane], bench[TO_PLACE + 1, lane]
    own = bench[JACOBIAN : JACOBIAN + 6, lane]
    to_x = to_u * own[0] + to_v * own[3]
    to_y = to_u * own[1] + to_v * own[4]
    to_z = to_u * own[2] + to_v * own[5] + bench[SUMS + IN_DEPTH, lane]
    if model != ORTHO:
        x, y, z = _point(bench, lane, lens)
        fx, fy = lens[15], lens[16]
        given = bench[TO_JACOBIAN : TO_JACOBIAN + 6, lane]
        xx, xy, yy = fx * given[0], fx * given[1] + fy * given[3], fy * given[4]
        xz, yz = fx * given[2], fy * given[5]
        flat = x * x + y * y
        full = flat + z * z
        k, steeper = 0.0, 0.0  # and (dk/dr) / r, of no account on the axis
        if flat >= 1e-12 * z * z:
            r = math.sqrt(flat)
            angle = math.atan2(r, z)
            k = z / (flat * full) - angle / (r * flat)
            steeper = 3.0 * angle / (r * flat * flat) - z / (full * flat * flat)
            steeper -= 2.0 * z * (full + flat) / (flat * flat * full * full)
        bent = xx * x * x + xy * x * y + yy * y * y
        last = (xz * x + yz * y) * 2.0 / (full * full)
        to_x += ((3.0 * xx + yy) * x + xy * y) * k + bent * x * steeper - xz / full + last * x
        to_y += ((3.0 * yy + xx) * y + xy * x) * k + bent * y * steeper - yz / full + last * y
        to_z += bent * 2.0 / (full * full) - (xx + yy) / full + last * z
    bench[TO_POINT, lane], bench[TO_POINT + 1, lane] = to_x, to_y
    bench[TO_POINT + 2, lane] = to_z
