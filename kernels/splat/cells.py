"""The innermost loops of a picture, in vector registers.

Which cells of a tile a Gaussian touches, and a Gaussian laid over them. A cell is 8 pixels of one
row; a tile has 16 rows of two cells. Cell n of a tile lies in row n % 16, its first column is
8 (n // 16).

A Gaussian's share of a pixel is 2^t with t = lift + (a dx + b dy) dx + c dy^2, so that its opacity
and the base of the exponential cost nothing at a pixel; what depends on dy alone is worked out for
the 16 rows of a tile at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.registers import Registers
from drivelab.kernels.splat.settings import LEAST_ALPHA, LEAST_LIGHT

WIDE, HIGH = 8, 16  # pixels of a cell, rows of a tile
CELLS = 2 * HIGH
STATE = (
    6  # numbers of a pixel: light (negative once it is finished), red, green, blue, depth, label
)
SLACK = 0.01  # px by which rounding may move the edge of a row
# A row of a Gaussian as `pack` leaves it: place, conic by HALVED, HALVED * 2 and HALVED, opacity,
# depth, twice the largest power that is drawn, then 1 / a, b / a and c - b^2 / a of the conic, the
# logarithm to the base of 2 of its opacity, colour, label
(
    X, Y, A, B, C, OPACITY, DEPTH, REACH, PER_A, SKEW, UPRIGHT, LIFT, RED, GREEN, BLUE, LABEL,
) = range(16)  # fmt: skip
ROW = 16  # numbers: one line of a processor's cache
HALVED = -0.5 * math.log2(math.e)
EDGES = 2 * HIGH  # numbers that `touched` leaves behind for `lay_colours`
_FLOAT, _INT, _LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_MAGIC = 1.5 * 2.0**23  # added to a float32, it leaves a whole number in the lowest bits
# Of r, for 2^r within 1.5e-7 for r from -1/2 to 1/2
_POWERS = (1.0, 0.69314696823, 0.240221143378, 0.055507095981, 0.009675757641, 0.00132779389)


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

    def power_of_two(self, t: ir.Value) -> ir.Value:
        """2^t for t from -120 to 120; of no use beyond."""
        build = self.builder
        magic = self.constant(_MAGIC)
        total = build.fadd(t, magic)
        rest = build.fsub(t, build.fsub(total, magic))
        series = self.constant(_POWERS[-1])
        for factor in _POWERS[-2::-1]:
            series = self.multiply_add(series, rest, self.constant(factor))
        shift = ir.Constant(self.whole, [23] * self.lanes)
        times = build.shl(build.bitcast(total, self.whole), shift)
        return build.bitcast(build.add(build.bitcast(series, self.whole), times), self.vector)


@intrinsic
def touched(typing: Any, rows: Any, row: Any, left: Any, top: Any, edges: Any, slot: Any) -> Any:
    """Bits of the cells of the tile at (left, top) [px] that a Gaussian's drawn part touches.

    In row y the drawn part is as wide as 2 sqrt((2 p - (c - b^2/a) dy^2) / a) about u - b/a dy.
    Slot `slot` of `edges` (n, EDGES) takes b dy and lift + c dy^2 of every row of the tile.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = _Emitter(context, builder, HIGH)
        place = builder.mul(args[1], ir.Constant(_LONG, ROW))
        splat = regs.offset(regs.data(rows, args[0]), place)
        number = {name: regs.each(regs.at(splat, at)) for name, at in _EDGE.items()}
        dy = builder.fsub(builder.fadd(regs.each(args[3]), regs.counting(0.5)), number["y"])
        left_over = regs.offset(
            regs.data(edges, args[4]), builder.mul(args[5], ir.Constant(_LONG, EDGES))
        )
        regs.store(builder.fmul(number["b"], dy), left_over)
        base = regs.multiply_add(builder.fmul(number["c"], dy), dy, number["lift"])
        regs.store(base, regs.offset(left_over, ir.Constant(_LONG, HIGH)))
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

    number, index = types.float32, types.intp
    return types.uint32(rows, index, number, number, edges, index), emit


