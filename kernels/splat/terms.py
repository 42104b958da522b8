"""Vectors that formulas can be written with, for the loops over Gaussians."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from drivelab.kernels.registers import Registers

LONG = ir.IntType(64)


class Lanes(Registers):
    """Registers of float32 or float64 whose contents are `Term`s."""

    def __init__(self, context: Any, builder: ir.IRBuilder, dtype: Any, lanes: int) -> None:
        super().__init__(context, builder, dtype, bits=dtype.bitwidth * lanes)
        self.dtype = dtype

    def constant(self, value: float) -> Term:
        """A number in all lanes."""
        return Term(self, ir.Constant(self.vector, [value] * self.lanes))

    def row(self, address: ir.Value, n: int) -> Term:
        """The n-th vector from an address on."""
        return Term(self, self.load(self.offset(address, ir.Constant(LONG, self.lanes * n))))

    def keep(self, term: Term, address: ir.Value, n: int) -> None:
        """Write the n-th vector from an address on."""
        self.store(term.value, self.offset(address, ir.Constant(LONG, self.lanes * n)))

    def numbers(self, address: ir.Value, count: int) -> list[Term]:
        """So many numbers from an address on, each in all lanes."""
        places = [self.offset(address, ir.Constant(LONG, n)) for n in range(count)]
        return [Term(self, self.broadcast(place)) for place in places]

    def thirds(self, address: ir.Value) -> list[Term]:
        """Of as many points x, y, z as there are lanes: all x, all y, all z."""
        width = self.lanes
        first, second, third = (self.row(address, n).value for n in range(3))
        found = []
        for n in range(3):
            wanted = [3 * lane + n for lane in range(width)]
            early = self._places([at if at < 2 * width else 0 for at in wanted])
            value = self.builder.shuffle_vector(first, second, early)
            late = [lane if at < 2 * width else at - width for lane, at in enumerate(wanted)]
            found.append(Term(self, self.builder.shuffle_vector(value, third, self._places(late))))
        return found

    def turned(self, vectors: list[ir.Value]) -> list[ir.Value]:
        """As many vectors as there are lanes, lanes and vectors exchanged."""
        apart = 1
        while apart < self.lanes:
            low = [n if not n & apart else self.lanes + n - apart for n in range(self.lanes)]
            high = [n + apart if not n & apart else self.lanes + n for n in range(self.lanes)]
            given, vectors = vectors, list(vectors)
            for n in range(self.lanes):
                if not n & apart:
                    a, b = given[n], given[n + apart]
                    vectors[n] = self.builder.shuffle_vector(a, b, self._places(low))
                    vectors[n + apart] = self.builder.shuffle_vector(a, b, self._places(high))
            apart *= 2
        return vectors

    def bits(self, mask: ir.Value) -> ir.Value:
        """A mask as a whole number, the first lane in the lowest bit."""
        return self.builder.bitcast(mask, ir.IntType(self.lanes))

    @staticmethod
    def _places(places: Any) -> ir.Constant:
        chosen = list(places)
        return ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), chosen)


class Term:
    """A vector in a formula."""

    def __init__(self, regs: Lanes, value: ir.Value) -> None:
        self.regs, self.value = regs, value

    def __add__(self, other: Term) -> Term:
        return self._of(self.regs.builder.fadd(self.value, other.value, flags=("contract",)))

    def __sub__(self, other: Term) -> Term:
        return self._of(self.regs.builder.fsub(self.value, other.value, flags=("contract",)))

    def __mul__(self, other: Term) -> Term:
        return self._of(self.regs.builder.fmul(self.value, other.value, flags=("contract",)))

    def __truediv__(self, other: Term) -> Term:
        return self._of(self.regs.builder.fdiv(self.value, other.value))

    def __radd__(self, other: float) -> Term:
        return self.regs.constant(other) + self

    def __rmul__(self, other: float) -> Term:
        return self.regs.constant(other) * self

    def __gt__(self, other: Term) -> ir.Value:
        return self.regs.builder.fcmp_ordered(">", self.value, other.value)

    def __ge__(self, other: Term) -> ir.Value:
        return self.regs.builder.fcmp_ordered(">=", self.value, other.value)

    def least(self, other: Term) -> Term:
        """The smaller one, the other one where this is no number."""
        return self.where(other > self, other)

    def most(self, other: Term) -> Term:
        """The larger one, the other one where this is no number."""
        return self.where(self > other, other)

    def where(self, mask: ir.Value, other: Term) -> Term:
        """This one in the lanes of a mask, else the other."""
        return self._of(self.regs.builder.select(mask, self.value, other.value))

    def root(self) -> Term:
        """Its square root."""
        return self._called("sqrt")

    def size(self) -> Term:
        """Without its sign."""
        return self._called("fabs")

    def floor(self) -> Term:
        """The whole number below."""
        return self._called("floor")

    def ceil(self) -> Term:
        """The whole number above."""
        return self._called("ceil")

    def whole(self) -> ir.Value:
        """As whole numbers of 64 bits."""
        return self.regs.builder.fptosi(self.value, ir.VectorType(LONG, self.regs.lanes))

    def single(self, regs: Lanes) -> Term:
        """A float64 as a float32."""
        return Term(regs, self.regs.builder.fptrunc(self.value, regs.vector))

    def log2(self) -> Term:
        """The logarithm to the base of 2 of a float64 above 0, within 1e-9.

        The number is 2^n m with m from 0.7 to 1.4, and log m = 2 artanh((m - 1) / (m + 1)).
        """
        regs, build = self.regs, self.regs.builder
        whole = ir.VectorType(LONG, regs.lanes)
        every = lambda n: ir.Constant(whole, [n] * regs.lanes)  # noqa: E731
        bits = build.sub(build.bitcast(self.value, whole), every(0x3FE6A09E667F3BCD))
        times = build.ashr(bits, every(52))
        rest = build.add(build.and_(bits, every((1 << 52) - 1)), every(0x3FE6A09E667F3BCD))
        m = self._of(build.bitcast(rest, regs.vector))
        one = regs.constant(1.0)
        s = (m - one) / (m + one)
        square = s * s
        series = regs.constant(1 / 9)
        for below in (7, 5, 3, 1):
            series = series * square + regs.constant(1 / below)
        exponent = self._of(build.sitofp(times, regs.vector))
        return s * series * regs.constant(2.8853900817779268) + exponent

    def _called(self, name: str) -> Term:
        regs = self.regs
        bits = 32 if regs.dtype is types.float32 else 64
        kind = ir.FunctionType(regs.vector, [regs.vector])
        name = f"llvm.{name}.v{regs.lanes}f{bits}"
        call = cgutils.get_or_insert_function(regs.builder.module, kind, name)
        return self._of(regs.builder.call(call, [self.value]))

    def _of(self, value: ir.Value) -> Term:
        return Term(self.regs, value)
