from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrajectorySampling:
    """Any two of the three say the third."""

    num_poses: int | None = None
    time_horizon: float | None = None
    interval_length: float | None = None

    def __post_init__(self) -> None:
        if self.num_poses is None:
            object.__setattr__(self, "num_poses", int(self.time_horizon / self.interval_length))
