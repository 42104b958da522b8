"""The norm with and without a gate on a GPU: one launch a direction; `gpu/local.py` says how."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from drivelab.kernels.sequence.custom import alike, operator
from drivelab.kernels.sequence.gpu import local
from drivelab.kernels.sequence.gpu.device import check, on_device

OP = "rmsnorm_gated"
CELLS = 4096  # of a tile
WIDEST = 16384  # channels that are normed together
TOGETHER = 8  # tiles of a program on the way back, whose gradients of w are one row


def forward(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool
) -> Tensor:
    """Outputs like x; a z without elements gates nothing."""
    check(OP, {}, x, w, z)
    _check_group(group)
    rows, weight, gates = _rows(x), w.contiguous(), _rows(z)
    out, (parts, tile) = torch.empty(x.shape, dtype=x.dtype, device=x.device), _tile(rows, group)
    if x.numel():
        with on_device(x):
            local.normalize[(parts, x.shape[-1] // group)](
                *(rows, weight, gates, out, *rows.shape, group, eps),
                GATED=z.numel() > 0,
                BEFORE=norm_before_gate,
                **tile,
            )
    return out


def backward(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, w and z."""
    rows, weight, gates, seen = _rows(x), w.contiguous(), _rows(z), _rows(grad)
    dx, dz = torch.empty_like(rows), torch.empty_like(gates)
    parts, tile = _tile(rows, group)
    parts = triton.cdiv(parts, TOGETHER)
    dw = torch.empty(parts, x.shape[-1], dtype=torch.float32, device=x.device)
    if x.numel():
        with on_device(x):
            local.normalize_back[(parts, x.shape[-1] // group)](
                *(rows, weight, gates, seen, dx, dw, dz, *rows.shape, group, eps, TOGETHER),
                GATED=z.numel() > 0,
                BEFORE=norm_before_gate,
                **tile,
            )
    return _like(dx, x), _like(dw.sum(0), w), _like(dz, z)


def _check_group(group: int) -> None:
    if group > WIDEST:
        raise ValueError(
            f"{OP}: backend='triton' norms at most {WIDEST} channels together, group is {group}; "
            "use backend='torch'"
        )


def _rows(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1, tensor.shape[-1]).contiguous()


def _like(found: Tensor, like: Tensor) -> Tensor:
    return torch.empty_like(like).copy_(found.view(like.shape))


def _tile(rows: Tensor, group: int) -> tuple[int, dict[str, int | bool]]:
    """Programs along the rows, and the tile of each."""
    wide = triton.next_power_of_2(group)
    tall = min(max(1, CELLS // wide), 64, triton.next_power_of_2(max(rows.shape[0], 1)))
    tile: dict[str, int | bool] = {"R": tall, "P": wide}
    tile.update(num_warps=8 if wide > CELLS else 4, enable_fp_fusion=True)
    return triton.cdiv(rows.shape[0], tall), tile


def _fake(
    x: Tensor, w: Tensor, z: Tensor, eps: float, group: int, norm_before_gate: bool
) -> Tensor:
    return x.new_empty(x.shape)


rmsnorm_gated_triton = operator(
    f"{OP}_triton",
    "x w z",
    "float eps, int group, bool norm_before_gate",
    1,
    forward=forward,
    backward=backward,
    fake=_fake,
    fake_gradients=alike,
)
