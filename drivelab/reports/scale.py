"""Which way a figure is good, in which unit, and where its scale ends."""

from __future__ import annotations

from dataclasses import dataclass, field

HIGH, LOW = "higher", "lower"


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale from 0 to `top`; None where it has no end, as for distances and counts."""

    unit: str = ""
    top: float | None = 1.0
    better: str = HIGH

    def is_loss(self, value: float) -> bool:
        """Whether a scene's value is worse than the best there is; unknown on open scales."""
        if self.top is None:
            return False
        return value < self.top if self.better == HIGH else value > 0.0

    def is_worst(self, value: float) -> bool:
        """Whether a scene's value is the worst there is."""
        if self.top is None:
            return False
        return value <= 0.0 if self.better == HIGH else value >= self.top

    def text(self, value: float) -> str:
        """A value with its unit, e.g. "0.43 m"."""
        digits = 1 if self.top is not None and self.top > 1.0 else 2
        return f"{value:.{digits}f} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Meaning:
    """Abbreviation, spelled-out name, explanation and scale of a sub-score."""

    short: str
    name: str
    text: str
    scale: Scale = field(default_factory=Scale)
