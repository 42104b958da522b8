"""Small charts as SVG markup: histograms and bars, coloured by the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from markupsafe import Markup

_FONT = 12
_ROW = 26  # height of a bar with its gap


def histogram(values: Sequence[float], *, name: str, bins: int = 20, most: float = 1.0) -> Markup:
    """Counts of values in 0..`most`, with axis and a spoken summary."""
    width, height, left, bottom, top = 560, 200, 36, 34, 12
    counts = bin_counts(values, bins, most)
    peak = max(int(counts.max()), 1)
    step, room = (width - left - 8) / bins, height - top - bottom
    bin_width = most / bins
    parts = [_gridline(left, width, top + room * (1 - share), peak * share) for share in (0.5, 1.0)]
    for index, count in enumerate(counts):
        tall = room * count / peak
        title = f"{index * bin_width:.2f} to {(index + 1) * bin_width:.2f}: {count}"
        parts.append(
            f'<rect class="bar" x="{left + index * step + 1:.1f}" y="{top + room - tall:.1f}" '
            f'width="{step - 2:.1f}" height="{tall:.1f}"><title>{title}</title></rect>'
        )
    parts += [
        f'<text x="{left + share * (width - left - 8):.1f}" y="{height - 14}" '
        f'text-anchor="{"end" if share == 1.0 else "middle"}">{share * most:g}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    parts.append(f'<path class="axis" d="M{left} {top + room}H{width - 8}"/>')
    return _svg(width, height, f"Histogram of {name}: {describe(values)}", parts)


def spark_histogram(
    values: Sequence[float], *, name: str, bins: int = 11, most: float = 1.0
) -> Markup:
    """A histogram of 0..`most` the size of a word; both ends and the middle get their own bins."""
    width, height = 132, 30
    counts = bin_counts(values, bins, most)
    peak, step = max(int(counts.max()), 1), width / bins
    parts = [f'<path class="axis" d="M0 {height - 0.5}H{width}"/>']
    for index, count in enumerate(counts):
        if count:
            tall = max(2.0, (height - 3) * count / peak)
            parts.append(
                f'<rect class="bar" x="{index * step + 1:.1f}" y="{height - 1 - tall:.1f}" '
                f'width="{step - 2:.1f}" height="{tall:.1f}"><title>{count}</title></rect>'
            )
    return _svg(width, height, f"Histogram of {name}: {describe(values)}", parts)


def family_bars(groups: Mapping[str, Sequence[float]], *, most: float = 1.0) -> Markup:
    """Mean score (0..`most`) per family as bars, lowest first, with the number of scenes."""
    ordered = sorted(groups.items(), key=lambda item: (float(np.mean(item[1])), item[0]))
    width, left, right = 560, 172, 96
    room = width - left - right
    parts = []
    for row, (family, values) in enumerate(ordered):
        mean, y = float(np.mean(values)), row * _ROW
        share = min(max(mean / most, 0), 1)
        label = family if len(family) <= 24 else family[:23] + "…"
        parts.append(
            f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(label)}</text>'
            f'<rect class="rail" x="{left}" y="{y + 4}" width="{room}" height="18"/>'
            f'<rect class="bar" x="{left}" y="{y + 4}" width="{room * share:.1f}" '
            f'height="18"><title>{escape(family)}: {mean:.3f}</title></rect>'
            f'<text x="{left + room + 8}" y="{y + 17}"><tspan class="strong">{mean:.3f}</tspan>'
            f"<tspan> n={len(values)}</tspan></text>"
        )
    spoken = "; ".join(f"{family} {np.mean(values):.3f}" for family, values in ordered)
    return _svg(width, len(ordered) * _ROW, f"Mean score by family: {spoken}", parts)


def bin_counts(values: Sequence[float], bins: int, most: float = 1.0) -> np.ndarray:
    """Counts over equal bins of 0..`most`; values beyond go to the outer bins."""
    inside = np.clip(np.asarray(values, float), 0.0, most)
    counts, _ = np.histogram(inside, bins=bins, range=(0.0, most))
    return counts


def describe(values: Sequence[float]) -> str:
    """A chart in words."""
    if not len(values):
        return "no values"
    low, middle, high = np.quantile(np.asarray(values, float), [0.1, 0.5, 0.9])
    return f"{len(values)} scenes, median {middle:.3f}, 10 % at or below {low:.3f}, 90 % {high:.3f}"


def _gridline(left: int, width: int, y: float, count: float) -> str:
    return (
        f'<path class="grid" d="M{left} {y:.1f}H{width - 8}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{count:.0f}</text>'
    )


def _svg(width: float, height: float, spoken: str, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" font-size="{_FONT}" '
        f'role="img" aria-label="{escape(spoken)}">{"".join(parts)}</svg>'
    )
