"""The recurrence with one gate a head on the CPU: the recurrence itself, compiled, head by head."""

from __future__ import annotations

from numba import njit

from drivelab.kernels.sequence.gated_head import (
    backward_scalar_gate,
    five,
    forward_scalar_gate,
    four,
)
from drivelab.kernels.sequence.one_way import OneWay


@njit(cache=True, nogil=True)
def _forward(first, last, tokens, streams, places, step, start, final, scale, against):  # type: ignore[no-untyped-def]
    for n in range(first, last):
        forward_scalar_gate(
            tokens, streams, five(places, n), step, start[n], final[n], scale, False, against
        )


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, tokens, streams, places, step, grads, grad_places, grad_step, start, grad_final,
    grad_start, against,
):  # fmt: skip
    for n in range(first, last):
        backward_scalar_gate(
            tokens, streams, five(places, n), step, grads, four(grad_places, n), grad_step,
            start[n], grad_final[n], grad_start[n], False, against,
        )  # fmt: skip


simple_gla_numba = OneWay(_forward, _backward).operator("simple_gla_numba")
