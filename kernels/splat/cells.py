"""The innermost loops of a picture, in vector registers.

Which cells of a tile a Gaussian touches, and Gaussians laid one behind the other over a cell. A
cell is 8 pixels of one row; a tile has 16 rows of two cells. Cell n of a tile lies in row n % 16,
its first column is 8 (n // 16).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.registers import Registers
from drivelab.kernels.splat.settings import LEAST_ALPHA, LEAST_LIGHT

WIDE, HIGH = 8, 16  # pixels of a cell, rows of a tile
CELLS = 2 * HIGH
STATE = (
    6  # numbers of a pixel: light (negative once it is finished), red, green, blue, depth, label
)
SLACK = 0.01  # px by which rounding may move the edge of a row
# A row of a Gaussian as `project` packs it: place, conic, ..., twice the largest power that is
# drawn, then 1 / a, b / a and c - b^2 / a of the conic
X, Y, A, B, C, OPACITY, RED, GREEN, BLUE, DEPTH, REACH, PER_A, SKEW, UPRIGHT, LABEL = range(15)
ROW = 16  # numbers: one line of a processor's cache
_FLOAT, _INT, _LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_LN2 = (0.693145751953125, 1.428606765330187e-06)


class _Emitter(Registers):
    """Registers of float32 with what a picture needs besides."""

    def __init__(self, context: Any, builder: ir.IRBuilder, lanes: int) -> None:
        super().__init__(context, builder, types.float32, bits=32 * lanes)
        self.whole = ir.VectorType(_INT, self.lanes)

    def constant(self, value: float) -> ir.Constant:
        return ir.Constant(self.vector, [value] * self.lanes)

    def each(self, value: ir.Value) -> ir.Value:
        return self.splat(value, self.vector)

    def at(self, row: ir.Value, place: int) -> ir.Value:
        """A number of a row."""
        return self.builder.load(self.builder.gep(row, [ir.Constant(_LONG, place)]))

    def counting(self, first: float) -> ir.Constant:
        """First, first + 1, ... over the lanes."""
        return ir.Constant(self.vector, [first + n for n in range(self.lanes)])

    def unary(self, name: str, value: ir.Value) -> ir.Value:
        call = self._function(f"llvm.{name}.{self._suffix}", self.vector, [self.vector])
        return self.builder.call(call, [value])

    def least(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def most(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def falling_exponential(self, x: ir.Value) -> ir.Value:
        """e^-x for x from -1 to 80; beyond 80 as at 80.

        As `kernels.exponential`, without its ends, which no power that is drawn comes near.
        """
        build = self.builder
        x = self.least(x, self.constant(80.0))
        magic = self.constant(1.5 * 2.0**23)
        total = self.multiply_add(x, self.constant(-1.4426950408889634), magic)
        n = build.fsub(total, magic)
        rest = self.multiply_add(n, self.constant(-_LN2[0]), build.fsub(self.zero, x))
        rest = self.multiply_add(n, self.constant(-_LN2[1]), rest)
        series = self.constant(1 / 720)
        for over in (120, 24, 6, 2, 1, 1):
            series = self.multiply_add(series, rest, self.constant(1 / over))
        shift = ir.Constant(self.whole, [23] * self.lanes)
        bias = ir.Constant(self.whole, [127 << 23] * self.lanes)
        power = build.add(build.shl(build.bitcast(total, self.whole), shift), bias)
        return build.fmul(series, build.bitcast(power, self.vector))


@intrinsic
def touched(typing: Any, rows: Any, row: Any, left: Any, top: Any) -> Any:
    """Bits of the cells of the tile at (left, top) [px] that a Gaussian's drawn part touches.

    In row y the drawn part is as wide as 2 sqrt((2 p - (c - b^2/a) dy^2) / a) about u - b/a dy.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = _Emitter(context, builder, HIGH)
        place = builder.mul(args[1], ir.Constant(_LONG, ROW))
        splat = regs.offset(regs.data(rows, args[0]), place)
        number = {name: regs.each(regs.at(splat, at)) for name, at in _EDGE.items()}
        dy = builder.fsub(builder.fadd(regs.each(args[3]), regs.counting(0.5)), number["y"])
        spare = builder.fsub(number["reach"], builder.fmul(builder.fmul(number["upright"], dy), dy))
        inside = builder.fcmp_ordered(">=", spare, regs.constant(-SLACK))
        spare = builder.fmul(regs.most(spare, regs.zero), number["per_a"])
        wide = builder.fadd(regs.unary("sqrt", spare), regs.constant(16 * SLACK))
        middle = builder.fsub(number["x"], builder.fmul(number["skew"], dy))
        begin, end = builder.fsub(middle, wide), builder.fadd(middle, wide)
        found = ir.Constant(_INT, 0)
        for half in range(2):
            edge = builder.fadd(args[2], ir.Constant(_FLOAT, float(WIDE * half)))
            right = builder.fadd(edge, ir.Constant(_FLOAT, float(WIDE)))
            meets = builder.and_(
                builder.fcmp_ordered(">=", end, regs.each(edge)),
                builder.fcmp_ordered("<=", begin, regs.each(right)),
            )
            bits = builder.bitcast(builder.and_(meets, inside), ir.IntType(HIGH))
            bits = builder.shl(builder.zext(bits, _INT), ir.Constant(_INT, HIGH * half))
            found = builder.or_(found, bits)
        return found

    return types.uint32(rows, types.intp, types.float32, types.float32), emit


