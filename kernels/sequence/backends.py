"""Which implementation of an op runs: the argument, the environment, or the device decides."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.autograd import forward_ad

VARIABLE = "DRIVELAB_KERNELS"
NAMES = ("ref", "torch", "numba", "triton")
_LOG = logging.getLogger(__name__)


def choose(
    op: str,
    backend: str,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    tensors: Iterable[Tensor | None] = (),
) -> str:
    """Name of the backend to run.

    Args:
        op: for messages.
        backend: "auto" or one of `NAMES`; "auto" reads the variable DRIVELAB_KERNELS first.
        device: where the tensors are.
        dtype: of the first tensor.
        tensors: all of the call; the GPU's kernels know no float64, which "auto" gives to torch.

    Raises:
        ValueError: no such backend, or one that cannot run on the device.
        ImportError: it needs a package that is not installed.
        NotImplementedError: a tensor carries a tangent, and the backend has no rule for them.
    """
    given = [one for one in tensors if one is not None]
    doubled = dtype == torch.float64 or any(one.dtype == torch.float64 for one in given)
    name = _named(op, backend, device, doubled)
    if name in ("numba", "triton"):
        _refuse_tangents(op, name, given)
    return name


def wanted(backend: str) -> str:
    """What the argument asks for, or the variable; "auto" where nobody does."""
    return backend if backend != "auto" else os.environ.get(VARIABLE, "auto") or "auto"


def _named(op: str, backend: str, device: torch.device, doubled: bool) -> str:
    asked = wanted(backend)
    if asked == "auto":
        return _automatic(op, device.type, doubled)
    if asked not in NAMES:
        source = "backend" if backend != "auto" else VARIABLE
        raise ValueError(f"{op}: {source}={asked!r}; expected auto, {', '.join(NAMES)}")
    if asked == "numba" and device.type != "cpu":
        raise ValueError(
            f"{op}: backend='numba' runs on the CPU, the tensors are on {device}; move them, or "
            "use backend='triton' or 'torch'"
        )
    if asked == "triton":
        _need_triton(op, device)
    return asked


def _refuse_tangents(op: str, name: str, tensors: Iterable[Tensor]) -> None:
    """Torch drops tangents at an operator without a rule for them: derivatives would be 0."""
    if forward_ad._current_level < 0:
        return
    for one in tensors:
        if forward_ad.unpack_dual(one).tangent is not None:
            raise NotImplementedError(
                f"{op}: an argument carries a tangent (torch.func.jvp, jacfwd, dual tensors), and "
                f"backend={name!r} has no derivatives in forward mode; use backend='torch'"
            )


def interpreted() -> bool:
    """Whether Triton runs its kernels in Python, on any device: TRITON_INTERPRET=1."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def _need_triton(op: str, device: torch.device) -> None:
    if find_spec("triton") is None:
        raise ImportError(
            f"{op}: backend='triton' needs the package 'triton', which is not installed: "
            "pip install 'drivelab[gpu]'",
            name="triton",
        )
    if device.type != "cuda" and not interpreted():
        raise ValueError(
            f"{op}: backend='triton' needs a GPU, the tensors are on {device}; use "
            "backend='numba' or 'torch' (TRITON_INTERPRET=1 runs them in Python, very slowly)"
        )


@cache
def _automatic(op: str, device: str, doubled: bool) -> str:
    if device == "cpu":
        name = "numba"
    elif device == "cuda" and not doubled and find_spec("triton") is not None:
        name = "triton"
    else:
        name = "torch"
    if not torch.compiler.is_compiling():  # logging cannot be traced
        _LOG.info("%s runs on %s with backend %s", op, device, name)
    return name
