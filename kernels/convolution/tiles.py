"""Tiles of a map as the values that are multiplied, and products as tiles of a map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.convolution.points import INNER, OUTER, POINTS
from drivelab.kernels.convolution.vectors import Vectors

Line = list[ir.Value]


def _seen(vectors: Vectors, line: Line) -> Line:
    """Six pixels of a line as six values, one for each point."""
    near, far, mix = INNER**2, OUTER**2, vectors.mix
    even_near, odd_near = mix(line[4], (-far, line[2])), mix(line[3], (-far, line[1]))
    even_far, odd_far = mix(line[4], (-near, line[2])), mix(line[3], (-near, line[1]))
    return [
        mix(line[4], (-near - far, line[2]), (near * far, line[0])),
        mix(even_near, (INNER, odd_near)),
        mix(even_near, (-INNER, odd_near)),
        mix(even_far, (OUTER, odd_far)),
        mix(even_far, (-OUTER, odd_far)),
        mix(line[5], (-near - far, line[3]), (near * far, line[1])),
    ]


def _given(vectors: Vectors, line: Line) -> Line:
    """Six products of a line as four pixels."""
    a, b, add, sub = INNER, OUTER, vectors.builder.fadd, vectors.builder.fsub
    even_near, odd_near = add(line[1], line[2]), sub(line[1], line[2])
    even_far, odd_far = add(line[3], line[4]), sub(line[3], line[4])
    scaled = vectors.builder.fmul
    return [
        add(add(line[0], even_near), even_far),
        vectors.mix(scaled(vectors.number(a), odd_near), (b, odd_far)),
        vectors.mix(scaled(vectors.number(a**2), even_near), (b**2, even_far)),
        vectors.mix(line[5], (a**3, odd_near), (b**3, odd_far)),
    ]


def _both_ways(
    vectors: Vectors, rows: list[Line], turn: Callable[[Vectors, Line], Line]
) -> list[Line]:
    """A transform of all columns, then of all rows of what that gave."""
    columns = [turn(vectors, list(column)) for column in zip(*rows, strict=True)]
    return [turn(vectors, list(row)) for row in zip(*columns, strict=True)]


def _looking(whole: bool) -> Any:
    """From a map to `POINTS` x `POINTS` values; where not `whole`, bits tell what is within."""

    def build(
        typing: Any, source: Any, row: Any, column: Any, rows: Any, columns: Any, channels: Any,
        target: Any, step: Any,
    ) -> Any:  # fmt: skip
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            source, row, column, rows, columns, channels, target, step = args
            vectors = Vectors(context, builder)
            nothing = vectors.nothing()

            def within(mask: ir.Value, place: int) -> ir.Value:
                bit = builder.and_(mask, vectors.count(1 << place))
                return builder.icmp_unsigned("!=", bit, vectors.count(0))

            def pixel(i: int, j: int, at: ir.Value) -> ir.Value:
                place = builder.add(vectors.times(row, i), vectors.times(column, j))
                place = builder.add(builder.add(source, place), at)
                if not whole:
                    real = builder.and_(within(rows, i), within(columns, j))
                    place = builder.select(real, place, nothing)
                return vectors.load(place)

            with vectors.each_vector(channels) as at:
                lines = [[pixel(i, j, at) for j in range(POINTS)] for i in range(POINTS)]
                for i, line in enumerate(_both_ways(vectors, lines, _seen)):
                    for j, value in enumerate(line):
                        to = vectors.place(target, vectors.times(step, POINTS * i + j), at)
                        vectors.registers.store(value, to)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 8), emit

    return build


look: Any = intrinsic(_looking(True))
look_at_edge: Any = intrinsic(_looking(False))


def _giving(whole: bool) -> Any:
    """From products to a map; where not `whole`, only some rows and columns are within."""

    def build(
        typing: Any, found: Any, step: Any, bias: Any, floor: Any, channels: Any, target: Any,
        row: Any, column: Any, rows: Any, columns: Any, beside: Any,
    ) -> Any:  # fmt: skip
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found, step, bias, floor, channels, target, row, column, rows, columns, beside = args
            vectors = Vectors(context, builder)
            nothing, least = vectors.nothing(), vectors.registers.broadcast(vectors.place(floor))
            joined = builder.icmp_unsigned("!=", beside, vectors.count(0))

            def product(i: int, j: int, at: ir.Value) -> ir.Value:
                return vectors.load(found, vectors.times(step, POINTS * i + j), at)

            def finish(value: ir.Value, shift: ir.Value) -> None:
                more = builder.select(joined, builder.add(beside, shift), nothing)
                value = builder.fadd(value, vectors.load(more))
                low = builder.fcmp_ordered("<", value, least)  # what is no number stays none
                to = vectors.place(target, shift)
                vectors.registers.store(builder.select(low, least, value), to)

            def finish_within(value: ir.Value, shift: ir.Value, i: int, j: int) -> None:
                real = builder.icmp_signed(">", rows, vectors.count(i))
                also = builder.icmp_signed(">", columns, vectors.count(j))
                with builder.if_then(builder.and_(real, also)):
                    finish(value, shift)

            with vectors.each_vector(channels) as at:
                lines = [[product(i, j, at) for j in range(POINTS)] for i in range(POINTS)]
                constant = vectors.load(bias, at)
                for i, line in enumerate(_both_ways(vectors, lines, _given)):
                    for j, value in enumerate(line):
                        total = builder.fadd(value, constant)
                        shift = builder.add(vectors.times(row, i), vectors.times(column, j))
                        shift = builder.add(shift, at)
                        if whole:
                            finish(total, shift)
                        else:
                            finish_within(total, shift, i, j)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 11), emit

    return build


give: Any = intrinsic(_giving(True))
give_at_edge: Any = intrinsic(_giving(False))
