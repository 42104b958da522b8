"""SSD's scan on the CPU, from the layer's own layout to it: nothing is turned or weighed before."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numba import njit
from torch import Tensor

from drivelab.kernels.sequence.custom import operator
from drivelab.kernels.sequence.gated_head import (
    SPAN,
    backward_weighted_gate,
    forward_weighted_gate,
    place,
    places,
    places_of_four,
)
from drivelab.kernels.sequence.heads import over_heads
from drivelab.kernels.sequence.streams import (
    as_types,
    compute_dtype,
    flats_at,
    flatten,
    prepared,
    room_like,
)

HEADS = 2  # axis


@njit(nogil=True)
def _gates(flat, at, step, rate, out):  # type: ignore[no-untyped-def]
    """Log gates of a head, in the order of its tokens."""
    for t in range(len(out)):
        out[t] = flat[at + t * step] * rate


@njit(nogil=True)
def _into_steps(flat, at, step, rate, given, out, at_out, step_out):  # type: ignore[no-untyped-def]
    """Add what the gates' gradient gives the step sizes; what it gives the rate."""
    total = 0.0
    for t in range(len(given)):
        out[at_out + t * step_out] += given[t] * rate
        total += np.float64(given[t]) * np.float64(flat[at + t * step])
    return total


@njit(nogil=True)
def _with_gates(at, step, against, tokens):  # type: ignore[no-untyped-def]
    """Places of the streams where the gates, one behind the other, stand for the step sizes."""
    begin, apart = (tokens - 1, -1) if against else (0, 1)
    return (at[0], at[1], at[2], begin, at[4]), (step[0], step[1], step[2], apart, step[4])


@njit(nogil=True)
def _state(flat, n, zeros):  # type: ignore[no-untyped-def]
    """State n of those one behind the other."""
    size = zeros.size
    return flat[n * size : (n + 1) * size].reshape(zeros.shape)


@njit(cache=True, nogil=True)
def _forward(first, last, heads, tokens, addresses, steps, others, zeros, begun, against):  # type: ignore[no-untyped-def]
    q, k, v, w, out = flats_at(addresses, zeros)
    rates, start, final = flats_at(others, zeros)
    g, one = np.empty(tokens, zeros.dtype), zeros.dtype.type(1)
    for n in range(first, last):
        _gates(w, place(steps[3], n, heads), steps[3][2], rates[n % heads], g)
        at, step = places(steps, n, heads, tokens, against)
        weights = (w, at[3], step[3])
        at, step = _with_gates(at, step, against, tokens)
        before = _state(start, n, zeros) if begun else zeros
        forward_weighted_gate(
            tokens, (q, k, v, g, out), at, step, weights, before, _state(final, n, zeros), one,
            False,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    first, last, heads, tokens, addresses, steps, into, into_steps, others, zeros, begun, ended,
    against, shared,
):  # fmt: skip
    q, k, v, w, seen = flats_at(addresses, zeros)
    dq, dk, dv, dw = flats_at(into, zeros)
    rates, grad_rates, start, end, grad_start = flats_at(others, zeros)
    g, dg = np.empty(tokens, zeros.dtype), np.empty(tokens, zeros.dtype)
    spare = np.empty((tokens + SPAN) * len(zeros) if shared else 0, zeros.dtype)
    one, back = zeros.dtype.type(1), np.empty_like(zeros)
    for n in range(first, last):
        begin, rate = place(steps[3], n, heads), rates[n % heads]
        _gates(w, begin, steps[3][2], rate, g)
        at, step = places(steps, n, heads, tokens, against)
        weights = (w, at[3], step[3])
        at, step = _with_gates(at, step, against, tokens)
        to, along = places_of_four(into_steps, n, heads, tokens, against)
        before = _state(start, n, zeros) if begun else zeros
        backward_weighted_gate(
            tokens, (q, k, v, g, seen), at, step, weights, (dq, dk, dv, dg),
            (to[0], to[1], to[2], at[3]), (along[0], along[1], along[2], step[3]),
            (dw, to[3], along[3]), before, _state(end, n, zeros) if ended else zeros,
            _state(grad_start, n, zeros) if begun else back, spare, one, shared,
        )  # fmt: skip
        begin_back = place(into_steps[3], n, heads)
        grad_rates[n] = _into_steps(
            w, begin, steps[3][2], rate, dg, dw, begin_back, into_steps[3][2]
        )


