"""Gradient of the gates from those of queries and keys, along the walk's way back.

dg_t is the sum of dq q - dk k over the tokens from t to the end of the walk: no state is needed,
and nothing is divided by a decay. The sum runs in float64; `gated_head` begins it afresh from the
states now and then, because the terms are rounded to float32 and cancel.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.registers import Registers

_DOUBLE = ir.DoubleType()


def _gather(per_key: bool) -> Any:
    """An intrinsic over `tokens` tokens, last one first.

    Its arrays are q, k, dq, dk of this scan, dg, the gradients of q and k to add to, and the sums
    so far, of each key or one; `first` and `step` are those of the first seven; `add` is whether to
    add.
    """

    @intrinsic
    def gather(
        typing: Any, q: Any, k: Any, dq: Any, dk: Any, dg: Any, to_q: Any, to_k: Any, total: Any,
        tokens: Any, keys: Any, first: Any, step: Any, add: Any,
    ) -> Any:  # fmt: skip
        arrays = (q, k, dq, dk, dg, to_q, to_k, total)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Registers(context, builder, q.dtype)
            wide = ir.VectorType(_DOUBLE, regs.lanes)
            base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
            tokens, keys, first, step, add = args[8:]
            begin, stride = (cgutils.unpack_tuple(builder, pack, 7) for pack in (first, step))
            sum_ = cgutils.alloca_once(builder, wide)
            none = ir.Constant(tokens.type, 0)

            def place(stream: int, token: Any, key: Any) -> Any:
                along = builder.mul(token, stride[stream])
                return regs.offset(
                    base[stream], builder.add(begin[stream], builder.add(along, key))
                )

            def turn(token: Any, key: Any, mask: Any) -> Any:
                """Dq q - dk k of a register's width of keys; passes dq and dk on."""
                one = [regs.load_where(mask, place(i, token, key)) for i in range(4)]
                with builder.if_then(add):
                    for i, grad in ((5, one[2]), (6, one[3])):
                        spot = place(i, token, key)
                        regs.store_where(
                            mask, builder.fadd(regs.load_where(mask, spot), grad), spot
                        )
                gone = builder.fmul(one[3], one[1])
                found = builder.fsub(builder.fmul(one[2], one[0]), gone)
                return builder.fpext(found, wide) if q.dtype == types.float32 else found

            def each_token() -> Any:
                return cgutils.for_range(builder, tokens)

            if per_key:
                with regs.each_width(keys) as (key, mask):
                    spot = builder.bitcast(regs.offset(base[7], key), wide.as_pointer())
                    now = builder.load(spot)
                    now.align = 8
                    builder.store(now, sum_)
                    with each_token() as loop:
                        more = builder.fadd(builder.load(sum_), turn(loop.index, key, mask))
                        builder.store(more, sum_)
                        short = more
                        if q.dtype == types.float32:
                            short = builder.fptrunc(more, regs.vector)
                        regs.store_where(mask, short, place(4, loop.index, key))
                    builder.store(builder.load(sum_), spot).align = 8
            else:
                kind = ir.FunctionType(_DOUBLE, [_DOUBLE, wide])
                name = f"llvm.vector.reduce.fadd.v{regs.lanes}f64"
                reduce = cgutils.get_or_insert_function(builder.module, kind, name)
                with each_token() as loop:
                    builder.store(ir.Constant(wide, [0.0] * regs.lanes), sum_)
                    with regs.each_width(keys) as (key, mask):
                        more = builder.fadd(builder.load(sum_), turn(loop.index, key, mask))
                        builder.store(more, sum_)
                    given = [builder.load(base[7]), builder.load(sum_)]
                    after = builder.call(reduce, given, fastmath=["reassoc"])
                    builder.store(after, base[7])
                    short = after
                    if q.dtype == types.float32:
                        short = builder.fptrunc(after, ir.FloatType())
                    builder.store(short, place(4, loop.index, none))
            return context.get_dummy_value()

        seven = types.UniTuple(types.intp, 7)
        return types.none(*arrays, types.intp, types.intp, seven, seven, types.boolean), emit

    return gather


gather_per_key = _gather(per_key=True)
gather_per_token = _gather(per_key=False)
