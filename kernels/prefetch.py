"""To ask memory for an element before it is read."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_READ, _KEEP, _DATA = 0, 3, 1  # what for, how near to the processor, and not instructions


@intrinsic
def prefetch(typingcontext: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of `array.ravel()[index]`, of an array without gaps, and go on.

    Nothing is read that the program sees, so that no index is wrong.
    """

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        at = builder.gep(data, [context.cast(builder, given[1], signature.args[1], types.intp)])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        told = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        call = cgutils.get_or_insert_function(builder.module, told, "llvm.prefetch.p0")
        how = [ir.Constant(number, value) for value in (_READ, _KEEP, _DATA)]
        builder.call(call, [builder.bitcast(at, byte), *how])
        return context.get_dummy_value()

    return types.void(array, index), emit
