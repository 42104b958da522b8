"""Two-frame extended comfort: do the plans of neighbouring frames agree in how they feel?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.kernels.comfort import apply_filter, filter_matrix
from drivelab.metrics.navsim.rules import DT

LIMITS = np.array([0.7, 0.5, 0.1, 0.1])  # acceleration, jerk, yaw rate, yaw acceleration (RMS)
LONGEST_GAP = 0.55  # [s]


def _features(states: Float[np.ndarray, "t 11"]) -> Float[np.ndarray, "4 t"]:
    count = len(states)
    magnitude = np.hypot(states[:, 5], states[:, 6])
    yaw = np.unwrap(states[:, 2])
    smooth = apply_filter(filter_matrix(count, 8, 2, 0, DT), magnitude)
    return np.stack(
        [
            smooth,
            apply_filter(filter_matrix(count, 15, 2, 1, DT), smooth),
            apply_filter(filter_matrix(count, 5, 2, 1, DT), yaw),
            apply_filter(filter_matrix(count, 5, 2, 2, DT), yaw),
        ]
    )


def two_frame_differences(
    previous: Float[np.ndarray, "41 11"], current: Float[np.ndarray, "41 11"], gap: float
) -> Float[np.ndarray, "4"]:
    """RMS of the differences over the shared time; `gap` [s] is how much later `current` starts."""
    steps = round(gap / DT)
    ahead = _features(current[: len(current) - steps])
    return np.sqrt(np.mean((ahead - _features(previous[steps:])) ** 2, axis=1))


def two_frame_comfort(
    previous: Float[np.ndarray, "41 11"], current: Float[np.ndarray, "41 11"], gap: float
) -> float:
    """1 when all four differences are within their limits."""
    return float((two_frame_differences(previous, current, gap) <= LIMITS).all())


def add_two_frame_comfort(
    rows: Sequence[dict[str, Any]], states: Callable[[str], Float[np.ndarray, "t 11"]]
) -> list[dict[str, Any]]:
    """Fill the column from the preceding row of the same log, at most 0.55 s before.

    Rows carry `scene`, `log`, `time` [us] and `status`; the others get NaN.
    """
    column = "two_frame_extended_comfort"
    usable = sorted(
        (row for row in rows if row.get("status", "ok") == "ok"),
        key=lambda row: (row["log"], row["time"]),
    )
    values: dict[str, float] = {}
    for before, row in pairwise(usable):
        gap = (row["time"] - before["time"]) * 1e-6
        if row["log"] == before["log"] and 0.0 < gap < LONGEST_GAP:
            values[row["scene"]] = two_frame_comfort(
                states(before["scene"]), states(row["scene"]), gap
            )
    return [{**row, column: values.get(row["scene"], float("nan"))} for row in rows]
