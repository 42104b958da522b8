"""Gradients of eight Gaussians on a picture -> of the Gaussians and of the view, float64.

What `flatten` does, backwards. The covariance on the picture is S = J V R D D R^T V^T J^T with the
Jacobian J of the lens, the view's rotation V, the Gaussian's rotation R and scales D; the conic is
K = (S + blur)^-1. With the second moments M of h = alpha d loss / d alpha over the pixels,
d loss / d S = K M K / 2, and where opacities are softened by sqrt(det S / det (S + blur)) it is
sum(h) (S^-1 - K) / 2 more.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from drivelab.kernels.splat import flatten, moments
from drivelab.kernels.splat.flatten import GIVEN, LANES, LENS, TAKEN, _axes
from drivelab.kernels.splat.terms import Lanes, Term

# Rows of a bench (BENCH, LANES): what comes in ...
BLOCK = 0  # means, quaternions wxyz, scales
FLAT = BLOCK + TAKEN  # of `flatten`
SOLID = FLAT + GIVEN  # opacities as stored
SUMS = SOLID + 1  # moments over all tiles
JACOBIAN = SUMS + moments.MOMENTS  # of the lens, row by row
TO_DIRECTION = JACOBIAN + 6  # gradient of the direction of view
# ... and gradients that come out: of quaternions, scales, opacity, place on the picture, Jacobian,
TO_QUAT = TO_DIRECTION + 3
TO_SCALE = TO_QUAT + 4
TO_OPACITY = TO_SCALE + 3
TO_PLACE = TO_OPACITY + 1
TO_JACOBIAN = TO_PLACE + 2
TO_MEAN = TO_JACOBIAN + 6
# of the pose: the view's rotation row by row, the point before the camera, the eye
TO_TURN = TO_MEAN + 3
TO_POINT = TO_TURN + 9
TO_EYE = TO_POINT + 3
BENCH = TO_EYE + 3
POSE = BENCH - TO_TURN


def _bencher(formula: Any) -> Any:
    """An intrinsic that applies a formula to a bench (BENCH, LANES), a lens (LENS,) and a number.

    The formula takes registers, all rows of the bench, the numbers of the lens and the number, and
    returns rows with their places.
    """

    @intrinsic
    def apply(typing: Any, bench: Any, lens: Any, number: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Lanes(context, builder, types.float64, LANES)
            home, place = (
                regs.data(kind, value) for kind, value in zip((bench, lens), args[:2], strict=True)
            )
            rows = [regs.row(home, n) for n in range(BENCH)]
            given = Term(regs, regs.splat(args[2], regs.vector))
            for at, term in formula(regs, rows, regs.numbers(place, LENS), given):
                regs.keep(term, home, at)
            return context.get_dummy_value()

        return types.none(bench, lens, types.float64), emit

    return apply


def _dot(a: list[Term], b: list[Term]) -> Term:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _of_shape(regs: Lanes, rows: list[Term], numbers: list[Term], soft: Term) -> Any:
    """Quaternions, scales, opacity, place, Jacobian and rotation of the view."""
    h, hx, _, hy = rows[SUMS : SUMS + 4]
    sxx, sxy, syy, sharp = rows[FLAT + flatten.SXX : FLAT + flatten.SHARP + 1]
    zero, half = regs.constant(0.0), regs.constant(0.5)
    one = regs.constant(1.0)
    per = one / (sxx * syy - sxy * sxy)
    a, b, c = syy * per, zero - sxy * per, sxx * per
    yield TO_OPACITY, h / rows[SOLID]
    yield TO_PLACE, a * hx + b * hy
    yield TO_PLACE + 1, b * hx + c * hy
    gxx, gxy, gyy = _of_covariance(rows, (a, b, c), half)
    blur = numbers[23]
    per = one / sharp.where(sharp > zero, one)
    more = soft * half * h
    gxx = gxx + more * ((syy - blur) * per - a)
    gxy = gxy - more * (sxy * per + b)
    gyy = gyy + more * ((sxx - blur) * per - c)
    yield from _of_axes(regs, rows, numbers, (gxx + gxx, gxy + gxy, gyy + gyy))


def _of_covariance(
    rows: list[Term], conic: tuple[Term, Term, Term], half: Term
) -> tuple[Term, Term, Term]:
    """K M K / 2."""
    a, b, c = conic
    hxx, hxy, hyy = (rows[SUMS + n] for n in (moments.HXX, moments.HXY, moments.HYY))
    left, right = a * hxx + b * hxy, a * hxy + b * hyy
    low, high = b * hxx + c * hxy, b * hxy + c * hyy
    return (
        half * (left * a + right * b), half * (left * b + right * c), half * (low * b + high * c),
    )  # fmt: skip


def _of_axes(
    regs: Lanes, rows: list[Term], numbers: list[Term], twice: tuple[Term, Term, Term]
) -> Any:
    """From twice the gradient of S on: with the axes r_k of R, g_k = s_k J V r_k, S = sum g g^T."""
    view = [numbers[4 * n : 4 * n + 3] for n in range(3)]
    jacobian = [rows[JACOBIAN : JACOBIAN + 3], rows[JACOBIAN + 3 : JACOBIAN + 6]]
    quats, scales = rows[BLOCK + 3 : BLOCK + 7], rows[BLOCK + 7 : BLOCK + 10]
    one, zero = regs.constant(1.0), regs.constant(0.0)
    across, down = (
        [line[0] * view[0][n] + line[1] * view[1][n] + line[2] * view[2][n] for n in range(3)]
        for line in jacobian
    )
    to_across, to_down, to_axes = [zero] * 3, [zero] * 3, []
    gxx, gxy, gyy = twice
    for k, (axis, scale) in enumerate(zip(_axes(quats, one), scales, strict=True)):
        u, v = _dot(across, axis), _dot(down, axis)
        to_u, to_v = scale * (gxx * u + gxy * v), scale * (gxy * u + gyy * v)
        yield TO_SCALE + k, to_u * u + to_v * v
        to_u, to_v = scale * to_u, scale * to_v
        to_axes.append([to_u * across[n] + to_v * down[n] for n in range(3)])
        to_across = [to_across[n] + to_u * axis[n] for n in range(3)]
        to_down = [to_down[n] + to_v * axis[n] for n in range(3)]
    for n in range(3):
        yield TO_JACOBIAN + n, _dot(to_across, view[n])
        yield TO_JACOBIAN + 3 + n, _dot(to_down, view[n])
        for m in range(3):
            value = jacobian[0][n] * to_across[m] + jacobian[1][n] * to_down[m]
            yield TO_TURN + 3 * n + m, value
    yield from _of_rotation(regs, quats, to_axes)


def _of_rotation(regs: Lanes, quats: list[Term], g: list[list[Term]]) -> Any:
    """Quaternions of any length, from the gradients g of the axes."""
    per = (
        regs.constant(1.0)
        / (
            quats[0] * quats[0] + quats[1] * quats[1] + quats[2] * quats[2] + quats[3] * quats[3]
        ).root()
    )
    w, x, y, z = (part * per for part in quats)
    two, zero = regs.constant(2.0), regs.constant(0.0)
    # Column k of R is axis k: g[k][i] is the gradient of R_ik.
    xy, xz, yz = g[1][0] + g[0][1], g[2][0] + g[0][2], g[2][1] + g[1][2]
    wx, wy, wz = g[1][2] - g[2][1], g[2][0] - g[0][2], g[0][1] - g[1][0]
    found = [
        x * wx + y * wy + z * wz,
        y * xy + z * xz + w * wx - two * x * (g[1][1] + g[2][2]),
        x * xy + z * yz + w * wy - two * y * (g[0][0] + g[2][2]),
        x * xz + y * yz + w * wz - two * z * (g[0][0] + g[1][1]),
    ]
    along = zero
    for part, own in zip(found, (w, x, y, z), strict=True):
        along = along + part * own
    for n, (part, own) in enumerate(zip(found, (w, x, y, z), strict=True)):
        yield TO_QUAT + n, two * per * (part - along * own)


def _slopes(
    rows: list[Term], numbers: list[Term]
) -> tuple[list[Term], list[Term], list[Term], list[Term]]:
    """Of a pinhole: the point before the camera, x/z and y/z, the same held, focal lengths by z."""
    means, view = rows[BLOCK : BLOCK + 3], [numbers[4 * n : 4 * n + 4] for n in range(3)]
    point = [_dot(line, means) + line[3] for line in view]
    slopes = [point[0] / point[2], point[1] / point[2]]
    held = [
        slope.most(numbers[19 + 2 * n]).least(numbers[20 + 2 * n]) for n, slope in enumerate(slopes)
    ]
    return point, slopes, held, [numbers[15] / point[2], numbers[16] / point[2]]


def _of_pinhole(regs: Lanes, rows: list[Term], numbers: list[Term], _: Term) -> Any:
    """The Jacobian of a pinhole."""
    held, focal = _slopes(rows, numbers)[2:]
    zero = regs.constant(0.0)
    values = (focal[0], zero, zero - focal[0] * held[0], zero, focal[1], zero - focal[1] * held[1])
    yield from ((JACOBIAN + n, value) for n, value in enumerate(values))


def _of_point(regs: Lanes, rows: list[Term], numbers: list[Term], _: Term) -> Any:
    """The point before a pinhole, from its place, its depth and its Jacobian; held has none."""
    point, slopes, held, focal = _slopes(rows, numbers)
    zero, per = regs.constant(0.0), regs.constant(1.0) / point[2]
    to_depth = rows[SUMS + moments.IN_DEPTH]
    for n in range(2):
        straight, last = rows[TO_JACOBIAN + 4 * n], rows[TO_JACOBIAN + 3 * n + 2]
        bent = zero - last * focal[n]  # gradient of the held slope
        to_depth = to_depth - per * (straight * focal[n] + bent * held[n])
        low, high = numbers[19 + 2 * n], numbers[20 + 2 * n]
        bent = bent.where(slopes[n] >= low, zero).where(high >= slopes[n], zero)
        across = rows[TO_PLACE + n] * focal[n] + bent * per
        yield TO_POINT + n, across
        to_depth = to_depth - across * slopes[n]
    yield TO_POINT + 2, to_depth


def _of_mean(regs: Lanes, rows: list[Term], numbers: list[Term], _: Term) -> Any:
    """Means, the view's rotation and the eye."""
    view, eye = [numbers[4 * n : 4 * n + 3] for n in range(3)], numbers[12:15]
    means, point = rows[BLOCK : BLOCK + 3], rows[TO_POINT : TO_POINT + 3]
    away = [mean - place for mean, place in zip(means, eye, strict=True)]
    per = regs.constant(1.0) / _dot(away, away).root().most(regs.constant(1e-12))
    direction, to_direction = [part * per for part in away], rows[TO_DIRECTION : TO_DIRECTION + 3]
    along = _dot(to_direction, direction)
    for n in range(3):
        turned = per * (to_direction[n] - along * direction[n])
        back = view[0][n] * point[0] + view[1][n] * point[1] + view[2][n] * point[2]
        yield TO_MEAN + n, back + turned
        yield TO_EYE + n, regs.constant(0.0) - turned
        for m in range(3):
            at = TO_TURN + 3 * m + n
            yield at, rows[at] + point[m] * means[n]


shape = _bencher(_of_shape)
pinhole = _bencher(_of_pinhole)
pinhole_point = _bencher(_of_point)
mean = _bencher(_of_mean)
