"""Numbers of a run as curves elsewhere: TensorBoard or Weights & Biases, if asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from drivelab.errors import MissingExtra

CURVES = ("tensorboard", "wandb")
EVERY = 10  # updates between two points of a curve


class Curves(Protocol):
    """Takes numbers by name as they come."""

    def add(self, update: int, values: Mapping[str, float]) -> None:
        """Points of several curves at one update."""


def check_curves(kind: str | None) -> None:
    """Raise MissingExtra unless the package is installed; nothing is imported."""
    if kind is not None and importlib.util.find_spec(kind) is None:
        raise MissingExtra(kind, extra="curves")


def open_curves(kind: str | None, folder: Path) -> Curves | None:
    """Where the numbers go beside progress.jsonl; None where nowhere.

    Raises:
        MissingExtra: the package is not installed.
    """
    if kind is None:
        return None
    return _TensorBoard(folder) if kind == "tensorboard" else _WeightsAndBiases(folder)


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtra("tensorboard", extra="curves") from error
        self._writer = SummaryWriter(folder / "tensorboard")  # type: ignore[no-untyped-call]

    def add(self, update: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, update)  # type: ignore[no-untyped-call]
        self._writer.flush()  # type: ignore[no-untyped-call]


class _WeightsAndBiases:
    def __init__(self, folder: Path) -> None:
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise MissingExtra("wandb", extra="curves") from error
        self._run: Any = wandb.init(  # the same folder goes on with the same curves
            project="drivelab", name=folder.name, id=folder.name, resume="allow", dir=str(folder)
        )

    def add(self, update: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=update)
