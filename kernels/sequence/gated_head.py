"""One head under a vector or a scalar gate, forward and backward, by scans over flat arrays.

A head is worked on in spans of tokens whose decays, outputs and gradients stay in the cache.
`first` and `step` are places in flat arrays as in `scan`: of token 0, and from one token to the
next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from drivelab.kernels.exponential import exponential
from drivelab.kernels.registers import BITS, fetch
from drivelab.kernels.sequence.gate_gradient import gather_per_key, gather_per_token
from drivelab.kernels.sequence.scan import named, scan_lane_decay, scan_row_decay, scan_token_decay

SPAN = 32  # tokens; their decays, of 64 channels, take 8 kB in float32
# Tokens after which the running sum behind the gates' gradient begins afresh from the states, a
# multiple of SPAN: over thousands of tokens the sum would gather the rounding of every term.
AFRESH = 8 * SPAN


@njit(nogil=True)
def state_of(start: np.ndarray) -> np.ndarray:
    """A copy of a (rows, columns) state whose rows fill whole registers."""
    rows, columns = start.shape
    width = np.int64(BITS // 8) // start.itemsize
    state = np.zeros((rows, (columns + width - 1) // width * width), start.dtype)
    for r in range(rows):
        for c in range(columns):
            state[r, c] = start[r, c]
    return state


@njit(nogil=True)
def turned(start: np.ndarray) -> np.ndarray:
    """`state_of` the transposed state."""
    rows, columns = start.shape
    width = np.int64(BITS // 8) // start.itemsize
    state = np.zeros((columns, (rows + width - 1) // width * width), start.dtype)
    for r in range(rows):
        for c in range(columns):
            state[c, r] = start[r, c]
    return state


@njit(nogil=True)
def place(steps, n, heads):  # type: ignore[no-untyped-def]
    """Where head n of all sequences begins in a stream; one of fewer heads serves neighbours."""
    return n // heads * steps[0] + n % heads * steps[3] // heads * steps[1]


@njit(nogil=True)
def places(steps, n, heads, tokens, against):  # type: ignore[no-untyped-def]
    """`first` and `step` of the five streams for a walk in either order."""
    sign, last = (-1, tokens - 1) if against else (1, 0)
    first = (
        place(steps[0], n, heads) + last * steps[0][2],
        place(steps[1], n, heads) + last * steps[1][2],
        place(steps[2], n, heads) + last * steps[2][2],
        place(steps[3], n, heads) + last * steps[3][2],
        place(steps[4], n, heads) + last * steps[4][2],
    )
    step = (
        sign * steps[0][2], sign * steps[1][2], sign * steps[2][2], sign * steps[3][2],
        sign * steps[4][2],
    )  # fmt: skip
    return first, step


@njit(nogil=True)
def places_of_four(steps, n, heads, tokens, against):  # type: ignore[no-untyped-def]
    """`places` in the four gradients."""
    first, step = places((*steps, steps[3]), n, heads, tokens, against)
    return first[:4], step[:4]


@njit(nogil=True)
def _decays(fade, g, at, channels):  # type: ignore[no-untyped-def]
    """One token's decays from its log gates."""
    gates = g[at : at + channels]
    for r in range(channels):
        fade[r] = exponential(gates[r])


@njit(nogil=True)
def _fetch(flat, first, step, tokens, channels):  # type: ignore[no-untyped-def]
    """Ask for rows of tokens, a line of the cache at a time."""
    line = np.int64(64) // flat.itemsize
    for t in range(tokens):
        for c in range(0, channels, line):
            fetch(flat, first + t * step + c)


# Sums in any order, and no check of each divisor: what lets these loops be vectorised.
@njit(nogil=True, fastmath={"reassoc", "contract"})
def _weigh(flat, first, step, tokens, channels, weights, begun, out):  # type: ignore[no-untyped-def]
    """Rows of tokens times their weights, one behind the other."""
    w, at, apart = weights
    for t in range(tokens):
        factor, begin = w[at + (begun + t) * apart], first + t * step
        row, to = flat[begin : begin + channels], out[t * channels : (t + 1) * channels]
        for c in range(channels):
            to[c] = factor * row[c]


@njit(nogil=True, fastmath={"reassoc", "contract"})
def _weigh_back(flat, first, step, tokens, channels, weights, begun):  # type: ignore[no-untyped-def]
    """Rows of tokens times their weights, in place; tokens go back from `begun`."""
    w, at, apart = weights
    for t in range(tokens):
        factor, begin = w[at + (begun - t) * apart], first + t * step
        row = flat[begin : begin + channels]
        for c in range(channels):
            row[c] *= factor


@njit(nogil=True, fastmath={"reassoc", "contract"})
def _gather_weights(grad, first, step, flat, at, apart, tokens, channels, out, begun):  # type: ignore[no-untyped-def]
    """Gradients of weights: products of rows; tokens go back from `begun`."""
    to, at_to, apart_to = out
    for t in range(tokens):
        begin, other = first + t * step, at + t * apart
        row, given = grad[begin : begin + channels], flat[other : other + channels]
        total = row.dtype.type(0)
        for c in range(channels):
            total += row[c] * given[c]
        to[at_to + (begun - t) * apart_to] = total