_EDGE = {
    "x": X, "y": Y, "b": B, "c": C, "lift": LIFT, "reach": REACH, "per_a": PER_A, "skew": SKEW,
    "upright": UPRIGHT,
}  # fmt: skip


def _layer(labels: bool) -> Any:
    """An intrinsic that lays a Gaussian over cells.

    Its arguments: rows (n, ROW) and a place there, edges (m, EDGES) and a slot there, the state
    (CELLS, STATE, WIDE) of the tile, bits of its cells, x of its columns (2 WIDE,) [px], and what a
    Gaussian covers at most. With `labels` it also keeps the label of the one behind which no more
    than half of the light is left.
    """

    @intrinsic
    def lay(
        typing: Any, rows: Any, place: Any, edges: Any, slot: Any, state: Any, cells: Any,
        columns: Any, most: Any,
    ) -> Any:  # fmt: skip
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = _Emitter(context, builder, WIDE)
            at = builder.mul(args[1], ir.Constant(_LONG, ROW))
            splat = regs.offset(regs.data(rows, args[0]), at)
            at = builder.mul(args[3], ir.Constant(_LONG, EDGES))
            given = regs.offset(regs.data(edges, args[2]), at)
            ruler, home = regs.data(columns, args[6]), regs.data(state, args[4])
            names = (X, A, OPACITY, RED, GREEN, BLUE, DEPTH, *((LABEL,) if labels else ()))
            number = {name: regs.each(regs.at(splat, name)) for name in names}
            number[OPACITY] = regs.least(number[OPACITY], regs.each(args[7]))
            with _each_bit(builder, args[5]) as cell:
                half = builder.udiv(cell, ir.Constant(_LONG, HIGH))
                here = regs.offset(ruler, builder.mul(half, ir.Constant(_LONG, WIDE)))
                row = regs.offset(given, builder.urem(cell, ir.Constant(_LONG, HIGH)))
                dx = builder.fsub(regs.load(here), number[X])
                slope = regs.multiply_add(number[A], dx, regs.each(regs.at(row, 0)))
                t = regs.multiply_add(slope, dx, regs.each(regs.at(row, HIGH)))
                cell = builder.mul(cell, ir.Constant(_LONG, STATE * WIDE))
                _one(regs, t, number, regs.offset(home, cell))
            return context.get_dummy_value()

        index, number = types.intp, types.float32
        wanted = (rows, index, edges, index, state, types.uint32, columns, number)
        return types.none(*wanted), emit

    return lay


@contextmanager
def _each_bit(builder: ir.IRBuilder, bits: ir.Value) -> Iterator[ir.Value]:
    """A loop over the numbers of the bits that are set, of which there must be one."""
    before = builder.block
    body, after = builder.append_basic_block("cell"), builder.append_basic_block("cells.end")
    builder.branch(body)
    builder.position_at_end(body)
    left = builder.phi(_INT)
    left.add_incoming(bits, before)
    lowest = builder.cttz(left, ir.Constant(ir.IntType(1), 1))
    yield builder.zext(lowest, _LONG)
    fewer = builder.and_(left, builder.sub(left, ir.Constant(_INT, 1)))
    left.add_incoming(fewer, builder.block)
    more = builder.icmp_unsigned("!=", fewer, ir.Constant(_INT, 0))
    builder.cbranch(more, body, after)
    builder.position_at_end(after)


