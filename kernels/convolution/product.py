"""The innermost product: a few places times many channels, with all sums in registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.convolution.vectors import FLOAT, LANES, Vectors, has

# Sixteen sums of 512 bits leave registers for what is multiplied; of 256 bits only twelve fit.
ROWS, PARTS = (4, 4) if has("avx512f") else (6, 1)  # places, and vectors of channels
WIDTH = PARTS * LANES  # channels out


def _multiplying(depth: int) -> Any:
    """Unrolled over `depth` numbers, of which the length of a line has to be a multiple."""

    def build(
        typing: Any, seen: Any, seen_step: Any, line_step: Any, lines: Any, length: Any,
        weights: Any, found: Any, found_step: Any,
    ) -> Any:  # fmt: skip
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            seen, seen_step, line_step, lines, length, weights, found, found_step = args
            vectors = Vectors(context, builder)
            registers = vectors.registers
            sums = [registers.sums(PARTS) for _ in range(ROWS)]

            def multiply(rows: list[ir.Value], at: ir.Value, given: ir.Value, k: int) -> None:
                panel = [vectors.count(FLOAT * (k * WIDTH + p * LANES)) for p in range(PARTS)]
                factors = [vectors.load(given, step) for step in panel]
                for row, places in zip(rows, sums, strict=True):
                    place = vectors.place(row, at, vectors.count(FLOAT * k))
                    number = registers.broadcast(place)
                    for factor, kept in zip(factors, places, strict=True):
                        total = registers.multiply_add(number, factor, builder.load(kept))
                        builder.store(total, kept)

            with vectors.each_step(lines, 1) as line:
                start = builder.add(seen, builder.mul(line, line_step))
                rows = [builder.add(start, vectors.times(seen_step, r)) for r in range(ROWS)]
                behind = vectors.times(builder.mul(line, length), FLOAT * WIDTH)
                panel = builder.add(weights, behind)
                with vectors.each_step(length, depth) as at:
                    given = builder.add(panel, vectors.times(at, FLOAT * WIDTH))
                    for k in range(depth):
                        multiply(rows, vectors.times(at, FLOAT), given, k)
            for r, places in enumerate(sums):
                for p, kept in enumerate(places):
                    step = vectors.count(FLOAT * p * LANES)
                    to = vectors.place(found, vectors.times(found_step, r), step)
                    registers.store(builder.load(kept), to)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 8), emit

    return build


# found[r, o] = the sum over lines and k of seen[r, line, k] weights[line, k, o]
multiply_by_four: Any = intrinsic(_multiplying(4))
multiply_by_seven: Any = intrinsic(_multiplying(7))
