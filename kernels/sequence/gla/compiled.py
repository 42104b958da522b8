"""Gated linear attention on the CPU: the recurrence itself, compiled, head by head."""

from __future__ import annotations

import numpy as np
from numba import njit

from drivelab.kernels.sequence.gated_head import (
    backward_vector_gate,
    forward_vector_gate,
    places,
    places_of_four,
)
from drivelab.kernels.sequence.one_way import OneWay
from drivelab.kernels.sequence.streams import flats_at


@njit(cache=True, nogil=True)
def _forward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, addresses, steps, start, final, scale, against
):
    streams = flats_at(addresses, start)
    unweighted = (streams[3], 0, 0)
    for n in range(first, last):
        at, step = places(steps, n, heads, tokens, against)
        forward_vector_gate(tokens, streams, at, step, unweighted, start[n], final[n], scale, False)


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, addresses, steps, into, into_steps, start, grad_final, grad_start,
    scale, against,
):  # fmt: skip
    streams, grads = flats_at(addresses, start), flats_at(into, start)
    spare, unweighted = np.empty(0, start.dtype), (streams[3], 0, 0)
    for n in range(first, last):
        at, step = places(steps, n, heads, tokens, against)
        grad_at, grad_step = places_of_four(into_steps, n, heads, tokens, against)
        backward_vector_gate(
            tokens, streams, at, step, unweighted, grads, grad_at, grad_step, unweighted, start[n],
            grad_final[n], grad_start[n], spare, scale, False,
        )  # fmt: skip


gla_numba = OneWay(_forward, _backward).operator("gla_numba")
