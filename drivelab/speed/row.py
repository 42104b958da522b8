"""What one runner took for one job."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A figure and what it is held against."""

    job: str  # e.g. "gla forward"
    size: int  # tokens, or pixels along an image's side
    runner: str  # whose code
    ms: float
    mb: float | None = None  # peak above the inputs
    error: float | None = None  # largest difference from the definition over its largest value
    limit: float | None = None  # time that was asked of the runner [ms]
    work: float | None = None  # arithmetic [GFLOP]

    def record(self) -> dict[str, Any]:
        """As a mapping for JSON."""
        return asdict(self)
