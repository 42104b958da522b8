"""Bootstrap intervals of RAD's nine metrics over clips, and of how two policies differ in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.rad import paper

DISTANCE, STEPS, SPEED = "average_deviation_distance", "safe_steps", "mean_speed"
RESAMPLES = 10_000


def metric_intervals(
    rows: Sequence[Mapping[str, Any]], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of `score`, the nine metrics and the speed, clips drawn again.

    Distance and speed are means over all safe steps, so that a clip counts by its length.

    Args:
        rows: of clips, as `judge_clips` has them.
        seed: of the draws.
        resamples: how many.

    Raises:
        DataError: no rows.
    """
    counts = _draws(rows, seed, resamples)
    return {name: _ends(_means(rows, name, counts)) for name in _names()}


def difference_intervals(
    rows: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float, float]]:
    """By how much `score`, the nine metrics and the speed of `rows` are above those of `others`.

    Both policies keep what they did on a clip when it is drawn, so that what makes clips hard for
    both is left out.

    Args:
        rows: of clips, as `judge_clips` has them.
        others: of the same clips in the same order, driven by another policy.
        seed: of the draws.
        resamples: how many.

    Returns:
        The difference of the means, and the ends of its 95 % percentile interval.

    Raises:
        DataError: no rows, or other clips.
    """
    clips, theirs = ([row["clip"] for row in given] for given in (rows, others))
    if clips != theirs:
        raise DataError(
            f"{len(clips)} and {len(theirs)} clips that are not the same in the same order: judge "
            "both policies with one trials=",
            where="rows",
        )
    counts, once = _draws(rows, seed, resamples), np.ones((1, len(rows)), np.int64)
    found = {}
    for name in _names():
        mean = _means(rows, name, once)[0] - _means(others, name, once)[0]
        ends = _ends(_means(rows, name, counts) - _means(others, name, counts))
        found[name] = (float(mean), *ends)
    return found


def mean_over_runs(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The same clips driven by several runs of one method as one row a clip.

    What makes a clip hard is the same in all runs: drawn as clips of their own, they would make
    intervals look narrower than they are.

    Args:
        runs: the rows of each, of the same clips in the same order.

    Raises:
        DataError: no runs, or other clips.
    """
    clips = [[row["clip"] for row in rows] for rows in runs]
    if not runs or any(names != clips[0] for names in clips):
        raise DataError(
            "runs of other clips, or none: judge all of them with one trials=", where="runs"
        )
    return [_mean_row(same) for same in zip(*runs, strict=True)]


def _mean_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    steps = np.array([row[STEPS] for row in rows], float)
    means = {name: float(np.mean([row[name] for row in rows])) for name in _names()}
    for name in (DISTANCE, SPEED):
        means[name] = float(steps @ [row[name] for row in rows] / steps.sum())
    return {"clip": rows[0]["clip"], STEPS: float(steps.sum()), **means}


def _names() -> tuple[str, ...]:
    return ("score", *paper().subscores, SPEED)


def _draws(rows: Sequence[Mapping[str, Any]], seed: int, resamples: int) -> Int[np.ndarray, "r n"]:
    """How often each clip is drawn in each resample."""
    if not rows:
        raise DataError("no clips; an interval needs one or more", where="rows")
    draws = np.random.default_rng(seed)
    return draws.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)), resamples)


def _means(
    rows: Sequence[Mapping[str, Any]], name: str, counts: Int[np.ndarray, "r n"]
) -> Float[np.ndarray, " r"]:
    values = np.array([row[name] for row in rows], float)
    lengths = np.array([row[STEPS] for row in rows], float)
    weights = lengths if name in (DISTANCE, SPEED) else np.ones(len(rows))
    means: Float[np.ndarray, " r"] = (counts @ (weights * values)) / (counts @ weights)
    return means


def _ends(means: Float[np.ndarray, " r"]) -> tuple[float, float]:
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
