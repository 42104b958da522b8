"""The causal depthwise convolution on a GPU: one launch a direction; `gpu/local.py` says how."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from drivelab.kernels.sequence.custom import alike, operator
from drivelab.kernels.sequence.gpu import local
from drivelab.kernels.sequence.gpu.device import check, on_device

OP = "causal_conv1d"


def forward(x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool) -> tuple[Tensor, Tensor]:
    """Outputs like x, and the last inputs like the state."""
    check(OP, {}, x, w, b, state)
    given = _dense(w, b, state)
    y, final = torch.empty_like(x), torch.empty(state.shape, dtype=state.dtype, device=x.device)
    grid, tile = _grid(x, w)
    if 0 not in grid:
        with on_device(x):
            local.convolve[grid](
                *(x, *given, y, final, *x.stride(), *y.stride(), *x.shape[1:]), SILU=silu, **tile
            )
    return y, final


def backward(
    x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool, grad_y: Tensor, grad_final: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of x, w, b and the state."""
    given, last = _dense(w, b, state), grad_final.contiguous()
    dx, start = torch.empty_like(x), torch.empty(state.shape, dtype=state.dtype, device=x.device)
    grid, tile = _grid(x, w)
    kind = {"dtype": torch.float32, "device": x.device}
    dw = torch.empty(grid[0] * x.shape[0], *w.shape, **kind)
    db = torch.empty(grid[0] * x.shape[0], *b.shape, **kind)
    if 0 not in grid:
        with on_device(x):
            local.convolve_back[grid](
                *(x, *given, grad_y, last, dx, dw, db, start),
                *(*x.stride(), *grad_y.stride(), *dx.stride(), *x.shape[1:]),
                SILU=silu,
                **tile,
            )
    return dx, _like(dw.sum(0), w), _like(db.sum(0), b), _like(start, state)


def _dense(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(one.contiguous() for one in tensors)


def _like(found: Tensor, like: Tensor) -> Tensor:
    return torch.empty_like(like).copy_(found)


def _grid(x: Tensor, w: Tensor) -> tuple[tuple[int, int, int], dict[str, int | bool]]:
    """Programs along tokens, channels and sequences, and the tile of each.

    A tile is long where memory is: along tokens, or along channels of (B, L, D) seen as (B, D, L).
    """
    batch, channels, tokens = x.shape
    places = tokens + w.shape[1] - 1
    wide = x.stride(1) == 1 and x.stride(2) != 1
    d = min(64 if wide else 4, triton.next_power_of_2(max(channels, 1)))
    c = min(16 if wide else 256, triton.next_power_of_2(max(places, 1)))
    tile: dict[str, int | bool] = {"W": w.shape[1], "D": d, "C": c}
    tile.update(num_warps=4, enable_fp_fusion=True)
    return (triton.cdiv(places, c), triton.cdiv(channels, d), batch), tile


def _fake(x: Tensor, w: Tensor, b: Tensor, state: Tensor, silu: bool) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), state.new_empty(state.shape)


causal_conv1d_triton = operator(
    f"{OP}_triton",
    "x w b state",
    "bool silu",
    2,
    forward=forward,
    backward=backward,
    fake=_fake,
    fake_gradients=alike,
)
