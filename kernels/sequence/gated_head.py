"""One head under a vector or a scalar gate, forward and backward, by scans over flat arrays.

Streams, `first` and `step` are those of `scan`, with `first` at token 0 and `step` with time;
`against` walks from the last token to the first. Decays have a row of ones before the first token
and one behind the last, because the backward scans look one token ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from drivelab.kernels.sequence.registers import BITS
from drivelab.kernels.sequence.scan import scan_lane_decay, scan_row_decay, scan_token_decay


@njit(nogil=True)
def state_of(start: np.ndarray) -> np.ndarray:
    """A copy of a (rows, columns) state whose rows fill whole registers."""
    rows, columns = start.shape
    width = np.int64(BITS // 8) // start.itemsize
    state = np.zeros((rows, (columns + width - 1) // width * width), start.dtype)
    state[:, :columns] = start
    return state


@njit(nogil=True)
def five(places, n):  # type: ignore[no-untyped-def]
    """Row n of a table of five places."""
    return places[n, 0], places[n, 1], places[n, 2], places[n, 3], places[n, 4]


@njit(nogil=True)
def four(places, n):  # type: ignore[no-untyped-def]
    """Row n of a table of four places."""
    return places[n, 0], places[n, 1], places[n, 2], places[n, 3]


@njit(nogil=True)
def walk(tokens, first, step, against):  # type: ignore[no-untyped-def]
    """`first` and `step` of a walk in either order."""
    if not against:
        return first, step
    last = tokens - 1
    end = (
        first[0] + last * step[0],
        first[1] + last * step[1],
        first[2] + last * step[2],
        first[3] + last * step[3],
        first[4] + last * step[4],
    )
    return end, (-step[0], -step[1], -step[2], -step[3], -step[4])


def _forward_of(scan_rows: Callable[..., None]) -> Callable[..., Any]:
    @njit(nogil=True)
    def forward_head(tokens, streams, first, step, start, final, scale, add, against):  # type: ignore[no-untyped-def]
        keys, columns = start.shape
        state = state_of(start)
        begin, stride = walk(tokens, first, step, against)
        scan_rows(tokens, state, keys, columns, streams, begin, stride, scale, add)
        final[:] = state[:, :columns]

    return forward_head


@njit(nogil=True)
def _collect(  # type: ignore[no-untyped-def]
    tokens, given, found, grads, first, step, grad_first, grad_step, total, add, against
):  # fmt: skip
    """Put dq and dk where they belong, and sum the gates' gradient from the walk's end.

    Rows are sliced, because an offset that could be negative keeps a loop from being vectorised.
    """
    keys = len(found[0]) // tokens if tokens else 0
    gates = np.zeros(keys)
    for n in range(tokens):
        t = n if against else tokens - 1 - n
        begins = first[0] + t * step[0], first[1] + t * step[1]
        q, k = given[0][begins[0] : begins[0] + keys], given[1][begins[1] : begins[1] + keys]
        dq, dk = found[0][t * keys : (t + 1) * keys], found[1][t * keys : (t + 1) * keys]
        ends = grad_first[0] + t * grad_step[0], grad_first[1] + t * grad_step[1]
        to_q, to_k = grads[0][ends[0] : ends[0] + keys], grads[1][ends[1] : ends[1] + keys]
        for r in range(keys):
            gates[r] = np.float64(dq[r] * q[r] - dk[r] * k[r])
        at = grad_first[3] + t * grad_step[3]
        if len(total) == keys:
            to_gate = grads[3][at : at + keys]
            for r in range(keys):
                total[r] += gates[r]
                to_gate[r] = total[r]
        else:
            for r in range(keys):
                total[0] += gates[r]
            grads[3][at] = total[0]
        if add:
            for r in range(keys):
                to_q[r] += dq[r]
                to_k[r] += dk[r]
        else:
            for r in range(keys):
                to_q[r] = dq[r]
                to_k[r] = dk[r]


def _backward_of(
    scan_rows: Callable[..., None], scan_lanes: Callable[..., None], per_key: bool
) -> Callable[..., Any]:
    @njit(nogil=True)
    def backward_head(  # type: ignore[no-untyped-def]
        tokens, streams, first, step, grads, grad_first, grad_step, start, grad_final, grad_start,
        add, against,
    ):  # fmt: skip
        q, k, v, decay, out = streams
        keys, columns = start.shape
        one = out.dtype.type(1)
        dq, dk = np.empty(tokens * keys, q.dtype), np.empty(tokens * keys, q.dtype)
        flipped = state_of(np.ascontiguousarray(start.T))
        begin, stride = walk(
            tokens,
            (first[4], first[2], first[1], first[3], 0),
            (step[4], step[2], step[1], step[3], keys),
            against,
        )
        scan_lanes(
            tokens, flipped, columns, keys, (out, v, k, decay, dq), begin, stride, one, False
        )
        ahead = first[3] - step[3] if against else first[3] + step[3]
        state = state_of(grad_final)
        begin, stride = walk(
            tokens,
            (first[1], first[0], first[4], ahead, grad_first[2]),
            (step[1], step[0], step[4], step[3], grad_step[2]),
            not against,
        )
        behind = (k, q, out, decay, grads[2])
        scan_rows(tokens, state, keys, columns, behind, begin, stride, one, add)
        last = first[3] + (tokens - 1) * step[3] if against else first[3]
        for r in range(keys):
            fade = decay[last + r] if per_key else decay[last]
            for c in range(columns):
                grad_start[r, c] = fade * state[r, c]
        state = state_of(np.ascontiguousarray(grad_final.T))
        begin, stride = walk(
            tokens,
            (first[2], first[4], first[0], ahead, 0),
            (step[2], step[4], step[0], step[3], keys),
            not against,
        )
        scan_lanes(tokens, state, columns, keys, (v, out, q, decay, dk), begin, stride, one, False)
        total = np.zeros(keys)
        for c in range(columns):
            for r in range(keys):
                total[r] += grad_final[r, c] * flipped[c, r]
        if not per_key:
            total = np.array([total.sum()])
        _collect(
            tokens, (q, k), (dq, dk), grads, first, step, grad_first, grad_step, total, add, against
        )

    return backward_head


# forward_*(tokens, streams, first, step, start, final, scale, add, against): outputs of one head;
# streams are (q, k, v, decay, o), `start` (K, V) is the state before the first token of the walk,
# `final` takes the one behind the last.
forward_vector_gate = _forward_of(scan_row_decay)
forward_scalar_gate = _forward_of(scan_token_decay)

# backward_*(tokens, streams, first, step, grads, grad_first, grad_step, start, grad_final,
# grad_start, add, against): gradients of one head; streams are (q, k, v, decay, do times the scale
# of the outputs), grads (dq, dk, dv, dg), and `add` adds to the first three. dg is the sum of
# dq q - dk k over the tokens from t to the end of the walk, and of the final state with its
# gradient: no state but the present one is ever stored, and nothing is divided by a decay.
backward_vector_gate = _backward_of(scan_row_decay, scan_lane_decay, True)
backward_scalar_gate = _backward_of(scan_token_decay, scan_token_decay, False)
