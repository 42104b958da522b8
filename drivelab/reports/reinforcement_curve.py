"""The curve of a run of reinforcement learning as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_LINES = (
    ("collision_ratio", "collisions", "#b5651d"),
    ("deviation_ratio", "deviations", "#6b4e16"),
    ("score", "no event", "#0b6e99"),
)


def draw_reinforcement_curve(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draw shares of held-out clips and the distance from the expert's path over rounds as a PNG.

    Args:
        rows: lines of progress.jsonl: round, kind, seconds, decisions, and in some validation.
        path: where the picture goes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    right = left.twinx()
    looks = [row for row in rows if "validation" in row]
    rounds = [row["round"] for row in looks]
    for name, label, colour in _LINES:
        shares = [100.0 * row["validation"][name] for row in looks]
        left.plot(rounds, shares, color=colour, linewidth=2.0, marker="o", markersize=3.0,
                  label=label)  # fmt: skip
    distance = [row["validation"]["average_deviation_distance"] for row in looks]
    right.plot(rounds, distance, color="#9aa5b1", linewidth=1.4, linestyle="--")
    driven = [row["round"] for row in rows if row["kind"] == "reinforcement"]
    if driven:
        left.axvline(driven[0], color="#9aa5b1", linewidth=1.0, linestyle=":")
    left.set(xlabel="rounds (dotted: reinforcement begins)", ylabel="held-out clips [%]")
    left.set_ylim(-2, 102)
    right.set_ylabel("distance from the expert's path [m]", color="#6b7785")
    right.set_ylim(0, 2.0 * max(distance, default=0.5))  # between the shares, not over them
    left.grid(color="#e4e7eb")
    for axes in (left, right):
        axes.spines["top"].set_visible(False)
    if rows:
        left.set_title(
            f"{rows[-1]['decisions']:,} decisions driven, {rows[-1]['seconds'] / 60:.0f} minutes "
            "of learning",
            loc="left", fontsize=10,
        )  # fmt: skip
        figure.legend(loc="outside lower center", ncols=3, frameon=False)  # never over a line
    figure.savefig(path, dpi=120)
    return path
