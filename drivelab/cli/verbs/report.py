"""`drivelab report`: write report.html of a run again, or one table of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

if TYPE_CHECKING:
    from drivelab.reports.compare import Difference

_WAYS = {"higher": "", "lower": "lower is better"}
USAGE = """usage: drivelab report RUN
       drivelab report RUN RUN [RUN ...] [out=FILE]

One run: writes RUN/report.html again from its rows and rollouts. A run on a bench of your own
needs bench=package.module:Class again.
A training run: prints its result again and names its curve, videos and policy.
Several runs: prints one table and writes it to FILE (default: comparison.html beside
the first run); refused when metric version or set of scenes differ."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    folders = [Path(word) for word in words if "=" not in word and not word.startswith("-")]
    found = read_words([word for word in words if Path(word) not in folders], ("out", "bench"))
    if not folders:
        raise ConfigError("report needs a run folder: drivelab report runs/RUN")
    from drivelab.cli.train_result import is_training, show_training

    learned = [folder for folder in folders if is_training(folder)]
    if learned and len(folders) > 1:
        raise ConfigError(
            f"{learned[0]} is a training run, and only runs of `drivelab eval` stand in one table; "
            f"see it alone: drivelab report {learned[0]}"
        )
    if learned:
        show_training(learned[0])
        return 0
    if len(folders) > 1:
        return _compare(folders, Path(found.get("out", folders[0].parent / "comparison.html")))
    if "out" in found:
        raise ConfigError("out= is for several runs; one run's report is written into its folder")
    from drivelab.cli.report_file import make_report, stored_bench

    print(f"report: {make_report(folders[0], stored_bench(folders[0], found.get('bench')))}")
    return 0


def _compare(folders: Sequence[Path], out: Path) -> int:
    from rich.console import Console
    from rich.table import Table

    from drivelab.cli.result import number
    from drivelab.reports.compare import read_ranked, write_comparison
    from drivelab.reports.meanings import meaning_of

    runs = read_ranked(folders)
    first = runs[0]
    table = Table(title=f"{first['bench']}: {first['label']}, {first['metric']}")
    table.add_column(
        "", overflow="fold"
    )  # agents side by side: sub-scores have long names, agents short ones
    for one in runs:
        table.add_column(
            one["agent"] if one["final"] else f"{one['agent']} (NOT FINAL)", justify="right"
        )
    table.add_row("score", *(number(one["score"]) for one in runs))
    table.add_row("  95 % from", *(number((one["score_ci95"] or [None])[0]) for one in runs))
    table.add_row("  to", *(number((one["score_ci95"] or [None])[-1]) for one in runs))
    if any(one["difference"] for one in runs):
        table.add_row("less the best", *(_difference(one["difference"]) for one in runs))
    for name in dict.fromkeys(name for one in runs for name in one["subscores"]):
        scale = meaning_of(name, first["metric"]).scale
        note = ", ".join(part for part in (scale.unit, _WAYS[scale.better]) if part)
        table.add_row(
            f"{name} ({note})" if note else name,
            *(number(one["subscores"].get(name)) for one in runs),
        )
    table.add_row("privilege", *(one["privilege"] for one in runs))
    table.add_row("done", *(f"{one['n_done']}/{one['n_expected']}" for one in runs))
    Console(highlight=False).print(table)
    print(f"comparison: {write_comparison(folders, out)}")
    return 0


def _difference(found: Difference | None) -> str:
    """A paired difference with its interval."""
    from drivelab.cli.result import number

    if found is None:
        return ""
    return f"{number(found.mean)} [{number(found.low)}, {number(found.high)}]"
