"""Tensors as the kernels take them: channels side by side, steps in elements, no float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from drivelab.kernels.sequence.backends import interpreted
from drivelab.kernels.sequence.gpu.schedule import WIDEST


def check(op: str, channels: dict[str, int], *tensors: Tensor) -> None:
    """Refuse what the kernels cannot compute.

    Raises:
        ValueError: float64, or more channels than a program's registers hold.
    """
    if any(tensor.dtype == torch.float64 for tensor in tensors):
        raise ValueError(
            f"{op}: backend='triton' computes in float32 and the tensors are float64; use "
            "backend='torch', or convert them"
        )
    for name, size in channels.items():
        if size > WIDEST:
            raise ValueError(
                f"{op}: backend='triton' takes at most {WIDEST} channels and {name} has {size}; "
                "use backend='torch', or more heads"
            )


def side_by_side(tensor: Tensor) -> Tensor:
    """The tensor, or a copy, with its last axis contiguous."""
    return tensor if tensor.stride(-1) == 1 or tensor.shape[-1] == 1 else tensor.contiguous()


def steps(tensor: Tensor) -> tuple[int, int, int]:
    """Elements from one sequence, head and token of a (B, H, L, D) tensor to the next."""
    return tensor.stride(0), tensor.stride(1), tensor.stride(2)


def settled(found: Tensor, like: Tensor) -> Tensor:
    """A result in the layout and type that `torch.empty_like` promises."""
    want = torch.empty_like(like)
    if found.dtype == want.dtype and found.stride() == want.stride():
        return found
    return want.copy_(found)


def exact(*factors: Tensor) -> bool:
    """Whether products keep the mantissa of float32; bfloat16 and float16 inputs have none."""
    full = any(factor.dtype == torch.float32 for factor in factors)
    return full and torch.get_float32_matmul_precision() == "highest"


def operand(*factors: Tensor) -> tuple[Any, str]:
    """Element type of the factors of matrix products, and the precision of float32 ones.

    Factors are inputs times decays, whose range half precision has not: float16 is multiplied as
    tf32, which has its mantissa and the range of float32. Float32 is split into three tf32 terms
    unless `torch.set_float32_matmul_precision` allows less.
    """
    short = all(factor.dtype == torch.bfloat16 for factor in factors)
    if short and not interpreted():  # it multiplies the bits of bfloat16 as whole numbers
        return tl.bfloat16, "tf32"
    return tl.float32, "tf32x3" if exact(*factors) else "tf32"


@contextmanager
def on_device(tensor: Tensor) -> Iterator[None]:
    """Launch on the tensor's device, whichever is current; nothing to do in the interpreter."""
    if tensor.device.type == "cuda":
        with torch.cuda.device(tensor.device):
            yield
    else:
        yield
