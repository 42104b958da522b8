"""Means over the rows of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def mean_over_valid(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, float]:
    """Mean of each column over the rows with status ok; NaN entries are skipped, as officially."""
    valid = [row for row in rows if row.get("status", "ok") == "ok"]
    means: dict[str, float] = {}
    for column in columns:
        values = np.array([row[column] for row in valid], float)
        values = values[~np.isnan(values)]
        means[column] = float(values.mean()) if len(values) else float("nan")
    return means
