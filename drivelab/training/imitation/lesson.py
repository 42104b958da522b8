"""What is taught: scenes to learn from and scenes to be tried on, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from drivelab.agents.features import FEATURES, FeatureOptions, expand
from drivelab.data.array_store import digest_of
from drivelab.errors import ConfigError
from drivelab.training.feature_cache import FeatureCache
from drivelab.training.together import Share

Batch = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]  # features, targets


@dataclass(frozen=True, slots=True)
class Lesson:
    """Scenes with their features.

    Attributes:
        train: cache of the scenes to learn from.
        train_ids: which of them.
        validation: cache of the scenes to be tried on.
        validation_ids: which of them.
    """

    train: FeatureCache
    train_ids: tuple[str, ...]
    validation: FeatureCache
    validation_ids: tuple[str, ...]

    @property
    def options(self) -> FeatureOptions:
        """Of the features of both."""
        return self.train.recipe.options

    @property
    def digest(self) -> str:
        """Tells one choice of scenes, in their order, from another."""
        return digest_of([self.train_ids, self.validation_ids])

    def updates(self, batch: int) -> int:
        """Whole batches of an epoch.

        Raises:
            ConfigError: there is not even one.
        """
        if batch > len(self.train_ids):
            raise ConfigError(
                f"batch={batch}, all of an update: more than the {len(self.train_ids)} training "
                "scenes; choose a smaller batch, or more scenes (limit=)"
            )
        return len(self.train_ids) // batch


def order_of(count: int, seed: int, epoch: int) -> np.ndarray:
    """In which order an epoch goes through the scenes; needs nothing of the epochs before."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(
    lesson: Lesson, *, seed: int, epoch: int, batch: int, first: int = 0, loaders: int = 0,
    share: Share | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """Batches of an epoch from the `first`-th on; a last one that is not whole is left out."""
    share = share or Share()
    order = order_of(len(lesson.train_ids), seed, epoch)
    rows = [
        order[begin : begin + batch][share.rank :: share.of].tolist()
        for begin in range(first * batch, lesson.updates(batch) * batch, batch)
    ]
    yield from _loaded(lesson.train, lesson.train_ids, rows, loaders)


def in_turn(cache: FeatureCache, ids: Sequence[str], batch: int) -> Iterator[Batch]:
    """All scenes in order, in batches of at most so many."""
    rows = [list(range(b, min(b + batch, len(ids)))) for b in range(0, len(ids), batch)]
    yield from _loaded(cache, ids, rows, 0)


class _Scenes(Dataset[dict[str, np.ndarray]]):
    def __init__(self, cache: FeatureCache, ids: Sequence[str]) -> None:
        self.cache, self.ids = cache, tuple(ids)

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        return self.cache.load(self.ids[row])

    def __len__(self) -> int:
        return len(self.ids)


def _loaded(
    cache: FeatureCache, ids: Sequence[str], rows: list[list[int]], loaders: int
) -> Iterator[Batch]:
    loader: DataLoader[Any] = DataLoader(
        _Scenes(cache, ids),
        batch_sampler=rows,
        num_workers=loaders,
        collate_fn=_stacked,
        multiprocessing_context="spawn" if loaders else None,
    )
    for stacked in loader:
        arrays = expand(stacked, cache.recipe.options)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        features = {name: tensors.pop(name) for name in FEATURES if name in tensors}
        yield features, tensors


def _stacked(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