@njit(nogil=True)
def _products(total, fade, back, state, keys, columns, per_key):  # type: ignore[no-untyped-def]
    """Sums of a decayed gradient of the state times the state, for each key or for all."""
    total[:] = 0.0
    for r in range(keys):
        found = 0.0
        for c in range(columns):
            found += np.float64(back[r, c]) * np.float64(state[c, r])
        total[r if per_key else 0] += found * np.float64(fade[r if per_key else 0])


def _forward_of(
    scan_rows: Callable[..., None], per_key: bool, weighted: bool = False
) -> Callable[..., Any]:
    @njit(nogil=True)
    @named(f"forward_head_{per_key}_{weighted}")
    def forward_head(tokens, streams, first, step, weights, start, final, scale, add):  # type: ignore[no-untyped-def]
        q, k, v, g, out = streams
        keys, columns = start.shape
        channels = keys if per_key else 1
        state, one = state_of(start), q.dtype.type(1)
        fade = np.empty(SPAN * channels, q.dtype)
        values = np.empty(SPAN * columns if weighted else 0, q.dtype)
        for past in range(0, tokens, SPAN):
            count = min(SPAN, tokens - past)
            for t in range(count):
                _decays(fade[t * channels :], g, first[3] + (past + t) * step[3], channels)
            source, at_v, step_v = v, first[2] + past * step[2], step[2]
            if weighted:
                _weigh(v, at_v, step_v, count, columns, weights, past, values)
                source, at_v, step_v = values, 0, columns
            here = (
                first[0] + past * step[0], first[1] + past * step[1], at_v, 0,
                first[4] + past * step[4],
            )  # fmt: skip
            along = (step[0], step[1], step_v, channels, step[4])
            ahead = past + SPAN
            _fetch(q, first[0] + ahead * step[0], step[0], SPAN, keys)
            _fetch(k, first[1] + ahead * step[1], step[1], SPAN, keys)
            _fetch(v, first[2] + ahead * step[2], step[2], SPAN, columns)
            _fetch(g, first[3] + ahead * step[3], step[3], SPAN, channels)
            _fetch(out, first[4] + ahead * step[4], step[4], SPAN, columns)
            scan_rows(
                count, state, keys, columns, (q, k, source, fade, out), here, along, one, scale, add
            )
        for r in range(keys):
            for c in range(columns):
                final[r, c] = state[r, c]

    return forward_head


