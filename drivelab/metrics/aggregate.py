"""Means over the rows of a run, and the metrics whose aggregate is no more than that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float


def mean_over_valid(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, float]:
    """Mean of each column over the rows with status ok; NaN entries are skipped, as officially."""
    valid = [row for row in rows if row.get("status", "ok") == "ok"]
    means: dict[str, float] = {}
    for column in columns:
        values = np.array([row[column] for row in valid], float)
        values = values[~np.isnan(values)]
        means[column] = float(values.mean()) if len(values) else float("nan")
    return means


class MeanOfScenes:
    """For metrics whose rows stand alone and come together as a plain mean."""

    subscores: tuple[str, ...]

    def finish(
        self,
        rows: Sequence[dict[str, Any]],
        states: Callable[[str], Float[np.ndarray, "t 11"]],
    ) -> list[dict[str, Any]]:
        """Nothing depends on other scenes."""
        return list(rows)

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Mean over the valid scenes."""
        return mean_over_valid(rows, ("score", *self.subscores))
