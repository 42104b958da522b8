"""A bootstrap interval of a mean over scenes (Efron 1979, percentile method)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000
CELLS = 2_000_000  # drawn indices held in memory at once


def mean_interval(
    values: Float[np.ndarray, " n"], seed: int, *, resamples: int = RESAMPLES, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean of `values`, drawn with replacement."""
    values = np.asarray(values, float)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    chunk = max(1, CELLS // len(values))
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        drawn = generator.integers(0, len(values), (count, len(values)))
        means[start : start + count] = values[drawn].mean(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
