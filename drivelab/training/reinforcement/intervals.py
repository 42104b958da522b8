"""Bootstrap intervals of RAD's nine metrics over clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.rad import paper

DISTANCE, STEPS = "average_deviation_distance", "safe_steps"
RESAMPLES = 10_000


def metric_intervals(
    rows: Sequence[Mapping[str, Any]], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of `score` and the nine metrics, clips drawn with replacement.

    The distance is a mean over all safe steps, so that a clip counts by its length in every draw.

    Args:
        rows: of clips, as `judge_clips` has them.
        seed: of the draws.
        resamples: how many.

    Raises:
        DataError: no rows.
    """
    if not rows:
        raise DataError("no clips; an interval needs one or more", where="rows")
    draws = np.random.default_rng(seed)
    counts = draws.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)), resamples)
    lengths = np.array([row[STEPS] for row in rows], float)
    found = {}
    for name in ("score", *paper().subscores):
        values = np.array([row[name] for row in rows], float)
        weights = lengths if name == DISTANCE else np.ones(len(rows))
        means = (counts @ (weights * values)) / (counts @ weights)
        low, high = np.quantile(means, [0.025, 0.975])
        found[name] = (float(low), float(high))
    return found
