"""What a run of imitation is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivelab.agents.learned.driver import PRECISIONS
from drivelab.errors import ConfigError, nearest_name
from drivelab.training.imitation.curves import CURVES

LARGEST_SEED = 2**32 - 1  # of the network library's generators
Say = Callable[[str], None]

_COUNTS = ("epochs", "batch", "accumulate", "validation", "look_every", "threads", "workers")
_POSITIVE = ("learning_rate", "clip", "save_every")
_SHARES = ("warmup", "ema")


@dataclass(frozen=True, slots=True)
class ImitationSettings:
    """Sizes, rates and limits.

    Attributes:
        folder: where everything of the run is kept.
        seed: of weights, order, dropout and noise.
        epochs: passes over the training scenes.
        batch: scenes of a forward pass, over all workers.
        accumulate: forward passes of an update.
        learning_rate: of AdamW, after the warm-up; it falls to 0 along a cosine.
        weight_decay: of AdamW; biases and norms are left alone.
        warmup: share of the updates in which the rate rises from 0.
        clip: largest norm of the gradient of an update.
        ema: decay of the mean of the weights, which is what is validated and kept.
        precision: of products, "fp32" or "bf16".
        validation: scenes of a look.
        look_every: epochs between two looks.
        patience: looks without a better one after which it ends; None: never early.
        minutes: of wall time of this call after which it pauses, to be resumed; None: never.
        save_every: seconds between two checkpoints.
        loaders: processes that read features; 0 reads in this one.
        threads: of the network library, in each worker.
        workers: that share each batch, through Ray Train if more than one.
        device: "cpu", "cuda", "cuda:N".
        curves: where numbers go beside progress.jsonl: "tensorboard", "wandb", or None.
    """

    folder: Path
    seed: int = 0
    epochs: int = 20
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    clip: float = 100.0
    ema: float = 0.998
    precision: str = "fp32"
    validation: int = 300
    look_every: int = 2
    patience: int | None = None
    minutes: float | None = None
    save_every: float = 300.0
    loaders: int = 0
    threads: int = 2
    workers: int = 1
    device: str = "cpu"
    curves: str | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            self._require(name, getattr(self, name) >= 1, "1 or more")
        for name in _POSITIVE:
            self._require(name, getattr(self, name) > 0, "a number above 0")
        for name in _SHARES:
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        self._require("weight_decay", self.weight_decay >= 0, "0 or more")
        self._require("loaders", self.loaders >= 0, "0 or more")
        self._require("patience", self.patience is None or self.patience >= 1, "1 or more, or null")
        self._require("minutes", self.minutes is None or self.minutes > 0, "above 0, or null")
        self._require("seed", 0 <= self.seed <= LARGEST_SEED, f"0 to {LARGEST_SEED}")
        self._require(
            "precision", self.precision in PRECISIONS,
            f"one of {', '.join(PRECISIONS)}{nearest_name(self.precision, PRECISIONS)}",
        )  # fmt: skip
        self._require(
            "curves", self.curves is None or self.curves in CURVES,
            f"one of {', '.join(CURVES)}, or null",
        )  # fmt: skip
        self._require("batch", self.batch % self.workers == 0, "a multiple of workers")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name}={getattr(self, name)}: expected {expected}")
