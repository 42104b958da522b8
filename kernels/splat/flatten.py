"""Eight Gaussians at a time onto the picture of a pinhole, in vector registers, float64.

`flatten` does for a block what `project` writes out for one: the place on the picture and the
covariance there, J V R S S R^T V^T J^T with the clamped Jacobian J, the view's rotation V, the
Gaussian's rotation R and scales S.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from drivelab.kernels.splat.terms import Lanes, Term

LANES = 8
# Rows of a block: means, quaternions wxyz, scales
TAKEN = 10
# Rows of what comes out
(
    U, V, Z, SXX, SXY, SYY, SHARP, WIDE, HIGH, DX, DY, DZ,
) = range(12)  # fmt: skip
GIVEN = 12
# Numbers of a lens: view (12, row by row), eye (3), fx, fy, cx, cy, bounds of x/z and y/z (4), blur
LENS = 24


@intrinsic
def flatten(typing: Any, block: Any, lens: Any, out: Any) -> Any:
    """Fill `out` (GIVEN, 8) from `block` (TAKEN, 8) and the numbers of a lens (LENS,)."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Lanes(context, builder, types.float64, LANES)
        taken, given, place = (
            regs.data(kind, value)
            for kind, value in zip((block, out, lens), (args[0], args[2], args[1]), strict=True)
        )
        rows = [regs.row(taken, n) for n in range(TAKEN)]
        for n, term in enumerate(_flat(regs, rows, regs.numbers(place, LENS))):
            regs.keep(term, given, n)
        return context.get_dummy_value()

    return types.none(block, lens, out), emit


def _flat(regs: Lanes, rows: list[Term], numbers: list[Term]) -> list[Term]:
    """The rows of `out`."""
    means, quats, scales = rows[:3], rows[3:7], rows[7:]
    view, eye = [numbers[4 * n : 4 * n + 4] for n in range(3)], numbers[12:15]
    fx, fy, cx, cy, left, right, top, bottom, blur = numbers[15:]
    zero = regs.constant(0.0)
    one = regs.constant(1.0)
    x, y, z = (
        line[0] * means[0] + line[1] * means[1] + line[2] * means[2] + line[3] for line in view
    )
    per = one / z
    slope_u, slope_v = x * per, y * per
    across, down = fx * per, fy * per
    back_u = zero - across * slope_u.most(left).least(right)
    back_v = zero - down * slope_v.most(top).least(bottom)
    # The Jacobian's rows in the axes of the scene
    g = [across * view[0][n] + back_u * view[2][n] for n in range(3)]
    h = [down * view[1][n] + back_v * view[2][n] for n in range(3)]
    sxx, sxy, syy = zero, zero, zero
    for axis, scale in zip(_axes(quats, one), scales, strict=True):
        gx = scale * (g[0] * axis[0] + g[1] * axis[1] + g[2] * axis[2])
        gy = scale * (h[0] * axis[0] + h[1] * axis[1] + h[2] * axis[2])
        sxx, sxy, syy = sxx + gx * gx, sxy + gx * gy, syy + gy * gy
    sharp = sxx * syy - sxy * sxy
    sxx, syy = sxx + blur, syy + blur
    away = [mean - place for mean, place in zip(means, eye, strict=True)]
    length = (away[0] * away[0] + away[1] * away[1] + away[2] * away[2]).root()
    length = one / length.most(regs.constant(1e-12))
    return [
        fx * slope_u + cx, fy * slope_v + cy, z, sxx, sxy, syy, sharp, sxx.root(), syy.root(),
        *(part * length for part in away),
    ]  # fmt: skip


def _axes(quats: list[Term], one: Term) -> list[list[Term]]:
    """The axes of rotations wxyz of any length, each as its x, y, z."""
    w, x, y, z = quats
    per = one / (w * w + x * x + y * y + z * z)
    two = per + per
    xx, yy, zz = x * x * two, y * y * two, z * z * two
    xy, xz, yz = x * y * two, x * z * two, y * z * two
    wx, wy, wz = w * x * two, w * y * two, w * z * two
    return [
        [one - (yy + zz), xy + wz, xz - wy],
        [xy - wz, one - (xx + zz), yz + wx],
        [xz + wy, yz - wx, one - (xx + yy)],
    ]
