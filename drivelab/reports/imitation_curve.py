"""The curve of a run of imitation as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw_imitation_curve(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draw loss and validation score over epochs as a PNG.

    Args:
        rows: lines of progress.jsonl: epoch, loss, seconds, validation.pdms, validation.distance.
        path: where the picture goes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    right = left.twinx()
    epochs = [row["epoch"] for row in rows]
    score = [100.0 * row["validation"]["pdms"] for row in rows]
    left.plot(epochs, score, color="#0b6e99", linewidth=2.0, marker="o", markersize=3.0)
    right.plot(epochs, [row["validation"]["distance"] for row in rows], color="#b5651d",
               linewidth=1.4, linestyle="--")  # fmt: skip
    left.set_xlabel("epoch")
    left.set_ylabel("validation PDMS [%]", color="#0b6e99")
    right.set_ylabel("distance from the recorded drive [m]", color="#b5651d")
    right.set_ylim(bottom=0)
    left.grid(color="#e4e7eb")
    for axes in (left, right):
        axes.spines["top"].set_visible(False)
    if rows:
        minutes = rows[-1]["seconds"] / 60.0
        left.set_title(
            f"{rows[-1]['updates']:,} updates, {minutes:.0f} minutes", loc="left", fontsize=10
        )
    figure.savefig(path, dpi=120)
    return path
