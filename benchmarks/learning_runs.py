"""What benchmarks of closed-loop learning share: runs of `drivelab train` and tables of them.

Every run is judged on radlab's test clips by the nine metrics; its folder is named for what was
learnt in it, so that a command goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.cli import main as drivelab
from drivelab.training.reinforcement.intervals import (
    difference_intervals,
    mean_over_runs,
    metric_intervals,
)

COLUMNS = {
    "score": "no event", "collision_ratio": "CR", "dynamic_collision_ratio": "DCR",
    "static_collision_ratio": "SCR", "deviation_ratio": "DR", "position_deviation_ratio": "PDR",
    "heading_deviation_ratio": "HDR", "average_deviation_distance": "ADD [m]",
    "longitudinal_jerk": "long. jerk", "lateral_jerk": "lat. jerk",
    "mean_speed": "speed [m/s]",
}  # fmt: skip
Runs = Mapping[str, Mapping[int, Path]]  # folders by the policy's name and the seed


def split_words(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words of the benchmark itself, and options of `drivelab train`, which have a `=`."""
    options = [word for word in given if "=" in word and not word.startswith("-")]
    return [word for word in given if word not in options], options


def learn(folder: Path, words: Sequence[str]) -> None:
    """One run, or the rest of it, judged on all test clips unless the words say how many."""
    if drivelab(["train", *words, f"run.dir={folder}"]) != 0:
        raise SystemExit(f"{folder}: the run ended with an error, see above")


def is_done(folder: Path) -> bool:
    """Whether a run came to its end."""
    return (folder / "summary.json").is_file()


def summary_of(folder: Path) -> dict[str, object]:
    """What a finished run says of itself."""
    found: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return found


def trained(folder: Path) -> dict[str, float]:
    """The metrics of the trained weights on the test clips."""
    results: dict[str, dict[str, float]] = summary_of(folder)["results"]  # type: ignore[assignment]
    return results["trained"]


def rows_of(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Of the test clips by the trained weights; a clip of several seeds is one row."""
    return mean_over_runs([_rows(folder) for folder in folders])


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = map(json.loads, (folder / "test.jsonl").read_text().splitlines())
    return [row for row in rows if row["policy"] == "trained"]


def print_header(*before: str) -> None:
    """The head of a table whose last columns are the metrics."""
    print("| " + " | ".join([*before, *COLUMNS.values()]) + " |")
    print("|---" * (len(before) + len(COLUMNS)) + "|")


def print_metrics(runs: Runs) -> None:
    """A line per run that is finished, and one over the seeds where there are several."""
    print_header("policy", "seed")
    for name, folders in runs.items():
        done = {seed: folder for seed, folder in folders.items() if is_done(folder)}
        for seed, folder in done.items():
            print(f"| {name} | {seed} | " + " | ".join(_cells([folder])) + " |")
        if len(done) > 1:
            cells = _cells(list(done.values()))
            print(f"| {name} | all {len(done)} | " + " | ".join(cells) + " |")
        if len(done) < len(folders):
            missing = ", ".join(str(seed) for seed in folders if seed not in done)
            print(f"| {name} | {missing} | not finished |")


def print_differences(runs: Runs, other: str) -> None:
    """By how much each policy is above another, over the seeds that both have finished."""
    print_header(f"less {other}", "seeds")
    for name, folders in runs.items():
        both = [
            (folder, runs[other][seed])
            for seed, folder in folders.items()
            if name != other and is_done(folder) and is_done(runs[other][seed])
        ]
        if not both:
            continue
        mine, theirs = (rows_of(side) for side in zip(*both, strict=True))
        found = difference_intervals(mine, theirs)
        cells = [f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" for mean, low, high in
                 (found[metric] for metric in COLUMNS)]  # fmt: skip
        print(f"| {name} | {len(both)} | " + " | ".join(cells) + " |")


def _cells(folders: Sequence[Path]) -> list[str]:
    ends, results = metric_intervals(rows_of(folders)), [trained(folder) for folder in folders]
    cells = []
    for name in COLUMNS:
        low, high = ends[name]
        cells.append(f"{np.mean([one[name] for one in results]):.3f} [{low:.3f}, {high:.3f}]")
    return cells
