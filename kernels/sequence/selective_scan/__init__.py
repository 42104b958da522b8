"""Mamba-1's selective scan (arXiv 2312.00752): h_t = e^{d_t A} h_{t-1} + d_t B_t u_t, y = C_t h_t.

d = softplus(delta + delta_bias); then y + D u, and y silu(z) in the end. What stands around the
scan is plain torch on every backend.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose
from drivelab.kernels.sequence.checks import (
    check_mask,
    check_rates,
    check_shapes,
    check_steps,
    of_one_token,
)
from drivelab.kernels.sequence.selective_scan import chunk, ref
from drivelab.kernels.sequence.selective_scan.compiled import selective_scan_numba
from drivelab.kernels.sequence.streams import compute_dtype

SHAPES = {
    "u": "B D L",
    "delta": "B D L",
    "A": "D N",
    "B": "B G N L",
    "C": "B G N L",
    "D": "D",
    "z": "B D L",
    "delta_bias": "D",
    "state": "B D N",
}


def selective_scan(
    u: Float[Tensor, "B D L"],
    delta: Float[Tensor, "B D L"],
    A: Float[Tensor, "D N"],
    B: Float[Tensor, "B *G N L"],
    C: Float[Tensor, "B *G N L"],
    *,
    D: Float[Tensor, " D"] | None = None,
    z: Float[Tensor, "B D L"] | None = None,
    delta_bias: Float[Tensor, " D"] | None = None,
    delta_softplus: bool = False,
    state: Float[Tensor, "B D N"] | None = None,
    reverse: bool = False,
    mask: Bool[Tensor, "B L"] | None = None,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B D L"], Float[Tensor, "B D N"]]:
    """Outputs, and the state behind the last token.

    Args:
        u: inputs of each channel.
        delta: step sizes, before bias and softplus.
        A: decay rates of each channel, below 0.
        B: what an input writes, (B, N, L), or (B, G, N, L) with groups of D / G neighbouring
            channels.
        C: what an output reads, alike.
        D: share of the input that goes through.
        z: gate of the outputs.
        delta_bias: added to delta.
        delta_softplus: whether delta goes through softplus.
        state: before the first token; zeros unless told.
        reverse: walk from the last token to the first.
        mask: true at real tokens; the others change nothing and read 0.
        backend: "auto", "ref", "torch", "numba" or "triton".

    Raises:
        ValueError: shapes, devices, A above 0, a final step size that is NaN or below 0, G that
            does not divide D, or a backend that cannot run here.
        TypeError: not a floating tensor.
        ImportError: the backend's package is not installed.
    """
    shapes = _shapes(getattr(B, "ndim", 3) == 4)
    given = dict(u=u, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias, state=state)
    check_shapes("selective_scan", given, shapes)
    check_mask("selective_scan", mask, u.shape[0], u.shape[2], u.device)
    if B.ndim == 3:
        B, C = B.unsqueeze(1), C.unsqueeze(1)
    _check_groups(u.shape[1], B.shape[1])
    check_rates("selective_scan", A=A)
    if mask is not None:
        u, delta = (x.masked_fill(~mask[:, None], 0) for x in (u, delta))
        z = None if z is None else z.masked_fill(~mask[:, None], 0)
        B, C = (x.masked_fill(~mask[:, None, None], 0) for x in (B, C))
    kind = compute_dtype(*(one for one in given.values() if one is not None))
    step = _step_size(delta.to(kind), delta_bias, delta_softplus)
    if mask is not None:
        step = step.masked_fill(~mask[:, None], 0)
    raw = not delta_softplus and delta_bias is None
    told = "delta" if raw else "delta after delta_bias and delta_softplus, "
    check_steps("selective_scan", **{told: step})
    if state is None:
        state = u.new_zeros((*u.shape[:2], A.shape[1]), dtype=kind)
    run = _backend(choose("selective_scan", backend, u.device, u.dtype, given.values()))
    y, final = run(u, step, A, B, C, state, reverse)
    if D is not None:
        y = y + u * D[:, None]
    if z is not None:
        y = y * torch.nn.functional.silu(z)
    return y.to(u.dtype), final


def selective_scan_step(
    u: Float[Tensor, "B D"],
    delta: Float[Tensor, "B D"],
    A: Float[Tensor, "D N"],
    B: Float[Tensor, "B *G N"],
    C: Float[Tensor, "B *G N"],
    state: Float[Tensor, "B D N"],
    *,
    D: Float[Tensor, " D"] | None = None,
    z: Float[Tensor, "B D"] | None = None,
    delta_bias: Float[Tensor, " D"] | None = None,
    delta_softplus: bool = False,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D N"]]:
    """One more token, in constant time and memory: what `selective_scan` gives for it."""
    given = dict(u=u, delta=delta, A=A, B=B, C=C, z=z)
    check_shapes("selective_scan_step", given, of_one_token(_shapes(getattr(B, "ndim", 2) == 3)))
    y, final = selective_scan(
        *(u[..., None], delta[..., None], A, B[..., None], C[..., None]),
        D=D,
        z=None if z is None else z[..., None],
        delta_bias=delta_bias,
        delta_softplus=delta_softplus,
        state=state,
        backend=backend,
    )
    return y[..., 0], final


def _shapes(groups: bool) -> dict[str, str]:
    return SHAPES if groups else {**SHAPES, "B": "B N L", "C": "B N L"}


def _step_size(delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    if bias is not None:
        delta = delta + bias[:, None]
    return torch.nn.functional.softplus(delta) if softplus else delta


def _check_groups(channels: int, groups: int) -> None:
    if groups < 1 or channels % groups:
        raise ValueError(
            f"selective_scan: B has {groups} groups, axis 1, and u {channels} channels; expected a "
            "number of groups that divides the channels"
        )


def _backend(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    if name == "triton":
        from drivelab.kernels.sequence.selective_scan.gpu import selective_scan_triton

        return selective_scan_triton
    return {"ref": ref.forward, "torch": chunk.forward, "numba": selective_scan_numba}[name]
