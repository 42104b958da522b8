"""What a training run is asked for, beside its algorithm and its environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivelab.errors import ConfigError, nearest_name

LARGEST_SEED = 2**32 - 1  # of the network library's generators
DEVICES = ("cpu", "cuda")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Limits and seeds of a run.

    Attributes:
        folder: where everything of the run is kept.
        seed: of weights, exploration and training episodes.
        minutes: wall time for learning; counts on where a run is resumed.
        steps: environment steps for learning instead of minutes; equal results on one machine.
        every: seconds between two looks at the validation episodes, log lines and checkpoints.
        validation: episodes of such a look.
        trials: unseen episodes of the last test.
        threads: of the network library.
        device: "cpu", "cuda", or "cuda:N" for one of several.
    """

    folder: Path
    seed: int = 0
    minutes: float = 15.0
    steps: int | None = None
    every: float = 60.0
    validation: int = 64
    trials: int = 100
    threads: int = 2
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("minutes", "every", "validation", "trials", "threads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)}: expected a number above 0")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps={self.steps}: expected a number above 0, or null")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ConfigError(f"seed={self.seed}: expected 0 to {LARGEST_SEED}")
        if self.device.partition(":")[0] not in DEVICES:
            raise ConfigError(
                f"device={self.device}: expected one of {', '.join(DEVICES)}"
                f"{nearest_name(self.device, DEVICES)}"
            )
