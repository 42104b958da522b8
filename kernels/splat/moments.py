"""The innermost loop of a picture's gradient: what a tile's pixels say about one Gaussian.

A pixel's light falls from 1 as Gaussians are laid over it, each with the cover alpha and the
weight w = alpha light. With v the sum of what a Gaussian shows (colour, depth) times the gradients
of the pictures there, the loss of a pixel is the sum of w v and of what is behind all. Of it `left`
is what lies behind the Gaussians so far, so that d loss / d alpha = light v - left / (1 - alpha):
one number to carry however many pictures there are. The light and the choices to skip and to stop
are those of `drivelab.kernels.splat.cells`, bit for bit: the Gaussians are laid front to back once
more.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.splat.cells import (
    _LONG,
    BLUE,
    DEPTH,
    EDGES,
    GREEN,
    HIGH,
    OPACITY,
    RED,
    ROW,
    STATE,
    WIDE,
    A,
    X,
    Y,
    _each_bit,
    _Emitter,
)
from drivelab.kernels.splat.settings import LEAST_ALPHA, LEAST_LIGHT

# Numbers of a pixel: light (negative once it is finished), what of its loss is left, and the
# gradients of its red, green, blue and depth
LIGHT, LEFT, TO_RED, TO_GREEN, TO_BLUE, TO_DEPTH = range(STATE)
# Sums over a tile's pixels of h = alpha d loss / d alpha, of its products with the distance from
# the Gaussian's middle, and of w times the gradients of the pictures
H, HX, HXX, HY, HXY, HYY, IN_RED, IN_GREEN, IN_BLUE, IN_DEPTH = range(10)
MOMENTS = 10


@intrinsic
def weigh(
    typing: Any, rows: Any, place: Any, edges: Any, slot: Any, state: Any, cells: Any,
    columns: Any, lines: Any, most: Any, out: Any, part: Any,
) -> Any:  # fmt: skip
    """Lay a Gaussian over cells and write the sums over their pixels.

    Its arguments: rows (n, ROW) and a place there, edges (m, EDGES) of `touched` and a slot there,
    the state (CELLS, STATE, WIDE) of the tile, bits of its cells, x of its columns (2 WIDE,) and y
    of its rows (HIGH,) [px], what a Gaussian covers at most, the sums (k, MOMENTS) and a place
    there.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = _Emitter(context, builder, WIDE)
        splat = regs.offset(regs.data(rows, args[0]), _times(builder, args[1], ROW))
        given = regs.offset(regs.data(edges, args[2]), _times(builder, args[3], EDGES))
        home, ruler, plumb = (
            regs.data(kind, value)
            for kind, value in ((state, args[4]), (columns, args[6]), (lines, args[7]))
        )
        names = (X, Y, A, OPACITY, RED, GREEN, BLUE, DEPTH)
        number = {name: regs.each(regs.at(splat, name)) for name in names}
        most_of_all = regs.each(args[8])
        # What is held at the most has no gradient; rounding alone holds others at their opacity.
        free = builder.fcmp_ordered("<=", number[OPACITY], most_of_all)
        bound = builder.select(free, regs.constant(math.inf), most_of_all)
        number[OPACITY] = regs.least(number[OPACITY], most_of_all)
        sums = regs.sums(MOMENTS)
        with _each_bit(builder, args[5]) as cell:
            half = builder.udiv(cell, ir.Constant(_LONG, HIGH))
            line = builder.urem(cell, ir.Constant(_LONG, HIGH))
            row = regs.offset(given, line)
            dx = builder.fsub(regs.load(regs.offset(ruler, _times(builder, half, WIDE))), number[X])
            slope = regs.multiply_add(number[A], dx, regs.each(regs.at(row, 0)))
            t = regs.multiply_add(slope, dx, regs.each(regs.at(row, HIGH)))
            dy = builder.fsub(regs.broadcast(regs.offset(plumb, line)), number[Y])
            pixels = regs.offset(home, _times(builder, cell, STATE * WIDE))
            _add(regs, sums, _one(regs, t, bound, number, pixels), (dx, dy))
        place = regs.offset(regs.data(out, args[9]), _times(builder, args[10], MOMENTS))
        _write(regs, [builder.load(total) for total in sums], place)
        return context.get_dummy_value()

    index, number = types.intp, types.float32
    wanted = (
        rows, index, edges, index, state, types.uint32, columns, lines, number, out, index,
    )  # fmt: skip
    return types.none(*wanted), emit


