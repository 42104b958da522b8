"""Mamba-2's state-space layer (SSD, arXiv 2405.21060): h_t = e^{d_t A} h_{t-1} + d_t x_t B_t^T.

d = softplus(dt + dt_bias) clamped, y_t = h_t C_t + D x_t, and y silu(z) in the end. The scan is
that of `simple_gla`; what stands around it is plain torch on every backend.
"""

from __future__ import annotations

from math import inf

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose
from drivelab.kernels.sequence.checks import (
    check_limits,
    check_mask,
    check_rates,
    check_shapes,
    check_steps,
    of_one_token,
)
from drivelab.kernels.sequence.gla import first_state
from drivelab.kernels.sequence.simple_gla import scalar_gate_scan
from drivelab.kernels.sequence.ssd.compiled import ssd_numba
from drivelab.kernels.sequence.streams import compute_dtype

SHAPES = {
    "x": "B L H P",
    "dt": "B L H",
    "A": "H",
    "B": "B L G N",
    "C": "B L G N",
    "D": "H",
    "z": "B L H P",
    "dt_bias": "H",
    "state": "B H P N",
}


def ssd(
    x: Float[Tensor, "B L H P"],
    dt: Float[Tensor, "B L H"],
    A: Float[Tensor, " H"],
    B: Float[Tensor, "B L G N"],
    C: Float[Tensor, "B L G N"],
    *,
    D: Float[Tensor, "H *P"] | None = None,
    z: Float[Tensor, "B L H P"] | None = None,
    dt_bias: Float[Tensor, " H"] | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, inf),
    state: Float[Tensor, "B H P N"] | None = None,
    reverse: bool = False,
    mask: Bool[Tensor, "B L"] | None = None,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B L H P"], Float[Tensor, "B H P N"]]:
    """Outputs, and the state behind the last token.

    Args:
        x: inputs of each head.
        dt: step sizes, before bias and softplus.
        A: decay rates, below 0.
        B: what an input writes; G groups, each shared by H / G neighbouring heads.
        C: what an output reads, in the same groups.
        D: share of the input that goes through, a number for each head or channel.
        z: gate of the outputs.
        dt_bias: added to dt.
        dt_softplus: whether dt goes through softplus.
        dt_limit: least and largest step size.
        state: before the first token; zeros unless told.
        reverse: walk from the last token to the first.
        mask: true at real tokens; the others change nothing and read 0.
        backend: "auto", "ref", "torch", "numba" or "triton".

    Raises:
        ValueError: shapes, devices, A above 0, G that does not divide H, a final step size
            that is NaN or below 0, limits out of order, or a backend that cannot run here.
        TypeError: not a floating tensor.
        ImportError: the backend's package is not installed.
    """
    shapes = SHAPES if getattr(D, "ndim", 1) == 1 else {**SHAPES, "D": "H P"}
    given = dict(x=x, dt=dt, A=A, B=B, C=C, D=D, z=z, dt_bias=dt_bias, state=state)
    check_shapes("ssd", given, shapes)
    check_mask("ssd", mask, x.shape[0], x.shape[1], x.device)
    _check_groups(x.shape[2], B.shape[2])
    check_rates("ssd", A=A)
    check_limits("ssd", "dt_limit", dt_limit)
    if mask is not None:
        x, B, C = (t.masked_fill(~mask[..., None, None], 0) for t in (x, B, C))
        z = None if z is None else z.masked_fill(~mask[..., None, None], 0)
        dt = dt.masked_fill(~mask[..., None], 0)
    kind = compute_dtype(*(one for one in given.values() if one is not None))
    step = _step_size(dt.to(kind), dt_bias, dt_softplus, dt_limit)
    if mask is not None:
        step = step.masked_fill(~mask[..., None], 0)
    raw = not dt_softplus and dt_bias is None
    check_steps("ssd", **{"dt" if raw else "dt after dt_bias, dt_softplus and dt_limit, ": step})
    name = choose("ssd", backend, x.device, x.dtype, given.values())
    y, final = _scan(name, x.to(kind), step, A, B, C, state, reverse)
    if D is not None:
        y = y + x * (D if D.ndim == 2 else D[:, None])
    if z is not None:
        y = y * torch.nn.functional.silu(z)
    return y.to(x.dtype), final


def ssd_step(
    x: Float[Tensor, "B H P"],
    dt: Float[Tensor, "B H"],
    A: Float[Tensor, " H"],
    B: Float[Tensor, "B G N"],
    C: Float[Tensor, "B G N"],
    state: Float[Tensor, "B H P N"],
    *,
    D: Float[Tensor, "H *P"] | None = None,
    z: Float[Tensor, "B H P"] | None = None,
    dt_bias: Float[Tensor, " H"] | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, inf),
    backend: str = "auto",
) -> tuple[Float[Tensor, "B H P"], Float[Tensor, "B H P N"]]:
    """One more token, in constant time and memory: what `ssd` gives for it behind the others."""
    given = dict(x=x, dt=dt, A=A, B=B, C=C, z=z)
    check_shapes("ssd_step", given, of_one_token(SHAPES))
    y, final = ssd(
        *(x[:, None], dt[:, None], A, B[:, None], C[:, None]),
        D=D,
        z=None if z is None else z[:, None],
        dt_bias=dt_bias,
        dt_softplus=dt_softplus,
        dt_limit=dt_limit,
        state=state,
        backend=backend,
    )
    return y[:, 0], final


def _scan(
    name: str,
    x: Tensor,
    step: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    state: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, L, H, P) and the state (B, H, P, N) by a backend."""
    if name == "numba":
        begun = x.new_empty(0, x.shape[2], x.shape[3], B.shape[3]) if state is None else state
        return ssd_numba(x, step, A, B, C, begun, reverse)
    q, k, v, weights, g = (t.transpose(1, 2) for t in (C, B, x, step, step * A))
    begun = first_state(v, B.shape[-1], x.shape[-1]) if state is None else state.transpose(-1, -2)
    weighed, gates = v * weights.unsqueeze(-1), g.unsqueeze(-1)
    out, final = scalar_gate_scan(name)(q, k, weighed, gates, begun, 1.0, reverse)
    return out.transpose(1, 2), final.transpose(-1, -2)


def _step_size(
    dt: Tensor, bias: Tensor | None, softplus: bool, limit: tuple[float, float]
) -> Tensor:
    if bias is not None:
        dt = dt + bias
    if softplus:
        dt = torch.nn.functional.softplus(dt)
    return dt if limit == (0.0, inf) else dt.clamp(*limit)


def _check_groups(heads: int, groups: int) -> None:
    if groups < 1 or heads % groups:
        raise ValueError(
            f"ssd: B has {groups} groups, axis 2, and x {heads} heads; expected a number of groups "
            "that divides the heads"
        )
