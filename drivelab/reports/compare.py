"""Several runs in one table, which refuses to set unlike numbers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import ConfigError
from drivelab.metrics.bootstrap import mean_interval
from drivelab.reports.meanings import meaning_of
from drivelab.reports.report import (
    environment,
    missing_scenes,
    page_parts,
    run_label,
    sees,
    write_page,
)
from drivelab.reports.run_record import read_environment, read_summary, scene_scores

# What must be the same in all runs of one table, and in which words a difference is told.
_SAME = {
    "metric": "metric",
    "metric_version": "metric version",
    "scene_set_sha256": "set of scenes (SHA-256)",
}


def read_comparable(run_dirs: Sequence[Path]) -> list[dict[str, Any]]:
    """Summaries of runs that may stand in one table; ConfigError names the first two that may not.

    Each summary gets more keys: `folder`, the `label` of the data, the `privilege` of the agent,
    and in words what it `sees`.
    """
    if not run_dirs:
        raise ConfigError("no runs to compare: name at least one run folder")
    summaries = []
    for folder in run_dirs:
        summary = read_summary(folder)
        environment_of = read_environment(folder)
        label = run_label(summary, environment_of)
        privilege = environment_of.get("privilege", "")
        extra = {"folder": str(folder), "label": label, "privilege": privilege}
        extra["sees"] = sees(environment_of)
        summaries.append({**summary, **extra})
    first = summaries[0]
    for other in summaries[1:]:
        for key, words in _SAME.items():
            if first[key] != other[key]:
                raise ConfigError(
                    f"{first['folder']} and {other['folder']} differ in their {words}: "
                    f"{first[key]} and {other[key]}; their scores cannot share a table. "
                    "Score one of them again by `drivelab rescore`, or compare them apart"
                )
    return summaries


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of score minus the other's over the scenes that both have scored, with its interval."""

    mean: float
    low: float  # 95 %
    high: float
    scenes: int


def paired_difference(run: Path, other: Path, *, seed: int = 0) -> Difference | None:
    """How much better `run` scores than `other`, scene by scene; None with fewer than two scenes.

    Comparing scene by scene leaves out what makes scenes hard or easy for both, so that small
    differences show where the intervals of the two scores overlap.
    """
    mine, theirs = scene_scores(run), scene_scores(other)
    both = [scene for scene in mine if scene in theirs]
    if len(both) < 2:
        return None
    gains = np.array([mine[scene] - theirs[scene] for scene in both])
    low, high = mean_interval(gains, seed)
    return Difference(float(gains.mean()), low, high, len(both))


def read_ranked(run_dirs: Sequence[Path]) -> list[dict[str, Any]]:
    """Like `read_comparable`, best score first; the others with their `difference` to the best."""
    summaries = sorted(read_comparable(run_dirs), key=_score_or_lowest, reverse=True)
    best = Path(summaries[0]["folder"])
    differences = [paired_difference(Path(run["folder"]), best) for run in summaries[1:]]
    return [
        {**run, "difference": difference}
        for run, difference in zip(summaries, [None, *differences], strict=True)
    ]


def write_comparison(run_dirs: Sequence[Path], path: Path) -> Path:
    """Write an HTML table of runs, best score first; runs that are not final say so."""
    summaries = read_ranked(run_dirs)
    metric = summaries[0]["metric"]
    names = list(dict.fromkeys(name for run in summaries for name in run["subscores"]))
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            **page_parts(with_script=False),
            runs=summaries,
            first=summaries[0],
            subscores=[(name, meaning_of(name, metric)) for name in names],
            missing={run["folder"]: missing_scenes(run) for run in summaries},
        )
    )
    return write_page(path, page)


def _score_or_lowest(summary: Mapping[str, Any]) -> float:
    score = summary.get("score")
    return float(score) if score is not None else -1.0