def _times(builder: ir.IRBuilder, count: ir.Value, size: int) -> ir.Value:
    return builder.mul(count, ir.Constant(_LONG, size))


def _one(
    regs: _Emitter, t: ir.Value, bound: ir.Value, number: dict[int, ir.Value], cell: ir.Value
) -> tuple[ir.Value, ir.Value, list[ir.Value]]:
    """One Gaussian over a cell's pixels: h, its weights there, the pixels' gradients."""
    build = regs.builder
    places = [regs.offset(cell, ir.Constant(_LONG, WIDE * n)) for n in range(STATE)]
    free = regs.power_of_two(t)
    alpha = regs.least(free, number[OPACITY])
    drawn = build.fcmp_ordered(">=", t, regs.constant(math.log2(LEAST_ALPHA)))
    alpha = build.select(drawn, alpha, regs.zero)
    light = regs.load(places[LIGHT])
    rest = regs.multiply_add(build.fneg(light), alpha, light)
    going = build.fcmp_ordered(">", rest, regs.constant(LEAST_LIGHT))
    sign = ir.Constant(regs.whole, [-0x80000000] * regs.lanes)
    ended = build.bitcast(build.or_(build.bitcast(light, regs.whole), sign), regs.vector)
    regs.store(build.select(going, rest, ended), places[LIGHT])
    alpha = build.select(going, alpha, regs.zero)
    weight = build.fmul(alpha, light)
    gradients = [regs.load(place) for place in places[TO_RED:]]
    shown = build.fmul(gradients[3], number[DEPTH])
    for gradient, name in zip(gradients, (RED, GREEN, BLUE), strict=False):
        shown = regs.multiply_add(gradient, number[name], shown)
    here = build.fmul(weight, shown)
    left = build.fsub(regs.load(places[LEFT]), here)
    regs.store(left, places[LEFT])
    odds = build.fdiv(alpha, build.fsub(regs.constant(1.0), alpha))
    h = regs.multiply_add(build.fneg(left), odds, here)
    h = build.select(build.fcmp_ordered("<=", free, bound), h, regs.zero)
    return h, weight, gradients


def _add(
    regs: _Emitter, sums: list[ir.Value], found: tuple[ir.Value, ir.Value, list[ir.Value]],
    distance: tuple[ir.Value, ir.Value],
) -> None:  # fmt: skip
    """Add a cell to the sums, in the order of MOMENTS."""
    build = regs.builder
    (h, weight, gradients), (dx, dy) = found, distance
    hx, hy = build.fmul(h, dx), build.fmul(h, dy)
    for n, value in ((H, h), (HX, hx), (HY, hy)):
        build.store(build.fadd(build.load(sums[n]), value), sums[n])
    products = [(HXX, hx, dx), (HXY, hx, dy), (HYY, hy, dy)]
    products += [(IN_RED + n, weight, gradient) for n, gradient in enumerate(gradients)]
    for n, a, b in products:
        build.store(regs.multiply_add(a, b, build.load(sums[n])), sums[n])


def _write(regs: _Emitter, vectors: list[ir.Value], place: ir.Value) -> None:
    """Sums over the lanes of each vector, one behind the other."""
    build, width = regs.builder, regs.lanes
    regs.store(regs.sums_over_lanes(vectors[:width]), place)
    a, b = vectors[width:]
    even = [n if not n & 1 else width + n - 1 for n in range(width)]
    odd = [n + 1 if not n & 1 else width + n for n in range(width)]
    total = build.fadd(regs._shuffled(a, b, even), regs._shuffled(a, b, odd))
    for apart in (2, 4):
        moved = regs._shuffled(total, total, [(n + apart) % width for n in range(width)])
        total = build.fadd(total, moved)
    for n in range(2):
        value = build.extract_element(total, ir.Constant(ir.IntType(32), n))
        build.store(value, regs.offset(place, ir.Constant(_LONG, width + n)))
