"""Vectors of neighbouring channels at plain addresses, and the work that threads take in turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.registers import Registers

LANES = 16  # channels in a vector; a processor with narrower ones takes two or four for it
FLOAT = 4  # bytes
_COUNT = ir.IntType(64)
_NUMBER = ir.FloatType()
_global: Any = cgutils.global_constant


def has(feature: str) -> bool:
    """Whether the processor that code is compiled for has a feature, by LLVM's name for it."""
    return bool(binding.get_host_cpu_features().get(feature, False))


class Vectors:
    """Emits instructions on vectors of `LANES` numbers; addresses and steps are in bytes."""

    def __init__(self, context: Any, builder: ir.IRBuilder) -> None:
        self.builder = builder
        self.registers = Registers(context, builder, types.float32)

    def place(self, address: ir.Value, *steps: ir.Value) -> ir.Value:
        """An address and steps from there as a place of a number."""
        for step in steps:
            address = self.builder.add(address, step)
        return self.builder.inttoptr(address, _NUMBER.as_pointer())

    def load(self, address: ir.Value, *steps: ir.Value) -> ir.Value:
        """The vector at an address."""
        return self.registers.load(self.place(address, *steps))

    def count(self, value: int) -> ir.Value:
        """A constant."""
        return ir.Constant(_COUNT, value)

    def times(self, step: ir.Value, count: int) -> ir.Value:
        """So many steps."""
        return self.builder.mul(step, self.count(count))

    def number(self, value: float) -> ir.Value:
        """A constant in all lanes."""
        return ir.Constant(self.registers.vector, [value] * LANES)

    def mix(self, start: ir.Value, *pairs: tuple[float, ir.Value]) -> ir.Value:
        """A vector plus multiples of others."""
        for factor, vector in pairs:
            start = self.registers.multiply_add(self.number(factor), vector, start)
        return start

    def nothing(self) -> ir.Value:
        """Address of a vector of zeros."""
        zeros = ir.Constant(ir.ArrayType(_NUMBER, LANES), [0.0] * LANES)
        place = _global(self.builder, "nothing", zeros)
        return self.builder.ptrtoint(place, _COUNT)

    def largest(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The larger of each two numbers; what is no number wins."""
        name = f"llvm.maximum.v{LANES}f32"
        kind = ir.FunctionType(a.type, [a.type, a.type])
        module: Any = self.builder.module
        call = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(call, [a, b])

    @contextmanager
    def each_step(self, end: ir.Value, width: int) -> Iterator[ir.Value]:
        """A loop from 0 to `end` by `width`."""
        none, step = self.count(0), self.count(width)
        with cgutils.for_range_slice(self.builder, none, end, step, inc=True) as (at, _):
            yield at

    @contextmanager
    def each_vector(self, channels: ir.Value) -> Iterator[ir.Value]:
        """A loop over the channels: the bytes before each vector."""
        with self.each_step(channels, LANES) as at:
            yield self.times(at, FLOAT)


def _taken(typing: Any, address: Any) -> Any:
    """The number at an address, which no other thread gets: there it is one more at once."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], _COUNT.as_pointer())
        return builder.atomic_rmw("add", place, ir.Constant(_COUNT, 1), "acq_rel")

    return types.int64(types.int64), emit


taken: Any = intrinsic(_taken)


def _address_of(typing: Any, pointer: Any) -> Any:
    """The address that a pointer holds."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], _COUNT)

    return types.int64(types.voidptr), emit


address_of: Any = intrinsic(_address_of)
