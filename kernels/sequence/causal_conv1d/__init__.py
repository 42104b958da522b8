"""Causal depthwise convolution of a few taps, as Mamba puts before its scans (arXiv 2312.00752).

y_t = b + sum_i w_i x_{t-W+1+i}, then silu or nothing; the state is the last W-1 inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose
from drivelab.kernels.sequence.causal_conv1d import ref, whole
from drivelab.kernels.sequence.causal_conv1d.compiled import causal_conv1d_numba
from drivelab.kernels.sequence.checks import check_mask, check_shapes, of_one_token

SHAPES = {"x": "B D L", "w": "D W", "b": "D"}


def causal_conv1d(
    x: Float[Tensor, "B D L"],
    w: Float[Tensor, "D W"],
    b: Float[Tensor, " D"] | None = None,
    *,
    state: Float[Tensor, "B D W-1"] | None = None,
    act: Literal["silu"] | None = None,
    reverse: bool = False,
    mask: Bool[Tensor, "B L"] | None = None,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B D L"], Float[Tensor, "B D W-1"]]:
    """Outputs, and the last W-1 inputs.

    Args:
        x: inputs of each channel.
        w: taps of each channel, that of the token itself last.
        b: bias; 0 unless told.
        state: the inputs before the first token; zeros unless told.
        act: "silu" of the outputs, or None.
        reverse: walk from the last token to the first.
        mask: true at real tokens; they are convolved as if alone, the others read 0.
        backend: "auto", "ref", "torch", "numba" or "triton".

    Raises:
        ValueError: shapes, devices, act, or a backend that cannot run here.
        TypeError: not a floating tensor.
        ImportError: the backend's package is not installed.
    """
    op = "causal_conv1d"
    check_shapes(op, {"x": x, "w": w, "b": b}, SHAPES)
    check_mask(op, mask, x.shape[0], x.shape[2], x.device)
    if act not in ("silu", None):
        raise ValueError(f"{op}: act={act!r}; expected 'silu' or None")
    state = _first_state(x, w, state)
    b = w.new_zeros(w.shape[0]) if b is None else b
    run = _backend(choose(op, backend, x.device, x.dtype, (x, w, b, state)))
    x = x.flip(2) if reverse else x
    if mask is None:
        y, final = run(x, w, b, state, act == "silu")
    else:
        y, final = _packed(run, x, w, b, state, act == "silu", mask.flip(1) if reverse else mask)
    return (y.flip(2) if reverse else y), final


def causal_conv1d_step(
    x: Float[Tensor, "B D"],
    w: Float[Tensor, "D W"],
    b: Float[Tensor, " D"] | None,
    state: Float[Tensor, "B D W-1"],
    *,
    act: Literal["silu"] | None = None,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D W-1"]]:
    """One more token, in constant time and memory: what `causal_conv1d` gives for it."""
    check_shapes("causal_conv1d_step", {"x": x, "w": w, "b": b}, of_one_token(SHAPES))
    y, final = causal_conv1d(x[..., None], w, b, state=state, act=act, backend=backend)
    return y[..., 0], final


def _first_state(x: Tensor, w: Tensor, state: Tensor | None) -> Tensor:
    """The state, which must hold W-1 inputs."""
    if w.shape[1] < 1:
        raise ValueError(f"causal_conv1d: w has shape {tuple(w.shape)}; expected at least one tap")
    if state is None:
        return x.new_zeros((*x.shape[:2], w.shape[1] - 1))
    check_shapes("causal_conv1d", {"x": x, "state": state}, {"x": "B D L", "state": "B D W-1"})
    if state.shape[2] != w.shape[1] - 1:
        raise ValueError(
            f"causal_conv1d: state has shape {tuple(state.shape)}, axis 2 (W-1) is "
            f"{state.shape[2]}; expected {w.shape[1] - 1}, one less than w's taps"
        )
    return state


def _packed(
    run: Callable[..., tuple[Tensor, Tensor]],
    x: Tensor,
    w: Tensor,
    b: Tensor,
    state: Tensor,
    silu: bool,
    mask: Tensor,
) -> tuple[Tensor, Tensor]:
    """Convolve the real tokens of each row, moved together, and put them back."""
    order = torch.argsort(~mask, dim=1, stable=True)[:, None].expand(x.shape)
    x = x.masked_fill(~mask[:, None], 0).gather(2, order)
    y, _ = run(x, w, b, state, silu)
    y = torch.zeros_like(y).scatter(2, order, y).masked_fill(~mask[:, None], 0)
    behind = mask.sum(1)[:, None, None] + torch.arange(state.shape[2], device=x.device)
    given = torch.cat([state, x.to(state.dtype)], 2)
    return y, given.gather(2, behind.expand(state.shape))


def _backend(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    if name == "triton":
        from drivelab.kernels.sequence.causal_conv1d.gpu import causal_conv1d_triton

        return causal_conv1d_triton
    return {"ref": ref.forward, "torch": whole.forward, "numba": causal_conv1d_numba}[name]