_EDGE = {"x": X, "y": Y, "reach": REACH, "per_a": PER_A, "skew": SKEW, "upright": UPRIGHT}


def _layer(labels: bool) -> Any:
    """An intrinsic that lays Gaussians over a cell.

    With `labels` it also keeps the label of the one behind which no more than half of the light is
    left.
    """

    @intrinsic
    def lay(
        typing: Any, rows: Any, members: Any, first: Any, count: Any, state: Any, cell: Any,
        x: Any, y: Any, most: Any,
    ) -> Any:  # fmt: skip
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = _Emitter(context, builder, WIDE)
            base, list_ = regs.data(rows, args[0]), regs.data(members, args[1])
            size = ir.Constant(_LONG, STATE * WIDE)
            home = regs.offset(regs.data(state, args[4]), builder.mul(args[5], size))
            places = [
                regs.offset(home, ir.Constant(_LONG, WIDE * n))
                for n in range(STATE if labels else STATE - 1)
            ]
            sums = regs.sums(len(places))
            for sum_, place in zip(sums, places, strict=True):
                builder.store(regs.load(place), sum_)
            columns = builder.fadd(regs.each(args[6]), regs.counting(0.5))
            row_y = builder.fadd(args[7], ir.Constant(_FLOAT, 0.5))
            with cgutils.for_range(builder, args[3]) as loop:
                at = builder.load(regs.offset(list_, builder.add(args[2], loop.index)))
                at = builder.mul(builder.zext(at, _LONG), ir.Constant(_LONG, ROW))
                _one(regs, regs.offset(base, at), columns, row_y, args[8], sums)
            for sum_, place in zip(sums, places, strict=True):
                regs.store(builder.load(sum_), place)
            light = builder.load(sums[0])
            open_ = builder.fcmp_ordered(">", light, regs.zero)
            return builder.bitcast(open_, ir.IntType(WIDE))

        index, number = types.intp, types.float32
        return types.uint8(rows, members, index, index, state, index, number, number, number), emit

    return lay


def _one(
    regs: _Emitter, splat: ir.Value, columns: ir.Value, y: ir.Value, most: ir.Value, sums: list[Any]
) -> None:
    """One Gaussian over the pixels of a cell."""
    build = regs.builder
    half = ir.Constant(_FLOAT, 0.5)
    dy = build.fsub(y, regs.at(splat, Y))
    mixed = build.fmul(regs.at(splat, B), dy)
    fixed = build.fmul(build.fmul(build.fmul(half, regs.at(splat, C)), dy), dy)
    straight = build.fmul(half, regs.at(splat, A))
    dx = build.fsub(columns, regs.each(regs.at(splat, X)))
    slope = regs.multiply_add(regs.each(straight), dx, regs.each(mixed))
    power = regs.multiply_add(slope, dx, regs.each(fixed))
    alpha = build.fmul(regs.each(regs.at(splat, OPACITY)), regs.falling_exponential(power))
    alpha = regs.least(alpha, regs.each(most))
    drawn = build.and_(
        build.fcmp_ordered(">=", alpha, regs.constant(LEAST_ALPHA)),
        build.fcmp_ordered(">=", power, regs.zero),
    )
    alpha = build.select(drawn, alpha, regs.zero)
    light = build.load(sums[0])
    rest = build.fmul(light, build.fsub(regs.constant(1.0), alpha))
    # A finished pixel's light is negative, and so is its rest.
    going = build.fcmp_ordered(">", rest, regs.constant(LEAST_LIGHT))
    weight = build.select(going, build.fmul(alpha, light), regs.zero)
    sign = ir.Constant(regs.whole, [-0x80000000] * regs.lanes)
    ended = build.bitcast(build.or_(build.bitcast(light, regs.whole), sign), regs.vector)
    build.store(build.select(going, rest, ended), sums[0])
    for sum_, place in zip(sums[1:5], (RED, GREEN, BLUE, DEPTH), strict=True):
        value = regs.each(regs.at(splat, place))
        build.store(regs.multiply_add(weight, value, build.load(sum_)), sum_)
    if len(sums) == STATE:
        middle = regs.constant(0.5)
        before = build.fcmp_ordered(">", light, middle)
        passes = build.and_(build.and_(before, build.fcmp_ordered("<=", rest, middle)), drawn)
        label = regs.each(regs.at(splat, LABEL))
        build.store(build.select(passes, label, build.load(sums[5])), sums[5])


lay_colours = _layer(labels=False)
lay_labels = _layer(labels=True)


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Number of the lowest bit that is set; of no use for 0."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(place, _LONG)

    return types.intp(types.uint32), emit
