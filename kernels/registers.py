"""Vectors that stay in processor registers, for the instruction streams that compiled loops emit.

Numba's own loops leave it to the compiler whether running sums live in registers; in a recurrence
over a small matrix that decides about the speed. `Registers` writes the instructions itself: a
vector is 512 bits wide if nothing else is said, and where a processor has narrower ones, LLVM
splits it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BITS = 512
_INDEX = ir.IntType(32)
_COUNT = ir.IntType(64)


class Registers:
    """Emits vector instructions for one element type (float32 or float64)."""

    def __init__(
        self, context: Any, builder: ir.IRBuilder, dtype: Any, *, bits: int = BITS
    ) -> None:
        self.context, self.builder = context, builder
        self.lanes = bits // dtype.bitwidth
        self.vector = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        self._bytes = dtype.bitwidth // 8
        self._suffix = f"v{self.lanes}f{dtype.bitwidth}"

    def data(self, array_type: Any, array: Any) -> ir.Value:
        """Address of an array's first element."""
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def offset(self, address: ir.Value, count: ir.Value) -> ir.Value:
        """Address `count` elements further on."""
        return self.builder.gep(address, [count])

    def broadcast(self, address: ir.Value) -> ir.Value:
        """The element at an address, in all lanes."""
        return self.splat(self.builder.load(address), self.vector)

    def splat(self, value: ir.Value, vector: ir.VectorType) -> ir.Value:
        """A scalar in all lanes."""
        unknown = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(unknown, value, ir.Constant(_INDEX, 0))
        first = ir.Constant(ir.VectorType(_INDEX, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, unknown, first)

    def load(self, address: ir.Value) -> ir.Value:
        """A whole vector."""
        found = self.builder.load(self._wide(address))
        found.align = self._bytes
        return found

    def store(self, value: ir.Value, address: ir.Value) -> None:
        """Write a whole vector."""
        self.builder.store(value, self._wide(address)).align = self._bytes

    def first(self, count: ir.Value) -> ir.Value:
        """Mask of the first `count` lanes."""
        wide = ir.VectorType(_COUNT, self.lanes)
        numbers = ir.Constant(wide, list(range(self.lanes)))
        return self.builder.icmp_signed("<", numbers, self.splat(count, wide))

    def load_where(self, mask: ir.Value, address: ir.Value) -> ir.Value:
        """The lanes of a mask; the others are 0 and their memory is not touched."""
        place = self._wide(address)
        load = self._function(
            f"llvm.masked.load.{self._suffix}.p0{self._suffix}",
            self.vector,
            [place.type, _INDEX, mask.type, self.vector],
        )
        return self.builder.call(load, [place, ir.Constant(_INDEX, self._bytes), mask, self.zero])

    def store_where(self, mask: ir.Value, value: ir.Value, address: ir.Value) -> None:
        """Write the lanes of a mask."""
        place = self._wide(address)
        store = self._function(
            f"llvm.masked.store.{self._suffix}.p0{self._suffix}",
            ir.VoidType(),
            [self.vector, place.type, _INDEX, mask.type],
        )
        self.builder.call(store, [value, place, ir.Constant(_INDEX, self._bytes), mask])

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """A b + c, rounded once."""
        fma = self._function(f"llvm.fma.{self._suffix}", self.vector, [self.vector] * 3)
        return self.builder.call(fma, [a, b, c])

    def sums(self, count: int) -> list[ir.Value]:
        """`count` variables that start at 0."""
        places = [cgutils.alloca_once(self.builder, self.vector) for _ in range(count)]
        for place in places:
            self.builder.store(self.zero, place)
        return places

    def sums_over_lanes(self, vectors: list[ir.Value]) -> ir.Value:
        """A vector of the sums over the lanes of as many vectors as it has lanes.

        Neighbours are joined in one vector of half sums, again and again: three instructions a
        sum.
        """
        apart = 1
        while len(vectors) > 1:
            low = [n if not n & apart else self.lanes + n - apart for n in range(self.lanes)]
            high = [n + apart if not n & apart else self.lanes + n for n in range(self.lanes)]
            vectors = [
                self.builder.fadd(self._shuffled(a, b, low), self._shuffled(a, b, high))
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            apart *= 2
        return vectors[0]

    @contextmanager
    def each_width(self, count: ir.Value) -> Iterator[tuple[ir.Value, ir.Value]]:
        """A loop over `count` elements: where a vector begins, and the mask of what it has."""
        none, width = (ir.Constant(count.type, n) for n in (0, self.lanes))
        with cgutils.for_range_slice(self.builder, none, count, width, inc=True) as (at, _):
            yield at, self.first(self.builder.sub(count, at))

    def _shuffled(self, a: ir.Value, b: ir.Value, places: list[int]) -> ir.Value:
        chosen = ir.Constant(ir.VectorType(_INDEX, self.lanes), places)
        return self.builder.shuffle_vector(a, b, chosen)

    def _wide(self, address: ir.Value) -> ir.Value:
        return self.builder.bitcast(address, self.vector.as_pointer())

    def _function(self, name: str, result: Any, arguments: list[Any]) -> ir.Function:
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, name)


@intrinsic
def fetch(typing: Any, array: Any, place: Any) -> Any:
    """Have an element of a flat array, which may lie behind its end, brought near by the time."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base = context.make_array(array)(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(base, [args[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, _INDEX, _INDEX, _INDEX])
        call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, near, data = (ir.Constant(_INDEX, n) for n in (0, 2, 1))
        builder.call(call, [address, read, near, data])
        return context.get_dummy_value()

    return types.none(array, types.intp), emit