def _backward_of(  # noqa: C901  (compiled as one)
    scan_rows: Callable[..., None],
    scan_lanes: Callable[..., None],
    gather: Callable[..., None],
    per_key: bool,
    weighted: bool = False,
) -> Callable[..., Any]:
    @njit(nogil=True)
    @named(f"backward_head_{per_key}_{weighted}")
    def backward_head(  # type: ignore[no-untyped-def]  # noqa: C901
        tokens, streams, first, step, weights, grads, grad_first, grad_step, grad_weights, start,
        grad_final, grad_start, spare, scale, add,
    ):  # fmt: skip
        q, k, v, g, seen = streams
        keys, columns = start.shape
        channels, one = keys if per_key else 1, q.dtype.type(1)
        fade = np.empty(SPAN * channels, q.dtype)
        dq, at_dq, step_dq = (spare, 0, keys) if add else (grads[0], grad_first[0], grad_step[0])
        dk, step_dk = (spare[tokens * keys :], keys) if add else (grads[1], -grad_step[1])
        values = np.empty(SPAN * keys if weighted else 0, q.dtype)
        state = turned(start)
        kept = np.empty((tokens // AFRESH + 1, columns, keys), q.dtype)
        past, count = 0, (tokens - 1) % SPAN + 1  # spans end where those of the way back begin
        while past < tokens:  # dq, with the walk
            if (tokens - past) % AFRESH == 0:
                for c in range(columns):
                    for r in range(keys):
                        kept[(tokens - past) // AFRESH, c, r] = state[c, r]
            for t in range(count):
                _decays(fade[t * channels :], g, first[3] + (past + t) * step[3], channels)
            source, at_k, step_k = k, first[1] + past * step[1], step[1]
            if weighted:
                _weigh(k, at_k, step_k, count, keys, weights, past, values)
                source, at_k, step_k = values, 0, keys
            here = (
                first[4] + past * step[4], first[2] + past * step[2], at_k, 0,
                at_dq + past * step_dq,
            )  # fmt: skip
            along = (step[4], step[2], step_k, channels, step_dq)
            ahead = past + count
            _fetch(seen, first[4] + ahead * step[4], step[4], SPAN, columns)
            _fetch(v, first[2] + ahead * step[2], step[2], SPAN, columns)
            _fetch(k, first[1] + ahead * step[1], step[1], SPAN, keys)
            _fetch(g, first[3] + ahead * step[3], step[3], SPAN, channels)
            _fetch(dq, at_dq + ahead * step_dq, step_dq, SPAN, keys)
            scan_lanes(
                count, state, columns, keys, (seen, v, source, fade, dq), here, along, one, scale,
                False,
            )  # fmt: skip
            past, count = ahead, SPAN
        width = np.int64(BITS // 8) // q.itemsize
        total = np.zeros((keys + width - 1) // width * width, np.float64)
        for c in range(columns):
            for r in range(keys):
                total[r if per_key else 0] += grad_final[r, c] * state[c, r]
        back, across = state_of(grad_final), turned(grad_final)
        for past in range(0, tokens, SPAN):  # dv, dk and dg, against it
            count, last = min(SPAN, tokens - past), tokens - 1 - past
            for t in range(count):
                ahead = last - t + 1
                if ahead < tokens:
                    _decays(fade[t * channels :], g, first[3] + ahead * step[3], channels)
                else:
                    for r in range(channels):
                        fade[r] = one
            at_q, at_k = first[0] + last * step[0], first[1] + last * step[1]
            at_v, at_seen = first[2] + last * step[2], first[4] + last * step[4]
            at_dk = 0 if add else grad_first[1] + last * grad_step[1]
            _fetch(q, at_q - SPAN * step[0], -step[0], SPAN, keys)
            _fetch(k, at_k - SPAN * step[1], -step[1], SPAN, keys)
            _fetch(v, at_v - SPAN * step[2], -step[2], SPAN, columns)
            _fetch(seen, at_seen - SPAN * step[4], -step[4], SPAN, columns)
            _fetch(g, first[3] + (last - SPAN) * step[3], -step[3], SPAN, channels)
            _fetch(dq, at_dq + (last - SPAN) * step_dq, -step_dq, SPAN, keys)
            at_dv = grad_first[2] + last * grad_step[2]
            here = (at_k, at_q, at_seen, 0, at_dv)
            along = (-step[1], -step[0], -step[4], channels, -grad_step[2])
            scan_rows(
                count, back, keys, columns, (k, q, seen, fade, grads[2]), here, along, scale, one,
                add and not weighted,
            )  # fmt: skip
            here = (at_v, at_seen, at_q, 0, at_dk)
            along = (-step[2], -step[4], -step[0], channels, step_dk)
            scan_lanes(
                count, across, columns, keys, (v, seen, q, fade, dk), here, along, scale, one,
                False,
            )  # fmt: skip
            if weighted:
                _weigh_back(grads[2], at_dv, -grad_step[2], count, columns, weights, last)
                _gather_weights(
                    dk, at_dk, step_dk, k, at_k, -step[1], count, keys, grad_weights, last
                )
                _weigh_back(dk, at_dk, step_dk, count, keys, weights, last)
            places_of_rows = (
                at_q, at_k, at_dq + last * step_dq, at_dk, grad_first[3] + last * grad_step[3],
                grad_first[0] + last * grad_step[0], grad_first[1] + last * grad_step[1],
            )  # fmt: skip
            steps_of_rows = (
                -step[0], -step[1], -step_dq, step_dk, -grad_step[3], -grad_step[0], -grad_step[1]
            )  # fmt: skip
            gather(
                q, k, dq, dk, grads[3], grads[0], grads[1], total, count, keys, places_of_rows,
                steps_of_rows, add,
            )  # fmt: skip
            if (past + count) % AFRESH == 0:
                _decays(fade, g, first[3] + (last - count + 1) * step[3], channels)
                _products(total, fade, back, kept[(past + count) // AFRESH], keys, columns, per_key)
        if tokens:
            _decays(fade, g, first[3], channels)
        for r in range(keys):
            for c in range(columns):
                one = fade[r if per_key else 0] if tokens else q.dtype.type(1)
                grad_start[r, c] = one * back[r, c]

    return backward_head


# forward_*(tokens, streams, first, step, weights, start, final, scale, add): outputs of one head;
# streams are (q, k, v, g, o), `weights` is (flat array, first, step) of numbers by which a weighted
# gate multiplies each token's v, `start` (K, V) is the state before the walk's first token, `final`
# takes the one behind its last, and `add` adds to o.
forward_vector_gate = _forward_of(scan_row_decay, per_key=True)
forward_scalar_gate = _forward_of(scan_token_decay, per_key=False)
forward_weighted_gate = _forward_of(scan_token_decay, per_key=False, weighted=True)

# backward_*(tokens, streams, first, step, weights, grads, grad_first, grad_step, grad_weights,
# start, grad_final, grad_start, spare, scale, add): gradients of one head; streams are
# (q, k, v, g, do), grads (dq, dk, dv, dg) with their own places, `grad_weights` is like `weights`,
# and `add` adds to the first three, of a weighted gate to two, for which `spare` takes this scan's
# dq and a span of its dk, (tokens + SPAN) K elements.
backward_vector_gate = _backward_of(scan_row_decay, scan_lane_decay, gather_per_key, per_key=True)
backward_scalar_gate = _backward_of(
    scan_token_decay, scan_token_decay, gather_per_token, per_key=False
)
backward_weighted_gate = _backward_of(
    scan_token_decay, scan_token_decay, gather_per_token, per_key=False, weighted=True
)
