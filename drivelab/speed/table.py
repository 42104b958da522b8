"""Rows as a table in the terminal, as JSON, and as a chart of time and memory over size."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from drivelab.speed.row import Row

_MORE = {"work": "work [GFLOP]", "error": "error"}  # columns that not every job has


def machine(device: str) -> dict[str, Any]:
    """What the figures were measured on."""
    facts: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    if device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
        facts["cuda"] = torch.version.cuda
    return facts


def print_rows(rows: Sequence[Row], unit: str, console: Console) -> None:
    """One table a job: a line a size, a column a runner; what was asked stands beside."""
    for job in dict.fromkeys(row.job for row in rows):
        mine = [row for row in rows if row.job == job]
        runners = list(dict.fromkeys(row.runner for row in mine))
        table = Table(title=job, title_justify="left")
        table.add_column(unit, justify="right")
        for runner in runners:
            table.add_column(f"{runner} [ms]", justify="right")
        if any(row.limit for row in mine):
            table.add_column("asked [ms]", justify="right")
        table.add_column("memory [MB]", justify="right")
        for key, title in _MORE.items():
            if any(getattr(row, key) is not None for row in mine):
                table.add_column(title, justify="right")
        for size in sorted({row.size for row in mine}):
            table.add_row(*_line(size, runners, [row for row in mine if row.size == size], table))
        console.print(table)


def _line(size: int, runners: Sequence[str], rows: Sequence[Row], table: Table) -> list[str]:
    found = {row.runner: row for row in rows}
    cells = [str(size), *(_number(found[r].ms) if r in found else "-" for r in runners)]
    limits = [row.limit for row in rows if row.limit]
    if any(column.header == "asked [ms]" for column in table.columns):
        cells.append(_number(limits[0]) if limits else "")
    memory = [found[r].mb if r in found else None for r in runners]
    cells.append(" / ".join("-" if mb is None else f"{mb:.0f}" for mb in memory))
    headers = [column.header for column in table.columns]
    if _MORE["work"] in headers:
        cells.append(
            " / ".join(f"{found[r].work or 0:.3g}" if r in found else "-" for r in runners)
        )
    if _MORE["error"] in headers:
        errors = [row.error for row in rows if row.error is not None]
        cells.append(f"{max(errors):.1e}" if errors else "-")
    return cells


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def write_rows(rows: Sequence[Row], facts: dict[str, Any], file: Path) -> None:
    """The machine and every row, as JSON."""
    text = json.dumps({"machine": facts, "rows": [row.record() for row in rows]}, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def draw_rows(rows: Sequence[Row], jobs: Sequence[str], unit: str, file: Path) -> None:
    """Time above, memory below, both over size on logarithmic axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(jobs), 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(jobs), squeeze=False, sharex=True)
    for column, job in enumerate(jobs):
        for line, (key, label) in enumerate((("ms", "time [ms]"), ("mb", "peak memory [MB]"))):
            axis = axes[line, column]
            _draw_runners(axis, [row for row in rows if row.job == job], key)
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.grid(alpha=0.3)
            axis.set_ylabel(label if column == 0 else "")
        axes[0, column].set_title(job)
        axes[1, column].set_xlabel(unit)
        axes[0, column].legend(fontsize=8)
    figure.savefig(file, dpi=110)


def _draw_runners(axis: Any, rows: Sequence[Row], key: str) -> None:
    for runner in dict.fromkeys(row.runner for row in rows):
        points = [(row.size, getattr(row, key)) for row in rows if row.runner == runner]
        shown = [(size, value) for size, value in points if value]
        if shown:
            width = 2.4 if runner.startswith("drivelab") else 1.2
            axis.plot(*zip(*shown, strict=True), marker="o", label=runner, linewidth=width)
