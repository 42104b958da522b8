"""How threads share work out among themselves: who is free takes the next piece."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from drivelab.kernels.registers import Registers


@intrinsic
def next_of(typing: Any, counter: Any) -> Any:
    """What a counter (1,) int64 says, which then says one more; no two threads get the same."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = Registers(context, builder, types.int64).data(counter, args[0])
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), emit
