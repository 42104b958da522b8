"""Several workers on one run: equal gradients, the same numbers, and one opinion on what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """Which rows of every batch a worker takes: from `rank` on every `of`-th."""

    rank: int = 0
    of: int = 1

    @property
    def first(self) -> bool:
        """The worker that looks, logs and saves."""
        return self.rank == 0


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


def average(numbers: Mapping[str, float]) -> dict[str, float]:
    """Means over all workers, by name; all of them tell the same names in the same order."""
    if not several():
        return dict(numbers)
    told = _told(tuple(numbers.values()))
    distributed.all_reduce(told)
    return dict(zip(numbers, (told / distributed.get_world_size()).tolist(), strict=True))


def of_the_first(*values: float) -> tuple[float, ...]:
    """The numbers as the first worker has them, which looks and keeps the time."""
    if not several():
        return values
    told = _told(values)
    distributed.broadcast(told, 0)
    return tuple(told.tolist())


def given_by_the_first(value: T) -> T:
    """What the first worker has, to all of them; the others' is not looked at."""
    if not several():
        return value
    held = [value]
    distributed.broadcast_object_list(held, 0)
    return held[0]


def _told(values: Sequence[float]) -> Tensor:
    told = torch.tensor(values, dtype=torch.float64)
    return told.cuda() if distributed.get_backend() == "nccl" else told
