"""summary.json (schema 1): the one file that tables are made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import RunError
from drivelab.evaluation.tasks import FAILED, OK
from drivelab.metrics.bootstrap import mean_interval
from drivelab.metrics.metric import Metric
from drivelab.metrics.rollout_metric import RolloutMetric

SCHEMA = 1
AnyMetric = Metric | RolloutMetric


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers; `final` only if every expected scene has a score."""

    schema: int
    agent: str
    bench: str
    split: str
    scene_set_sha256: str
    data: str  # real | embedded | partial
    metric: str
    metric_version: str
    n_expected: int
    n_done: int
    n_failed: int
    final: bool
    score: float | None
    score_ci95: tuple[float, float] | None
    score_failed_as_zero: float | None
    subscores: Mapping[str, float]
    seed: int
    wall_s: float
    versions: Mapping[str, str]

    @property
    def n_missing(self) -> int:
        """Scenes that were not evaluated."""
        return self.n_expected - self.n_done - self.n_failed


@dataclass(frozen=True, slots=True)
class Scores:
    """The numbers of a summary that come from its rows."""

    n_done: int
    n_failed: int
    score: float | None
    score_ci95: tuple[float, float] | None
    score_failed_as_zero: float | None
    subscores: Mapping[str, float]


def score_rows(rows: Sequence[Mapping[str, Any]], metric: AnyMetric, seed: int) -> Scores:
    """Aggregate rows (one per expected scene) by the metric's own rule, and by the other one.

    Metrics that skip invalid scenes (`failed_score` None) leave failed ones out of `score`; the
    others count them. Scenes that were not evaluated are left out of `score` in either case, and
    count zero in `score_failed_as_zero`.
    """
    done = [row for row in rows if row["status"] == OK]
    failed = [row for row in rows if row["status"] == FAILED]
    lost = [row for row in rows if row["status"] != OK]
    if not done and (not failed or metric.failed_score is None):
        return Scores(0, len(failed), None, None, 0.0 if rows else None, {})
    fill = metric.failed_score
    counted = done if fill is None else [*done, *(_filled(r, metric, fill) for r in failed)]
    means = dict(metric.aggregate(counted))
    score = means.pop("score")
    with_zero = metric.aggregate([*done, *(_filled(row, metric, 0.0) for row in lost)])["score"]
    return Scores(
        n_done=len(done),
        n_failed=len(failed),
        score=_number(score),
        score_ci95=_interval([float(row["score"]) for row in counted], score, seed),
        score_failed_as_zero=_number(with_zero),
        subscores={name: float(value) for name, value in means.items()},
    )


def metric_version(name: str) -> str:
    """`pdms_v1.1` -> `1.1`."""
    _, mark, version = name.rpartition("_v")
    if not mark or not version:
        raise RunError(f"metric {name!r} carries no version: expected a name like pdms_v1.1")
    return version


def write_summary(path: Path, summary: Summary) -> None:
    """Write summary.json atomically; numbers that are not finite become null."""
    from drivelab.evaluation.atomic import write_text

    write_text(path, json.dumps(_finite(asdict(summary)), indent=1, allow_nan=False) + "\n")


def read_summary(path: Path) -> Summary:
    """Read a summary.json of this schema."""
    try:
        content = json.loads(path.read_text())
        if content["schema"] != SCHEMA:
            raise RunError(f"{path}: schema {content['schema']!r}, this drivelab reads {SCHEMA}")
        interval = content.pop("score_ci95")
        return Summary(**content, score_ci95=tuple(interval) if interval else None)
    except FileNotFoundError as error:
        raise RunError(f"{path} is not there: the run has not ended once") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no summary of a run: {error}") from error


def _filled(row: Mapping[str, Any], metric: AnyMetric, value: float) -> dict[str, Any]:
    filled = dict.fromkeys(("score", *metric.subscores), value)
    return {**row, **filled, "status": OK}


def _interval(scores: Sequence[float], score: float, seed: int) -> tuple[float, float] | None:
    values = np.array(scores)
    if len(values) < 2 or not np.isfinite(values).all() or not math.isfinite(score):
        return None
    low, high = mean_interval(values, seed)
    # A rule that is no plain mean (two stages) keeps the spread of its scenes about its own value.
    shift = score - float(values.mean())
    return low + shift, high + shift


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
