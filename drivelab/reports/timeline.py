"""A drive over time as small SVG curves: speed, acceleration, gap to the border, progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from drivelab.reports.event_words import NEUTRAL, event_line
from drivelab.types import Rollout, StateColumn

_WIDTH, _LEFT, _RIGHT = 340.0, 34.0, 8.0
_HEAD, _PANEL, _GAP, _FOOT = 4.0, 40.0, 18.0, 20.0
_NOTHING = 1e-6  # what is smaller moves no end of an axis
_FAR = 10.0  # gaps to the border beyond this look alike [m]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One quantity over the steps of a rollout."""

    name: str
    unit: str
    values: Float[np.ndarray, " t"]
    from_zero: bool = True  # whether the axis starts at 0


def curves_of(rollout: Rollout) -> tuple[Curve, ...]:
    """What there is to see of a drive; what its world did not record is left out."""
    ego, info = rollout.ego, rollout.info
    speed = np.hypot(ego[:, StateColumn.VX], ego[:, StateColumn.VY])
    curves = [
        Curve("speed", "m/s", speed),
        Curve("acceleration", "m/s²", ego[:, StateColumn.AX], from_zero=False),
    ]
    gap = info.get("border_gap")
    if isinstance(gap, np.ndarray) and gap.shape == rollout.times.shape:
        near = np.clip(gap, -_FAR, _FAR)
        curves.append(Curve("gap to the border", "m", near, from_zero=False))
    progress = info.get("progress")
    if isinstance(progress, np.ndarray) and progress.shape == rollout.times.shape:
        curves.append(Curve("progress", "m", progress))
    return tuple(curves)


def draw_timeline(rollout: Rollout, events: Sequence[Mapping[str, Any]]) -> Markup:
    """The curves of a rollout one below the other, its events as lines across them."""
    curves = curves_of(rollout)
    seconds = np.asarray(rollout.times, float)
    end = max(float(seconds[-1]), 0.1)
    height = _HEAD + len(curves) * (_PANEL + _GAP) + _FOOT - 4.0
    bottom = height - _FOOT
    parts = [_time_axis(end, bottom)]
    for row, curve in enumerate(curves):
        parts.append(_panel(curve, seconds, end, _HEAD + row * (_PANEL + _GAP) + _GAP - 4.0))
    parts += [_mark(event, end, bottom) for event in events]
    return Markup(
        f'<svg class="chart timeline" viewBox="0 0 {_WIDTH:g} {height:g}" font-size="10" '
        f'role="img" aria-label="{escape(_spoken(curves, end))}">{"".join(parts)}</svg>'
    )


def _across(seconds: Any, end: float) -> Any:
    return _LEFT + np.asarray(seconds) / end * (_WIDTH - _LEFT - _RIGHT)


def _panel(curve: Curve, seconds: Float[np.ndarray, " t"], end: float, top: float) -> str:
    """Name, axis ends and the line of one curve."""
    low, high = _bounds(curve)
    share = (np.nan_to_num(curve.values, nan=low) - low) / (high - low)
    x, y = _across(seconds, end), top + _PANEL * (1.0 - share)
    keep = _corners(x, y)
    line = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x[keep], y[keep], strict=True))
    zero = top + _PANEL * (1.0 - (0.0 - low) / (high - low))
    right = _WIDTH - _RIGHT
    return (
        f'<text class="strong" x="{_LEFT:g}" y="{top - 4:.1f}">{curve.name} [{curve.unit}]</text>'
        f'<path class="grid" d="M{_LEFT:g} {top:.1f}H{right:g}M{_LEFT:g} {top + _PANEL:.1f}'
        f'H{right:g}"/><path class="axis" d="M{_LEFT:g} {zero:.1f}H{right:g}"/>'
        f'<text x="{_LEFT - 4:g}" y="{top + 8:.1f}" text-anchor="end">{_short(high)}</text>'
        f'<text x="{_LEFT - 4:g}" y="{top + _PANEL:.1f}" text-anchor="end">{_short(low)}</text>'
        f'<path class="curve" d="M{line}"/>'
    )


def _bounds(curve: Curve) -> tuple[float, float]:
    """Axis ends about the values and 0, rounded outward."""
    known = curve.values[np.isfinite(curve.values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    low = 0.0 if curve.from_zero else np.floor(low + _NOTHING)
    return float(low), float(max(np.ceil(high - _NOTHING), low + 1.0))


def _corners(x: Float[np.ndarray, " t"], y: Float[np.ndarray, " t"]) -> np.ndarray:
    """Points that a line needs: those where it bends by more than a hair."""
    import shapely

    if len(x) < 3:
        return np.arange(len(x))
    thin = shapely.get_coordinates(
        shapely.LineString(np.column_stack([x, y])).simplify(0.15, preserve_topology=False)
    )
    return np.flatnonzero(np.isin(x, thin[:, 0]))


def _time_axis(end: float, bottom: float) -> str:
    step = next(s for s in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 600.0) if end / s <= 8 or s > 60)
    ticks = np.arange(0.0, end + 1e-9, step)
    texts = [
        f'<text x="{_across(t, end):.1f}" y="{bottom + 14:.1f}" text-anchor="middle">{t:g}</text>'
        for t in ticks[:-1]
    ]
    x = min(float(_across(ticks[-1], end)), _WIDTH - 12.0)  # its unit needs room, too
    texts.append(
        f'<text x="{x:.1f}" y="{bottom + 14:.1f}" text-anchor="middle">{ticks[-1]:g} s</text>'
    )
    grid = "".join(f"M{_across(t, end):.1f} {_HEAD:g}V{bottom:.1f}" for t in ticks)
    return f'<path class="grid" d="{grid}"/>{"".join(texts)}'


def _mark(event: Mapping[str, Any], end: float, bottom: float) -> str:
    x = float(_across(min(float(event["time"]), end), end))
    kind = "mark" if event["kind"] in NEUTRAL else "mark bad"
    return (
        f'<path class="{kind}" d="M{x:.1f} {_HEAD:g}V{bottom:.1f}">'
        f"<title>{escape(event_line(event))}</title></path>"
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1.0 or value == 0.0 else f"{value:.1f}"


def _spoken(curves: Sequence[Curve], end: float) -> str:
    parts = []
    for curve in curves:
        known = curve.values[np.isfinite(curve.values)]
        if len(known):
            parts.append(f"{curve.name} {known.min():.1f} to {known.max():.1f} {curve.unit}")
    return f"Drive of {end:.1f} s: {', '.join(parts)}"
