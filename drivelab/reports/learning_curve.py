"""The learning curve of a training run as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw_learning_curve(
    rows: Sequence[Mapping[str, Any]], path: Path, *, beside: Mapping[str, float]
) -> Path:
    """Draw success over minutes and steps as a PNG.

    Args:
        rows: lines of progress.jsonl: minutes, steps, success, validation.success.
        path: where the picture goes.
        beside: success of other drivers on the test episodes, as level lines.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    minutes = [row["minutes"] for row in rows]
    axes.plot(minutes, [100.0 * row["success"] for row in rows], color="#9aa5b1",
              label="while exploring")  # fmt: skip
    axes.plot(minutes, [100.0 * row["validation"]["success"] for row in rows], color="#0b6e99",
              linewidth=2.0, marker="o", markersize=3.0, label="validation episodes")  # fmt: skip
    for (name, share), style in zip(beside.items(), (":", "--", "-."), strict=False):
        axes.axhline(100.0 * share, color="#6b4e16", linestyle=style, linewidth=1.2, label=name)
    axes.set(xlabel="minutes of learning", ylabel="routes without a fault [%]", ylim=(-2, 102))
    axes.grid(color="#e4e7eb")
    axes.spines[["top", "right"]].set_visible(False)
    if rows:
        axes.set_title(f"{rows[-1]['steps']:,} environment steps", loc="left", fontsize=10)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=120)
    return path
