"""How much learning is left: by the clock, or by environment steps."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from drivelab.training.settings import TrainSettings


@dataclass(slots=True)
class Budget:
    """Counts learning time and steps of a run, over all its sessions."""

    settings: TrainSettings
    spent: float = 0.0  # seconds in earlier sessions
    steps: int = 0
    _began: float | None = None

    def start(self) -> None:
        """Begin to count time."""
        self._began = monotonic()

    def pause(self) -> None:
        """Stop counting time, as while the policy is only looked at."""
        self.spent, self._began = self.seconds, None

    @property
    def seconds(self) -> float:
        """Learning time so far."""
        return self.spent + (0.0 if self._began is None else monotonic() - self._began)

    @property
    def left(self) -> float:
        """Share that is left, 1 at the start and 0 at the end."""
        asked = self.settings
        if asked.steps is not None:
            return max(1.0 - self.steps / asked.steps, 0.0)
        return max(1.0 - self.seconds / (60.0 * asked.minutes), 0.0)
