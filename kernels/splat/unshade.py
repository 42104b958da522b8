"""Gradients of colours -> of their harmonics' coefficients and of the directions of view."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.splat import flatten
from drivelab.kernels.splat.flatten import LANES
from drivelab.kernels.splat.harmonics import C1, C2, C3, basis
from drivelab.kernels.splat.terms import LONG, Lanes, Term
from drivelab.kernels.splat.unflatten import FLAT, TO_DIRECTION

HARMONICS = 16
_DIRECTIONS = (FLAT + flatten.DX, FLAT + flatten.DY, FLAT + flatten.DZ)


@intrinsic
def values_of(typing: Any, bench: Any, out: Any) -> Any:
    """The harmonics along the directions of a bench: `out` (LANES, HARMONICS) float32."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double, regs, home, place = _both(context, builder, (bench, out), args)
        x, y, z = (double.row(home, n).single(regs) for n in _DIRECTIONS)
        vectors = [term.value for term in basis(x, y, z, 3)]
        for half in range(2):
            part = vectors[LANES * half : LANES * (half + 1)]
            for lane, value in enumerate(regs.turned(part)):
                at = ir.Constant(LONG, HARMONICS * lane + LANES * half)
                regs.store(value, regs.offset(place, at))
        return context.get_dummy_value()

    return types.none(bench, out), emit


@intrinsic
def direct(typing: Any, bench: Any, dots: Any) -> Any:
    """Gradients of a bench's directions from those of the harmonics (LANES, HARMONICS) float32."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double, regs, home, place = _both(context, builder, (bench, dots), args)
        xyz = [double.row(home, n).single(regs) for n in _DIRECTIONS]
        read = [regs.row(place, n).value for n in range(2 * LANES)]
        turned = regs.turned(read[::2]) + regs.turned(read[1::2])
        found = _of_direction(xyz, [Term(regs, value) for value in turned])
        for n, term in enumerate(found):
            wide = builder.fpext(term.value, double.vector)
            double.keep(Term(double, wide), home, TO_DIRECTION + n)
        return context.get_dummy_value()

    return types.none(bench, dots), emit


def _both(context: Any, builder: Any, kinds: Any, args: Any) -> tuple[Lanes, Lanes, Any, Any]:
    """Registers of float64 and float32, the addresses of a bench and of an array of float32."""
    double = Lanes(context, builder, types.float64, LANES)
    regs = Lanes(context, builder, types.float32, LANES)
    return double, regs, double.data(kinds[0], args[0]), regs.data(kinds[1], args[1])


def _of_direction(xyz: list[Term], g: list[Term]) -> tuple[Term, Term, Term]:
    """The functions of `harmonics.basis`, differentiated and weighed with g."""
    x, y, z = xyz
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    apart = xx - yy
    return (
        C2[0] * (y * g[4] - z * g[7]) + x * (2 * C2[2] * g[8] - 2 * C2[1] * g[6])
        + xy * (2 * C3[2] * g[11] - 6 * C3[0] * g[9]) + C3[1] * (yz * g[10])
        + xz * (2 * C3[4] * g[14] - 6 * C3[3] * g[12])
        - C3[2] * ((4.0 * zz - 3.0 * xx - yy) * g[13]) - 3 * C3[0] * (apart * g[15])
        - C1 * g[3],
        C2[0] * (x * g[4] - z * g[5]) - y * (2 * C2[2] * g[8] + 2 * C2[1] * g[6])
        + xy * (2 * C3[2] * g[13] + 6 * C3[0] * g[15]) + C3[1] * (xz * g[10])
        - yz * (2 * C3[4] * g[14] + 6 * C3[3] * g[12])
        - C3[2] * ((4.0 * zz - xx - 3.0 * yy) * g[11]) - 3 * C3[0] * (apart * g[9])
        - C1 * g[1],
        C1 * g[2] - C2[0] * (y * g[5] + x * g[7]) + 4 * C2[1] * (z * g[6])
        + C3[1] * (xy * g[10]) - 8 * C3[2] * (yz * g[11] + xz * g[13])
        + C3[3] * ((6.0 * zz - 3.0 * xx - 3.0 * yy) * g[12]) + C3[4] * (apart * g[14]),
    )  # fmt: skip


def _unshader(count: int) -> Any:
    """An intrinsic that spreads a colour's gradient over `count` coefficients.

    Its arguments: coefficients in one row and the place of the first, `values_of` and a lane, the
    colours' gradients (LANES, 4) float32, the coefficients' gradients in one row, which it adds to,
    and dots (LANES, HARMONICS), where it writes the gradients of the harmonics.
    """

    @intrinsic
    def unshade(
        typing: Any, sh: Any, first: Any, values: Any, lane: Any, colours: Any, out: Any, dots: Any
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Lanes(context, builder, types.float32, HARMONICS)
            few = Lanes(context, builder, types.float32, 4)
            stored, taken = (
                regs.offset(regs.data(kind, value), args[1])
                for kind, value in ((sh, args[0]), (out, args[5]))
            )
            own, dot = (
                regs.offset(regs.data(kind, value), _times(builder, args[3], HARMONICS))
                for kind, value in ((values, args[2]), (dots, args[6]))
            )
            place = few.offset(few.data(colours, args[4]), _times(builder, args[3], 4))
            _spread(regs, count, (stored, taken, dot), regs.load(own), few.load(place))
            return context.get_dummy_value()

        index = types.intp
        return types.none(sh, index, values, index, colours, out, dots), emit

    return unshade


def _times(builder: ir.IRBuilder, count: ir.Value, size: int) -> ir.Value:
    return builder.mul(count, ir.Constant(LONG, size))


def _spread(
    regs: Lanes, count: int, places: tuple[Any, Any, Any], values: Any, colour: Any
) -> None:
    """Numbers red, green, blue, red, ... of the coefficients, HARMONICS of them at a time."""
    build, width = regs.builder, regs.lanes
    stored, taken, dot = places
    products = []
    for begin in range(0, 3 * count, width):
        at = ir.Constant(LONG, begin)
        numbers = range(begin, begin + width)
        harmonic = [min(n // 3, count - 1) for n in numbers]
        mine = build.shuffle_vector(values, values, regs._places(harmonic))
        shown = build.shuffle_vector(colour, colour, regs._places([n % 3 for n in numbers]))
        mask = ir.Constant(ir.VectorType(ir.IntType(1), width), [n < 3 * count for n in numbers])
        before = regs.load_where(mask, regs.offset(taken, at))
        after = regs.multiply_add(mine, shown, before)
        regs.store_where(mask, after, regs.offset(taken, at))
        products.append(build.fmul(regs.load_where(mask, regs.offset(stored, at)), shown))
    if count > 1:
        regs.store(_thirds_added(regs, products), dot)


def _thirds_added(regs: Lanes, products: list[Any]) -> Any:
    """The sum of every three neighbours."""
    products = (products + [regs.zero] * 2)[:3]
    total = None
    for colour in range(3):
        wanted = [3 * n + colour for n in range(regs.lanes)]
        early = regs._places([at if at < 2 * regs.lanes else 0 for at in wanted])
        third = regs.builder.shuffle_vector(products[0], products[1], early)
        late = [n if at < 2 * regs.lanes else at - regs.lanes for n, at in enumerate(wanted)]
        third = regs.builder.shuffle_vector(third, products[2], regs._places(late))
        total = third if total is None else regs.builder.fadd(total, third)
    return total


unshade_1, unshade_4, unshade_9, unshade_16 = (_unshader(count) for count in (1, 4, 9, 16))
