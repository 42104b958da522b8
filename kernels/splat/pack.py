"""What flattened Gaussians leave of themselves: rows, spans of tiles, colours; eight at a time."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.splat import cells, flatten
from drivelab.kernels.splat.flatten import LANES
from drivelab.kernels.splat.harmonics import basis
from drivelab.kernels.splat.settings import LEAST_ALPHA, WIDEST
from drivelab.kernels.splat.terms import LONG, Lanes, Term
from drivelab.kernels.splat.tiles import TILE

# Numbers of limits: near, far, least radius, least opacity, width, height
LIMITS = 6
_PER_TURN = 2.0 * math.log(2.0)


@intrinsic
def pack(typing: Any, flat: Any, opacity: Any, limits: Any, rows: Any, spans: Any) -> Any:
    """Bits of the lanes of `flat` (GIVEN, LANES) that are on the picture.

    `rows` (LANES, ROW) and `spans` (LANES,) take what the cells and the tiles need: all numbers of
    a row but its colour and label, and the last row, first row, last column and first column of
    tiles, 16 bits each. A box that only touches the edge of the picture is outside.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Lanes(context, builder, types.float64, LANES)
        single = Lanes(context, builder, types.float32, LANES)
        given, opaque, bounds, out, boxes = (
            regs.data(kind, value)
            for kind, value in zip((flat, opacity, limits, rows, spans), args, strict=True)
        )
        terms = [regs.row(given, n) for n in range(flatten.GIVEN)]
        solid = regs.row(opaque, 0)
        least = regs.numbers(bounds, LIMITS)
        row, box, drawn = _packed(regs, terms, solid, least)
        _write_rows(single, [row.get(n) for n in range(cells.ROW)], out)
        left, right, top, bottom = (side.whole() for side in box)
        for side, shift in ((right, 16), (top, 32), (bottom, 48)):
            by = ir.Constant(side.type, [shift] * LANES)
            left = builder.or_(left, builder.shl(side, by))
        place = builder.bitcast(boxes, left.type.as_pointer())
        builder.store(left, place).align = 8
        return regs.bits(drawn)

    return types.uint8(flat, opacity, limits, rows, spans), emit


def _packed(
    regs: Lanes, terms: list[Term], opacity: Term, limits: list[Term]
) -> tuple[dict[int, Term], list[Term], Any]:
    """Numbers of rows, left, right, top and bottom tiles, and the lanes that are drawn."""
    near, far, least_radius, least_opacity, width, height = limits
    u, v, z, sxx, sxy, syy, _, wide, high = terms[:9]
    build, zero, one = regs.builder, regs.constant(0.0), regs.constant(1.0)
    area = sxx * syy - sxy * sxy
    lift = opacity.log2()
    reach = (lift + regs.constant(math.log2(255.0))) * regs.constant(_PER_TURN)
    extent = reach.most(zero).root().least(regs.constant(WIDEST))
    rx, ry = (extent * wide).ceil(), (extent * high).ceil()
    per, per_y = one / area, one / syy
    per = per * regs.constant(cells.HALVED)
    row = {
        cells.X: u, cells.Y: v, cells.DEPTH: z, cells.OPACITY: opacity, cells.LIFT: lift,
        cells.A: syy * per, cells.B: (zero - sxy - sxy) * per, cells.C: sxx * per,
        cells.REACH: reach, cells.PER_A: area * per_y, cells.SKEW: (zero - sxy) * per_y,
        cells.UPRIGHT: per_y,
    }  # fmt: skip
    drawn = build.and_(z >= near, far >= z)
    for test in (
        opacity >= regs.constant(LEAST_ALPHA), opacity >= least_opacity, area > zero,
        rx.most(ry) > least_radius, u + rx > zero, width > u - rx, v + ry > zero, height > v - ry,
    ):  # fmt: skip
        drawn = build.and_(drawn, test)
    tile = regs.constant(1.0 / TILE)
    box = []
    for at, radius, size in ((u, rx, width), (v, ry, height)):
        box.append((((at - radius).most(zero)).least(size) * tile).floor())
        box.append((((at + radius).most(zero)).least(size - one).floor() * tile).floor())
    return row, box, drawn


def _write_rows(single: Lanes, terms: list[Term | None], out: ir.Value) -> None:
    """Vectors of the numbers of a row -> rows, one behind the other; None is 0."""
    vectors = [single.zero if t is None else t.single(single).value for t in terms]
    for half in range(0, cells.ROW, LANES):
        for lane, value in enumerate(single.turned(vectors[half : half + LANES])):
            place = single.offset(out, ir.Constant(LONG, lane * cells.ROW + half))
            single.store(value, place)


@intrinsic
def harmonics(typing: Any, flat: Any, out: Any) -> Any:
    """The 16 harmonics (16, LANES) float32 along the directions of `flat`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double = Lanes(context, builder, types.float64, LANES)
        regs = Lanes(context, builder, types.float32, LANES)
        given, found = double.data(flat, args[0]), regs.data(out, args[1])
        directions = (flatten.DX, flatten.DY, flatten.DZ)
        x, y, z = (double.row(given, n).single(regs) for n in directions)
        for n, value in enumerate(basis(x, y, z, 3)):
            regs.keep(value, found, n)
        return context.get_dummy_value()

    return types.none(flat, out), emit


def _shader(count: int) -> Any:
    """An intrinsic that writes a row and sums up its colour from `count` coefficients, grey if 0.

    Its arguments: coefficients in one row and the place of the first, `harmonics`, rows of `pack`
    and a lane in both, rows (n, ROW) and a place there.
    """

    @intrinsic
    def shade(
        typing: Any, sh: Any, first: Any, values: Any, packed: Any, lane: Any, rows: Any, row: Any
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Lanes(context, builder, types.float32, 4)  # red, green, blue and one to spare
            line = ir.Constant(LONG, cells.ROW)
            given = regs.offset(regs.data(packed, args[3]), builder.mul(args[4], line))
            out = regs.offset(regs.data(rows, args[5]), builder.mul(args[6], line))
            for n in range(cells.RED // 4):
                regs.keep(regs.row(given, n), out, n)
            stored = regs.offset(regs.data(sh, args[0]), args[1])
            own = regs.offset(regs.data(values, args[2]), args[4])
            sums = [regs.constant(0.5), regs.constant(0.0)]
            for n in range(count):
                place = regs.offset(stored, ir.Constant(LONG, 3 * n))
                if n < count - 1:
                    part = Term(regs, regs.load(place))
                else:  # behind the last one there may be nothing
                    colours = ir.Constant(ir.VectorType(ir.IntType(1), 4), [1, 1, 1, 0])
                    part = Term(regs, regs.load_where(colours, place))
                value = Term(regs, regs.broadcast(regs.offset(own, ir.Constant(LONG, LANES * n))))
                sums[n % 2] = sums[n % 2] + part * value
            colour = (sums[0] + sums[1]).most(regs.constant(0.0))
            regs.keep(colour, out, cells.RED // 4)
            return context.get_dummy_value()

        index = types.intp
        return types.none(sh, index, values, packed, index, rows, index), emit

    return shade


shade_0, shade_1, shade_4, shade_9, shade_16 = (_shader(count) for count in (0, 1, 4, 9, 16))
