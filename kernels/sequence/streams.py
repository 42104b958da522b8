"""Tensors as flat arrays with a first element and steps, so that compiled code needs no copies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Steps = tuple[int, int, int, int]  # from one sequence, head, token to the next; heads


class Call(NamedTuple):
    """Tensors (B, H, L, D) as flat arrays, with the steps in them."""

    flats: tuple[np.ndarray, ...]
    steps: tuple[Steps, ...]


def flatten(dtype: torch.dtype, *tensors: Tensor) -> Call:
    """View tensors on the CPU; only those of another type or with channels apart are copied."""
    parts = [_flat(x if x.dtype == dtype else x.to(dtype)) for x in tensors]
    return Call(tuple(flat for flat, _ in parts), tuple(steps for _, steps in parts))


def _flat(tensor: Tensor) -> tuple[np.ndarray, Steps]:
    if tensor.requires_grad:
        tensor = tensor.detach()
    if not side_by_side(tensor):
        tensor = tensor.contiguous()
    sequences, heads, tokens, channels = tensor.shape
    one, two, three, _ = tensor.stride()
    span = (sequences - 1) * one + (heads - 1) * two + (tokens - 1) * three + channels
    span = span if sequences and heads and tokens and channels else 0
    return tensor.as_strided((span,), (1,)).numpy(), (one, two, three, heads)


def side_by_side(tensor: Tensor) -> bool:
    """Whether the last axis has no gaps."""
    return tensor.shape[-1] <= 1 or tensor.stride(-1) == 1


def room_like(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Memory laid out as a tensor is, but its last axis without gaps: a `stream` can be written.

    What counts is the layout of the room itself: where another axis has step 1 too, as windows
    that overlap have, torch may put that one last.
    """
    room = torch.empty_like(tensor, dtype=dtype or tensor.dtype)
    return room if side_by_side(room) else tensor.new_empty(room.shape, dtype=room.dtype)


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 where one is, float32 for everything shorter: states are never half precision."""
    doubled = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if doubled else torch.float32
