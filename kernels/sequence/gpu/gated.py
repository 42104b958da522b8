"""Forward and backward of the gated scans as sequences of passes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import triton
from torch import Tensor

from drivelab.kernels.sequence.gpu import state
from drivelab.kernels.sequence.gpu.device import exact, side_by_side
from drivelab.kernels.sequence.gpu.passes import Moments, Roles, States, Walk
from drivelab.kernels.sequence.gpu.schedule import LEAST, padded, processors, segments, table
from drivelab.kernels.sequence.streams import room_like

_STEP_COLUMNS = 32  # of a program that moves a state by one token


@dataclass(frozen=True, slots=True)
class Inputs:
    """q, k (B, G, L, K) and v (B, H, L, V) with channels side by side."""

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float

    @classmethod
    def of(cls, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Inputs:
        """The tensors as they are where their channels lie side by side, copies else."""
        return cls(side_by_side(q), side_by_side(k), side_by_side(v), scale)

    def walk(self, gates: tuple[Tensor, ...], reverse: bool) -> Walk:
        """The order of tokens, cut into segments where heads are few."""
        b, heads, tokens, columns = self.v.shape
        blocks = table(self.k.shape[3], columns, len(gates), exact=exact(self.k, self.v))[0]
        programs = b * heads * triton.cdiv(columns, blocks.columns)
        return Walk(gates, reverse, segments(programs, tokens, processors(self.v.device)))


def outputs(inputs: Inputs, walk: Walk, first: Tensor | None, out: Tensor) -> States:
    """Fill `out` (B, H, L, V); the states around the segments. `first` is (B * H, K, V)."""
    q, k, v = inputs.q, inputs.k, inputs.v
    states = walk.states(Roles(None, k, v), first)
    walk.outputs(Roles(q, k, v, out_scale=inputs.scale), out, states)
    return states


def one_token(inputs: Inputs, gate: Tensor, first: Tensor, out: Tensor) -> Tensor:
    """Fill `out` (B, H, 1, V) and give the next state (B * H, K, V)."""
    q, k, v = inputs.q, inputs.k, inputs.v
    n, rows, columns = first.shape
    final, parts = torch.empty_like(first), triton.cdiv(columns, _STEP_COLUMNS)
    places = (one.stride()[:2] for one in (q, k, v, gate, out))
    state.step[(n * parts,)](
        *(q, k, v, gate, first, final, out),
        *(step for place in places for step in place),
        *(v.shape[1] // q.shape[1], v.shape[1], rows, columns, parts, inputs.scale),
        WIDE=gate.shape[3] > 1,
        R=padded(rows),
        N=_STEP_COLUMNS,
        enable_fp_fusion=True,
    )
    return final


def channel_gradients(
    inputs: Inputs, walk: Walk, seen: Tensor, first: Tensor | None, last: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...], States]:
    """Gradients under a gate per channel.

    Args:
        inputs: of the call.
        walk: of the call.
        seen: gradient of the outputs.
        first: state before the first token, (B * H, K, V).
        last: gradient of the state behind the last token.

    Returns:
        dq, dk, dv; dg (B * H, L, K) of each direction; gradients of the states around segments.
    """
    q, k, v, scale = inputs.q, inputs.k, inputs.v, inputs.scale
    n, tokens, channels = q.shape[0] * q.shape[1], q.shape[2], q.shape[3]
    dq, dk, dv = (room_like(one) for one in (q, k, v))
    found = (walk.directions, n, tokens, channels)
    moment = torch.empty(found, dtype=torch.float32, device=q.device)
    dg = tuple(torch.empty(found[1:], dtype=gate.dtype, device=q.device) for gate in walk.gates)
    ahead = walk.states(Roles(None, k, v), first)
    walk.outputs(Roles(seen, v, k, True, out_scale=scale), dq, ahead, Moments(q, moment))
    back = walk.states(Roles(None, q, seen, against=True, value_scale=scale), last)
    edge = _edges(ahead, back, (*found[:2], walk.segments.count, channels), q)
    walk.outputs(
        Roles(v, seen, q, True, True, value_scale=scale), dk, back, Moments(k, moment, dg, edge)
    )
    closed = replace(back, closed=True)
    walk.outputs(Roles(k, q, seen, against=True, value_scale=scale), dv, closed)
    return dq, dk, dv, dg, back


def token_gradients(
    inputs: Inputs, walk: Walk, seen: Tensor, first: Tensor, last: Tensor
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor], States]:
    """Gradients under one gate a token; see `channel_gradients`.

    Returns:
        dq, dk (B, H, L, K) of each head that shares a query; dv; dg (B * H, L) in float64, the only
        one of a tuple; gradients of the states around segments.
    """
    q, k, v, scale = inputs.q, inputs.k, inputs.v, inputs.scale
    (b, heads, tokens), channels = v.shape[:3], q.shape[3]
    kind = q.dtype if heads == q.shape[1] else torch.float32
    dq, dk = (torch.empty(b, heads, tokens, channels, dtype=kind, device=q.device) for _ in "qk")
    dv, places = room_like(v), padded(channels) // LEAST
    from_q, from_k = (
        torch.empty(b * heads, tokens, places, dtype=torch.float32, device=q.device) for _ in "qk"
    )
    ahead = walk.states(Roles(None, k, v), first)
    walk.outputs(Roles(seen, v, k, True, out_scale=scale), dq, ahead, Moments(q, from_q))
    back = walk.states(Roles(None, q, seen, against=True, value_scale=scale), last)
    walk.outputs(Roles(v, seen, q, True, True, value_scale=scale), dk, back, Moments(k, from_k))
    closed = replace(back, closed=True)
    walk.outputs(Roles(k, q, seen, against=True, value_scale=scale), dv, closed)
    assert ahead.leave is not None
    end = (ahead.leave[0, :, -1] * last).sum((-2, -1), dtype=torch.float64)
    change = from_q.sum(-1, dtype=torch.float64) - from_k.sum(-1, dtype=torch.float64)
    sums = change.cumsum(-1) if walk.reverse else change.flip(-1).cumsum(-1).flip(-1)
    return dq, dk, dv, (sums + end[:, None],), back


def _edges(ahead: States, back: States, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """The gates' gradient at the end of each segment: sum over v of state times gradient."""
    if ahead.leave is None or back.enter is None:
        return torch.zeros(shape, dtype=torch.float32, device=like.device)
    return (ahead.leave * back.enter).sum(-1)
