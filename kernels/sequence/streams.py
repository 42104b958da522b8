"""Tensors as flat arrays with a first element and steps, so that compiled code needs no copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


class Stream(NamedTuple):
    """Elements of a (batch, head, token, channel) tensor whose channels lie side by side."""

    flat: np.ndarray
    steps: tuple[int, int, int]  # from one sequence, head, token to the next
    heads: int


def stream(tensor: Tensor) -> Stream:
    """View a (B, H, L, D) tensor on the CPU; only channels that are apart are copied."""
    if tensor.shape[3] > 1 and tensor.stride(3) != 1:
        tensor = tensor.contiguous()
    span = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    size = span if tensor.numel() else 0
    flat = torch.as_strided(tensor.detach(), (size,), (1,), tensor.storage_offset())
    steps = (tensor.stride(0), tensor.stride(1), tensor.stride(2))
    return Stream(flat.numpy(), steps, tensor.shape[1])


def places(streams: Sequence[Stream], batch: int, heads: int) -> Int[np.ndarray, "n s"]:
    """Element at which each head begins in each stream; heads of a sequence follow each other.

    A stream of fewer heads serves several neighbours with each.
    """
    b, h = np.divmod(np.arange(batch * heads), heads)
    return np.stack(
        [b * one.steps[0] + h * one.heads // heads * one.steps[1] for one in streams], axis=1
    )


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 where all are, float32 for everything shorter: states are never half precision."""
    doubled = all(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if doubled else torch.float32
