"""The selective scan on a GPU; `gpu/selective.py` says how."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from drivelab.kernels.sequence.custom import alike, operator
from drivelab.kernels.sequence.gpu import selective
from drivelab.kernels.sequence.gpu.device import check, on_device

OP = "selective_scan"
CHANNELS = 4  # of a program
TILE = 128  # tokens


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """Outputs (B, D, L) and the final state, in float32."""
    check(OP, {"the state": A.shape[1]}, u, delta, A, B, C, state)
    given = tuple(one.contiguous() for one in (u, delta, A, B, C))
    y = torch.empty(u.shape, dtype=torch.float32, device=u.device)
    start = state.float().contiguous()
    if not y.numel():
        return y, start.clone()
    final = torch.empty_like(start)
    _walk(given, start, y, final, y, reverse, False)
    return y, final


def backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool,
    grad_y: Tensor, grad_final: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of u, delta, A, B, C and the first state."""
    tensors = (u, delta, A, B, C, state)
    if not u.numel():
        zeros = (torch.zeros_like(one) for one in tensors[:-1])
        return (*zeros, grad_final.to(state.dtype).clone())
    given = tuple(one.contiguous() for one in tensors[:-1])
    start, last = state.float().contiguous(), grad_final.float().contiguous()
    kind = {"dtype": torch.float32, "device": u.device}
    tiles = triton.cdiv(u.shape[2], _tile(u.shape[2]))
    marks = torch.empty(*u.shape[:2], tiles, A.shape[1], **kind)
    _walk(given, start, marks, marks, marks, reverse, True)
    du, ddelta = (torch.empty(u.shape, **kind) for _ in range(2))
    rates, dstate = (torch.empty(start.shape, **kind) for _ in range(2))
    db, dc = (torch.zeros(B.shape, **kind) for _ in range(2))
    sizes, grid, tile = _sizes(given)
    with on_device(u):
        selective.backward[grid](
            *(*given, marks, grad_y.contiguous(), last, du, ddelta, rates, db, dc, dstate, *sizes),
            REVERSE=reverse,
            **tile,
        )
    grads = (du, ddelta, rates.sum(0), db, dc, dstate)
    return tuple(
        torch.empty_like(like).copy_(grad) for grad, like in zip(grads, tensors, strict=True)
    )


def _walk(
    given: tuple[Tensor, ...], start: Tensor, y: Tensor, final: Tensor, marks: Tensor,
    reverse: bool, mark: bool,
) -> None:  # fmt: skip
    sizes, grid, tile = _sizes(given)
    with on_device(start):
        selective.forward[grid](
            *(*given, start, y, final, marks, *sizes), REVERSE=reverse, MARK=mark, **tile
        )


def _tile(tokens: int) -> int:
    return min(TILE, max(16, triton.next_power_of_2(tokens)))


def _sizes(
    given: tuple[Tensor, ...],
) -> tuple[tuple[int, ...], tuple[int], dict[str, int | bool]]:
    """Numbers that a launch is given: sizes, grid, and what it is compiled for."""
    u, _, rates, b, _ = given
    (batch, channels, tokens), groups, numbers = u.shape, b.shape[1], rates.shape[1]
    parts = triton.cdiv(channels // groups, CHANNELS)
    tile: dict[str, int | bool] = {
        "D": CHANNELS,
        "C": _tile(tokens),
        "N": triton.next_power_of_2(numbers),
        "num_warps": 4,
        "enable_fp_fusion": True,
    }
    return (channels, tokens, numbers, groups, parts), (batch * groups * parts,), tile


def _fake(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    kind = torch.float32
    return u.new_empty(u.shape, dtype=kind), state.new_empty(state.shape, dtype=kind)


selective_scan_triton = operator(
    f"{OP}_triton",
    "u delta A B C state",
    "bool reverse",
    2,
    forward=forward,
    backward=backward,
    fake=_fake,
    fake_gradients=alike,
)
