"""Tensors as flat arrays with a first element and steps, so that compiled code needs no copies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Stream(NamedTuple):
    """Elements of a (batch, head, token, channel) tensor whose channels lie side by side."""

    flat: np.ndarray
    steps: tuple[int, int, int, int]  # from one sequence, head, token to the next; heads


def stream(tensor: Tensor) -> Stream:
    """View a (B, H, L, D) tensor on the CPU; only channels that are apart are copied."""
    if not side_by_side(tensor):
        tensor = tensor.contiguous()
    shape, steps = tensor.shape, tensor.stride()
    if tensor.is_contiguous():
        flat = tensor.detach().view(-1)
    else:
        span = 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
        flat = tensor.detach().as_strided((span if tensor.numel() else 0,), (1,))
    return Stream(flat.numpy(), (*steps[:3], shape[1]))


class Call(tuple):
    """Tensors as (flat arrays, their steps)."""

    __slots__ = ()

    def __new__(cls, *tensors: Tensor) -> Call:
        """View them, or copy those whose channels are apart."""
        parts = [stream(tensor) for tensor in tensors]
        return super().__new__(cls, (tuple(p.flat for p in parts), tuple(p.steps for p in parts)))


def side_by_side(tensor: Tensor) -> bool:
    """Whether the last axis has no gaps."""
    return tensor.shape[-1] <= 1 or tensor.stride(-1) == 1


def room_like(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Memory laid out as a tensor is, but its last axis without gaps: a `stream` can be written."""
    if side_by_side(tensor):
        return torch.empty_like(tensor, dtype=dtype or tensor.dtype)
    return tensor.new_empty(tensor.shape, dtype=dtype or tensor.dtype)


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 where all are, float32 for everything shorter: states are never half precision."""
    doubled = all(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if doubled else torch.float32
