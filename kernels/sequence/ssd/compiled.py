"""SSD's scan on the CPU: the step sizes weigh the inputs within it, span by span."""

from __future__ import annotations

import numpy as np
from numba import njit

from drivelab.kernels.sequence.gated_head import (
    backward_weighted_gate,
    forward_weighted_gate,
    place,
    places,
    places_of_four,
)
from drivelab.kernels.sequence.one_way import OneWay


@njit(nogil=True)
def _weights(flat, steps, n, heads, tokens, against):  # type: ignore[no-untyped-def]
    """One number a token: the flat array, the first and the step of the walk."""
    begin, step = place(steps, n, heads), steps[2]
    return (flat, begin + (tokens - 1) * step, -step) if against else (flat, begin, step)


@njit(cache=True, nogil=True)
def _forward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, streams, steps, start, final, scale, against
):
    for n in range(first, last):
        at, step = places(steps[:5], n, heads, tokens, against)
        weights = _weights(streams[5], steps[5], n, heads, tokens, against)
        forward_weighted_gate(
            tokens, streams[:5], at, step, weights, start[n], final[n], scale, False
        )


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, streams, steps, grads, grad_steps, start, grad_final, grad_start,
    scale, against,
):  # fmt: skip
    spare = np.empty(0, start.dtype)
    for n in range(first, last):
        at, step = places(steps[:5], n, heads, tokens, against)
        weights = _weights(streams[5], steps[5], n, heads, tokens, against)
        grad_at, grad_step = places_of_four(grad_steps[:4], n, heads, tokens, against)
        grad_weights = _weights(grads[4], grad_steps[4], n, heads, tokens, against)
        backward_weighted_gate(
            tokens, streams[:5], at, step, weights, grads[:4], grad_at, grad_step, grad_weights,
            start[n], grad_final[n], grad_start[n], spare, scale, False,
        )  # fmt: skip


ssd_numba = OneWay(_forward, _backward).operator("ssd_numba", weighted=True)
