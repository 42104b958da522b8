"""The end of a run of reinforcement learning: its weights on unseen clips, and the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.training.run_folder import read_progress

REPORT, ROWS, PICTURES = "report.html", "test.jsonl", "failures"


def try_weights(files: Mapping[str, Path], pupil: Any, course: Any, clips: int) -> dict[str, Any]:
    """A look at each of the weights: the same clips, from the first on.

    Args:
        files: weights by the policy's name.
        pupil: its kind.
        course: of the unseen clips.
        clips: how many.
    """
    from drivelab.training.reinforcement.judge import judge_clips
    from drivelab.training.reinforcement.loop import FAILURES

    return {
        name: judge_clips(
            pupil.act(pupil.open(file).requires_grad_(False)), course.env, range(clips),
            failures=FAILURES, seen=course.seen,
        )
        for name, file in files.items()
    }  # fmt: skip


def results_of(looks: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Score, the nine metrics and their intervals of each policy, and which weights it has.

    `difference` of the later ones: from the first policy on the same clips, with its interval.
    """
    from drivelab.training.reinforcement.intervals import difference_intervals, metric_intervals

    results: dict[str, dict[str, Any]] = {}
    for name, look in looks.items():
        results[name] = {
            "score": look.score, **look.metrics,
            "ci95": {k: list(ends) for k, ends in metric_intervals(look.rows).items()},
            "weights": files[name].name,
            "weights_sha256": hashlib.sha256(files[name].read_bytes()).hexdigest(),
        }  # fmt: skip
        first = next(iter(looks))
        if name != first:
            found = difference_intervals(look.rows, looks[first].rows)
            results[name]["difference"] = {"from": first, **{k: list(v) for k, v in found.items()}}
    return results


def show_look(folder: Path, rounds: int, look: Any) -> None:
    """Draw the first clips of a look that went wrong, if any did."""
    if look.failures:
        from drivelab.reports.failure_strip import draw_failures

        draw_failures(look.failures, folder / PICTURES / f"round-{rounds:04d}.png")


def report_run(folder: Path, summary: Mapping[str, Any], looks: Mapping[str, Any]) -> Path:
    """Keep a row per tested clip and policy, draw the curve and failures, write the report."""
    from drivelab.reports.failure_strip import draw_failures
    from drivelab.reports.reinforcement_curve import draw_reinforcement_curve
    from drivelab.reports.reinforcement_report import write_reinforcement_report

    rows = {name: look.rows for name, look in looks.items()}
    (folder / ROWS).write_text(
        "".join(
            json.dumps({"policy": name, **row}) + "\n" for name in rows for row in rows[name]
        )
    )  # fmt: skip
    curve = draw_reinforcement_curve(read_progress(folder), folder / "curve.png")
    pictures = {"Held-out clips while it learnt": curve}
    for name, look in looks.items():
        if look.failures:
            file = folder / PICTURES / f"test-{name}.png"
            pictures[f"First test clips that went wrong: {name}"] = draw_failures(
                look.failures, file
            )
    return write_reinforcement_report(summary, rows, pictures, folder / REPORT)