def _one(regs: _Emitter, t: ir.Value, number: dict[int, ir.Value], cell: ir.Value) -> None:
    """One Gaussian over the pixels of a cell, given t and the numbers of its row."""
    build = regs.builder
    places = [regs.offset(cell, ir.Constant(_LONG, WIDE * n)) for n in range(STATE)]
    # Rounding may lift t above the opacity's, where a Gaussian is thin and its middle far away.
    alpha = regs.least(regs.power_of_two(t), number[OPACITY])
    drawn = build.fcmp_ordered(">=", t, regs.constant(math.log2(LEAST_ALPHA)))
    alpha = build.select(drawn, alpha, regs.zero)
    light = regs.load(places[0])
    rest = regs.multiply_add(build.fneg(light), alpha, light)
    # A finished pixel's light is negative, and so is its rest.
    going = build.fcmp_ordered(">", rest, regs.constant(LEAST_LIGHT))
    weight = build.select(going, build.fmul(alpha, light), regs.zero)
    sign = ir.Constant(regs.whole, [-0x80000000] * regs.lanes)
    ended = build.bitcast(build.or_(build.bitcast(light, regs.whole), sign), regs.vector)
    regs.store(build.select(going, rest, ended), places[0])
    for place, name in zip(places[1:5], (RED, GREEN, BLUE, DEPTH), strict=True):
        regs.store(regs.multiply_add(weight, number[name], regs.load(place)), place)
    if LABEL in number:
        middle = regs.constant(0.5)
        before = build.fcmp_ordered(">", light, middle)
        passes = build.and_(build.and_(before, build.fcmp_ordered("<=", rest, middle)), drawn)
        regs.store(build.select(passes, number[LABEL], regs.load(places[5])), places[5])


lay_colours = _layer(labels=False)
lay_labels = _layer(labels=True)


@intrinsic
def unfinished(typing: Any, state: Any, cell: Any) -> Any:
    """Bits of the pixels of a cell through which more light may come."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = _Emitter(context, builder, WIDE)
        at = builder.mul(args[1], ir.Constant(_LONG, STATE * WIDE))
        light = regs.load(regs.offset(regs.data(state, args[0]), at))
        open_ = builder.fcmp_ordered(">", light, regs.zero)
        return builder.bitcast(open_, ir.IntType(WIDE))

    return types.uint8(state, types.intp), emit


@intrinsic
def show(
    typing: Any, state: Any, cell: Any, back: Any, pixel: Any, rgb: Any, depth: Any, cover: Any
) -> Any:
    """Write a whole cell into flat pictures from a pixel on, before (3,) colours behind it all."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = _Emitter(context, builder, WIDE)
        home = builder.mul(args[1], ir.Constant(_LONG, STATE * WIDE))
        home = regs.offset(regs.data(state, args[0]), home)
        place = regs.data(back, args[2])
        light, red, green, blue, far = (
            regs.load(regs.offset(home, ir.Constant(_LONG, WIDE * n))) for n in range(5)
        )
        light = regs.unary("fabs", light)
        behind = [regs.broadcast(regs.offset(place, ir.Constant(_LONG, n))) for n in range(3)]
        colours = [
            builder.fadd(mine, builder.fmul(light, other))
            for mine, other in zip((red, green, blue), behind, strict=True)
        ]
        home = regs.data(rgb, args[4])
        for n in range(3):
            at = builder.add(
                builder.mul(args[3], ir.Constant(_LONG, 3)), ir.Constant(_LONG, WIDE * n)
            )
            regs.store(_interleaved(regs, colours, n), regs.offset(home, at))
        regs.store(far, regs.offset(regs.data(depth, args[5]), args[3]))
        rest = builder.fsub(regs.constant(1.0), light)
        regs.store(rest, regs.offset(regs.data(cover, args[6]), args[3]))
        return context.get_dummy_value()

    index = types.intp
    return types.none(state, index, back, index, rgb, depth, cover), emit


def _interleaved(regs: _Emitter, colours: list[ir.Value], part: int) -> ir.Value:
    """Part of red, green, blue, red, ... of the pixels of a cell."""
    wanted = [WIDE * part + lane for lane in range(WIDE)]
    kind = ir.VectorType(_INT, WIDE)
    early = [at // 3 + WIDE * (at % 3) if at % 3 < 2 else 0 for at in wanted]
    first = regs.builder.shuffle_vector(colours[0], colours[1], ir.Constant(kind, early))
    late = [lane if at % 3 < 2 else WIDE + at // 3 for lane, at in enumerate(wanted)]
    return regs.builder.shuffle_vector(first, colours[2], ir.Constant(kind, late))
