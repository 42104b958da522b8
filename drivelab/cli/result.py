"""What is printed after a run: the table, where the report lies, what to do next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from drivelab.cli.console import ConsoleMonitor
from drivelab.errors import ConfigError
from drivelab.evaluation.evaluate import RunResult
from drivelab.evaluation.summary import Summary

DONE, INCOMPLETE, INTERRUPTED = 0, 3, 130


@dataclass(frozen=True, slots=True)
class ReportWish:
    """Whether a report is wanted, and how many of the worst scenes are filmed for it."""

    wanted: bool = True
    videos: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.videos, bool) or not isinstance(self.videos, int) or self.videos < 0:
            raise ConfigError(f"report.videos={self.videos}: expected a whole number, 0 or more")


def show_result(result: RunResult, report: ReportWish, *, monitor: ConsoleMonitor) -> int:
    """Print the table, write the report, and return the exit code."""
    summary = result.summary
    print_table(result)
    if report.wanted and summary.n_done:
        from drivelab.cli.report_file import make_report

        print(f"report: {make_report(result.folder, result.bench, videos=report.videos)}")
    print(f"run:    {result.folder}")
    if summary.n_failed:
        monitor.say(_first_failure(result.folder))
    if result.interrupted:
        done = summary.n_done + summary.n_failed
        monitor.say(
            f"interrupted: {done} of {summary.n_expected} rows are kept in {result.folder}; "
            "run the same command again to resume"
        )
        return INTERRUPTED
    if not monitor.quiet:
        print("next:\n" + "\n".join(f"  {line}" for line in next_commands(result)))
    return DONE if summary.final else INCOMPLETE


def print_table(result: RunResult) -> None:
    """One run as a table; its first line says so when scenes are missing or failed."""
    from rich.console import Console
    from rich.table import Table

    summary = result.summary
    console = Console(highlight=False)
    if not summary.final:
        console.print(f"[bold red]NOT FINAL: {_missing(summary)}[/]")
    if not summary.n_done and not summary.n_failed:
        return
    table = Table(title=f"{summary.agent} on {summary.bench}: {_escape(result.label)}")
    table.add_column("what")
    table.add_column("value", justify="right")
    for name, value in _lines(result):
        table.add_row(_escape(name), _escape(value))
    console.print(table)


def next_commands(result: RunResult) -> list[str]:
    """Three commands worth typing next, with the executable as the user calls it."""
    summary, run = result.summary, shlex.quote(str(result.folder))
    other = "constant_velocity" if summary.agent != "constant_velocity" else "pdm_closed"
    same = shlex.join(_bench_words() or [f"bench={summary.bench}"])
    program = executable()
    first = f"{program} list scenes"
    if summary.n_done:
        scene = shlex.quote(f"scene={_worst_scene(result.folder)}")
        first = f"{program} render run={run} {scene}"
    return [
        first,
        f"{program} eval agent={other} {same}",
        f"{program} new agent my_agent",
    ]


def executable() -> str:
    """The program as the user would type it from here."""
    called = Path(sys.argv[0])
    if called.stem != "drivelab" or not called.exists():
        return "drivelab"  # another program calls us, which is not what the user should type
    found = shutil.which("drivelab")
    if found and os.path.samefile(found, called):
        return "drivelab"
    near = os.path.relpath(called)
    return shlex.quote(str(called) if near.startswith("..") else near)


def _lines(result: RunResult) -> list[tuple[str, str]]:
    from drivelab.reports.meanings import meaning_of, scale_of

    summary, metric = result.summary, result.summary.metric
    low, high = summary.score_ci95 or (None, None)
    interval = f"  [{number(low)}, {number(high)}]" if summary.score_ci95 else ""
    unit = scale_of(metric).unit
    lines = [
        ("metric", metric),
        ("score (95 % interval)", f"{number(summary.score, unit)}{interval}"),
    ]
    if summary.score_failed_as_zero != summary.score:
        lines.append(("score, failed as zero", number(summary.score_failed_as_zero, unit)))
    lines += [
        (f"  {name}", number(value, meaning_of(name, metric).scale.unit))
        for name, value in summary.subscores.items()
    ]
    counts = f"{summary.n_done} / {summary.n_failed} / {summary.n_expected}"
    lines += [
        ("done / failed / expected", counts),
        ("data", result.label),
        ("agent sees", SEES[result.privilege]),
        ("scene set", summary.scene_set_sha256[:12]),
    ]
    return lines


SEES = {
    "none": "ego status, command, sensors",
    "state": "also the map and the boxes (privileged)",
    "future": "also the recorded future (upper bound)",
    "unknown": "unknown: the plans came from a file",
}


def _missing(summary: Summary) -> str:
    parts = []
    if summary.n_failed:
        parts.append(f"{summary.n_failed} failed")
    if summary.n_missing:
        parts.append(f"{summary.n_missing} missing")
    return f"{' and '.join(parts)} of {summary.n_expected} scenes"


def _bench_words() -> list[str]:
    """The words of this command that chose bench and data, to be typed again."""
    heads = ("bench", "data", "split", "limit", "scenes")
    if sys.argv[1:2] not in (["eval"], ["score"]):
        return []
    return [word for word in sys.argv[2:] if word.partition("=")[0].partition(".")[0] in heads]


def _first_failure(folder: Path) -> str:
    from drivelab.data.run_rows import read_rows
    from drivelab.evaluation.tasks import FAILED

    row = next(row for row in read_rows(folder / "rows.parquet") if row["status"] == FAILED)
    text = f"first failure, {row['scene']}: {row['error']} (traceback: {folder / row['traceback']})"
    # Ids and errors are foreign text: no control sequence of theirs reaches the terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _worst_scene(folder: Path) -> str:
    from drivelab.data.run_rows import read_rows

    rows = [row for row in read_rows(folder / "rows.parquet") if row["score"] is not None]
    return str(min(rows, key=lambda row: row["score"])["scene"]) if rows else "SCENE"


def number(value: float | None, unit: str = "") -> str:
    """Four decimals with the unit; a dash for what no scene had."""
    return "-" if value is None or isnan(value) else f"{value:.4f} {unit}".rstrip()


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