def forward(
    x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """Outputs like x, and the final state; a state without elements is zeros."""
    dtype = compute_dtype(x, step, A, B, C, state)
    (b, tokens, heads, columns), keys = x.shape, B.shape[3]
    out, final = room_like(x, dtype), _room_of_states(x, keys, dtype)
    given, begun = [*prepared(dtype, C, B, x, step), out], state.numel() > 0
    rates, start = _rates(A, dtype), _first(state, dtype) if begun else final
    call, zeros = flatten(*given, heads=HEADS), _zeros(keys, columns, dtype)
    others = (rates.data_ptr(), start.data_ptr(), final.data_ptr())

    def run(first: int, last: int) -> None:
        _forward(first, last, heads, tokens, *call, others, zeros, begun, reverse)

    over_heads(run, b * heads, x.numel() * keys)
    return (out if out.dtype == x.dtype else out.to(x.dtype)), final


def backward(
    x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool,
    grad_out: Tensor, grad_final: Tensor | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of x, the step sizes, A, B, C and the first state."""
    dtype = compute_dtype(x, step, A, B, C, state)
    (b, tokens, heads, columns), keys = x.shape, B.shape[3]
    given = prepared(dtype, C, B, x, step, grad_out)
    rooms, begun, ended = _rooms(heads, B.shape[HEADS]), state.numel() > 0, grad_final is not None
    share = heads // rooms
    grads = [_room(one, rooms, share, dtype) for one in (C, B)]
    grads += [room_like(one, dtype) for one in (x, step)]
    grad_rates = A.new_empty((b, heads), dtype=dtype)
    grad_start = _room_of_states(x, keys, dtype) if begun else torch.empty_like(state)
    rates, start = _rates(A, dtype), _first(state, dtype) if begun else state
    end = state if grad_final is None else _first(grad_final, dtype)
    call, back = flatten(*given, heads=HEADS), flatten(*grads, heads=HEADS)
    others = tuple(one.data_ptr() for one in (rates, grad_rates, start, end, grad_start))
    zeros = _zeros(keys, columns, dtype)

    def run(first: int, last: int) -> None:
        part = (first * share, last * share, heads, tokens)
        _backward(*part, *call, *back, others, zeros, begun, ended, reverse, share > 1)

    over_heads(run, b * rooms, 3 * x.numel() * keys)
    dC, dB, dx, dstep = grads
    dA = grad_rates[0] if b == 1 else grad_rates.sum(0)
    found = (dx, dstep, dA, _over_groups(dB, B), _over_groups(dC, C), grad_start)
    return as_types(found, (x, step, A, B, C, state))


@cache
def _zeros(keys: int, columns: int, dtype: torch.dtype) -> np.ndarray:
    """A state of zeros, only ever read."""
    return torch.zeros(keys, columns, dtype=dtype).numpy()


def _room_of_states(x: Tensor, keys: int, dtype: torch.dtype) -> Tensor:
    """A (B, H, P, N) tensor of x's heads, its (N, P) states one behind the other."""
    b, _, heads, columns = x.shape
    size = keys * columns
    steps = (heads * size, size, 1, columns)
    return torch.empty_strided((b, heads, columns, keys), steps, dtype=dtype, device=x.device)


def _first(state: Tensor, dtype: torch.dtype) -> Tensor:
    """One (N, P) state behind the other."""
    return state.transpose(2, 3).to(dtype).contiguous()


def _rates(A: Tensor, dtype: torch.dtype) -> Tensor:
    return (A if A.dtype == dtype else A.to(dtype)).contiguous()


def _rooms(heads: int, groups: int) -> int:
    """Rooms for the gradients of what heads share: one a group, or as many as there are threads.

    Heads that write to one room are worked on by one thread.
    """
    share = heads // groups
    most = min(share, torch.get_num_threads())
    return groups * next(parts for parts in range(most, 0, -1) if share % parts == 0)


def _room(shared: Tensor, rooms: int, share: int, dtype: torch.dtype) -> Tensor:
    """Room for the gradient of what an input writes or an output reads; zeros to add to."""
    b, tokens, groups, keys = shared.shape
    if share == 1 and rooms == groups:
        return room_like(shared, dtype)
    made = torch.zeros if share > 1 else torch.empty
    return made(b, tokens, rooms, keys, dtype=dtype)


def _over_groups(grad: Tensor, like: Tensor) -> Tensor:
    """Sum over the rooms of a group."""
    groups = like.shape[HEADS]
    if grad.shape[HEADS] == groups:
        return grad
    return grad.unflatten(HEADS, (groups, grad.shape[HEADS] // groups)).sum(3)


def _fake(
    x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    dtype = compute_dtype(x, step, A, B, C, state)
    return room_like(x), _room_of_states(x, B.shape[3], dtype)


def _fake_gradients(
    x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor
) -> tuple[Tensor, ...]:
    shared = (
        one.new_empty(one.shape) if one.shape[HEADS] < x.shape[HEADS] else room_like(one)
        for one in (B, C)
    )
    start = torch.empty_like(state)
    if state.numel():
        start = _room_of_states(x, B.shape[3], state.dtype)
    return (room_like(x), room_like(step), A.new_empty(A.shape), *shared, start)


ssd_numba = operator(
    "ssd_numba",
    "x step A B C state",
    "bool reverse",
    2,
    forward=forward,
    backward=backward,
    fake=_fake,
    fake_gradients=_fake_gradients,
    direct=True,
)
