"""Several workers on one run: equal gradients, and one opinion on when to stop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def several() -> bool:
    """Whether other workers share this run."""
    return distributed.is_available() and distributed.is_initialized()


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Put the mean over all workers in the place of every gradient."""
    if not several():
        return
    count = distributed.get_world_size()
    for parameter in parameters:
        assert parameter.grad is not None
        distributed.all_reduce(parameter.grad)
        parameter.grad /= count


def of_the_first(*values: float) -> tuple[float, ...]:
    """The numbers as the first worker has them, which looks and keeps the time."""
    if not several():
        return values
    told = torch.tensor(values, dtype=torch.float64)
    if distributed.get_backend() == "nccl":
        told = told.cuda()
    distributed.broadcast(told, 0)
    return tuple(told.tolist())
