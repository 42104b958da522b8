"""The exponential function as plain arithmetic, so that a compiler can do it in vector registers.

e^x = 2^n e^r with n the whole number nearest to x / ln 2, and e^r by its series: off by at most 2
units in the last place. Below the normal numbers the result is 0; NaN stays NaN.
"""

from __future__ import annotations

from math import factorial
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_PER_LN2 = 1.4426950408889634


class _Format(NamedTuple):
    bits: int  # of a number
    fraction: int  # bits of its fraction
    bias: int  # of its exponent
    ln2: tuple[float, float]  # in a part of few bits and the rest
    terms: int  # of the series
    least: float  # below it the result is 0
    most: float  # above it the result is infinite


_FORMATS = {
    "float": _Format(32, 23, 127, (0.693145751953125, 1.428606765330187e-06), 7, -87.33, 88.37),
    "double": _Format(
        64, 52, 1023, (0.6931471803691238, 1.9082149292705877e-10), 13, -708.39, 709.43
    ),
}


def emit_exponential(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """e^x of a number or of a vector, float32 or float64."""
    lanes = x.type.count if isinstance(x.type, ir.VectorType) else 0
    element = x.type.element if lanes else x.type
    form = _FORMATS[str(element)]
    whole: ir.Type = ir.IntType(form.bits)
    whole = ir.VectorType(whole, lanes) if lanes else whole

    def constant(kind: ir.Type, value: float) -> ir.Constant:
        return ir.Constant(kind, [value] * lanes if lanes else value)

    def multiply_add(a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        name = f"llvm.fma.{f'v{lanes}' if lanes else ''}f{form.bits}"
        kind = ir.FunctionType(x.type, [x.type] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])

    # Adding 3 * 2^(fraction - 1) leaves the nearest whole number in the lowest bits of the sum.
    magic = constant(x.type, 1.5 * 2.0**form.fraction)
    sum_ = multiply_add(x, constant(x.type, _PER_LN2), magic)
    n = builder.fsub(sum_, magic)
    rest = multiply_add(n, constant(x.type, -form.ln2[0]), x)
    rest = multiply_add(n, constant(x.type, -form.ln2[1]), rest)
    series = constant(x.type, 1 / factorial(form.terms))
    for term in range(form.terms - 1, -1, -1):
        series = multiply_add(series, rest, constant(x.type, 1 / factorial(term)))
    exponent = builder.shl(builder.bitcast(sum_, whole), constant(whole, form.fraction))
    power = builder.bitcast(
        builder.add(exponent, constant(whole, form.bias << form.fraction)), x.type
    )
    found = builder.fmul(series, power)
    below = builder.fcmp_ordered("<", x, constant(x.type, form.least))
    above = builder.fcmp_ordered(">", x, constant(x.type, form.most))
    found = builder.select(below, constant(x.type, 0.0), found)
    return builder.select(above, constant(x.type, float("inf")), found)


@intrinsic
def exponential(typing: Any, x: Any) -> Any:
    """e^x of a number, in loops that are to be vectorised."""
    if not isinstance(x, types.Float):
        return None

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit_exponential(builder, args[0])

    return x(x), emit
