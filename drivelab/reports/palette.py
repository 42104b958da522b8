"""Colours and strokes by role, for light and dark pages; every picture and chart draws from here.

Hues follow Okabe and Ito's palette, which stays apart for colour-blind readers; the time ramp is
sampled from viridis, trimmed where it would vanish on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Theme(StrEnum):
    """Which page the picture stands on."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Style:
    """How one role is painted; an empty colour paints nothing."""

    fill: str = ""
    stroke: str = ""
    width: float = 0.0  # [picture units]
    dash: tuple[float, float] | None = None  # on, off [picture units]


_NO_DASH = None
# role: light fill, dark fill, light stroke, dark stroke, width, dash
_Row = tuple[str, str, str, str, float, tuple[float, float] | None]
_ROLES: dict[str, _Row] = {
    "ground": ("#f3f1ec", "#14171c", "", "", 0.0, _NO_DASH),
    "walkway": ("#e6e2d8", "#1d2127", "", "", 0.0, _NO_DASH),
    "carpark": ("#e2e3ea", "#262a38", "", "", 0.0, _NO_DASH),
    "road": ("#d3d7dd", "#2c323b", "#b3b9c2", "#434b57", 1.2, _NO_DASH),
    "route": ("#bfe0cd", "#24483a", "", "", 0.0, _NO_DASH),
    "crosswalk": ("#ffffffb0", "#dfe6ee38", "", "", 0.0, _NO_DASH),
    "lane": ("", "", "#ffffff", "#56606d", 1.4, _NO_DASH),
    "centre": ("", "", "#a9b0ba", "#4d5663", 0.9, (4.0, 5.0)),
    "arrow": ("", "", "#8a93a0", "#717c8a", 1.5, _NO_DASH),
    "red_light": ("", "", "#e05560", "#d94c55", 1.8, _NO_DASH),
    "stop_bar": ("", "", "#d3202f", "#ff5a63", 5.0, _NO_DASH),
    "past": ("", "", "#7d8794", "#7d8794", 1.2, _NO_DASH),
    "vehicle": ("#2f6fb0", "#5fa3e0", "#17436f", "#0d1c2b", 1.2, _NO_DASH),
    "pedestrian": ("#d55e00", "#ff9a45", "#7a3600", "#2b1400", 1.2, _NO_DASH),
    "bicycle": ("#8e4fae", "#c58be6", "#532a68", "#23102e", 1.2, _NO_DASH),
    "static": ("#7b7363", "#b5ab95", "#4a4439", "#1d1a14", 1.0, _NO_DASH),
    "nose": ("", "", "#ffffff", "#0f1720", 1.6, _NO_DASH),
    "vehicle_future": ("", "", "#2f6fb0", "#5fa3e0", 1.6, (1.6, 3.4)),
    "pedestrian_future": ("", "", "#d55e00", "#ff9a45", 1.6, (1.6, 3.4)),
    "bicycle_future": ("", "", "#8e4fae", "#c58be6", 1.6, (1.6, 3.4)),
    "recorded": ("", "", "#1d232b", "#e8ecf1", 2.0, (7.0, 4.5)),
    "reference": ("", "", "#8a6d00", "#f0d060", 2.0, (2.0, 4.0)),
    "plan": ("", "", "#c4117a", "#ff6fbd", 2.4, _NO_DASH),
    "plan_dot": ("#c4117a", "#ff6fbd", "", "", 0.0, _NO_DASH),
    "mode_text": ("#8c0b56", "#ff9dd2", "#f3f1ec", "#14171c", 3.0, _NO_DASH),
    "ego": ("#0b6e5f", "#2fc4a8", "#043a32", "#04231e", 1.6, _NO_DASH),
    "ghost": ("", "", "#0b6e5f", "#2fc4a8", 1.1, _NO_DASH),
    "event": ("", "", "#d3202f", "#ff5a63", 3.0, _NO_DASH),
    "page_alert": ("#a80f1d", "#ff8a90", "", "", 0.0, _NO_DASH),
    "leader": ("", "", "#d3202f", "#ff5a63", 1.4, _NO_DASH),
    "event_actor": ("#d3202f40", "#ff5a6350", "#d3202f", "#ff5a63", 2.2, _NO_DASH),
    "ego_way": ("", "", "#0b6e5f", "#2fc4a8", 2.6, (9.0, 4.0)),
    "actor_way": ("", "", "#2f6fb0", "#5fa3e0", 1.8, (2.5, 3.0)),
    "act_way": ("", "", "#c4117a", "#ff6fbd", 2.0, (5.0, 3.0)),
    "trigger": ("", "", "#b8860b", "#f0d060", 2.0, (4.0, 3.0)),
    "goal": ("#0b6e5f", "#2fc4a8", "#ffffff", "#0f1720", 1.5, _NO_DASH),
    "scale": ("", "", "#1d232b", "#e8ecf1", 2.0, _NO_DASH),
    "text": ("#1d232b", "#e8ecf1", "#f3f1ec", "#14171c", 3.0, _NO_DASH),
    "page_text": ("#1d232b", "#e8ecf1", "", "", 0.0, _NO_DASH),
    "page_muted": ("#4b535e", "#a9b3bf", "", "", 0.0, _NO_DASH),
    "event_text": ("#a80f1d", "#ff8a90", "#f3f1ec", "#14171c", 3.5, _NO_DASH),
    "page": ("#ffffff", "#0f1216", "", "", 0.0, _NO_DASH),
}
_RAMP = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fda3a", "#e3d512")
_RAMP_DARK = (
    "#8a63c9",
    "#7383d6",
    "#5d9fd8",
    "#4bb8c6",
    "#45cba4",
    "#78d86f",
    "#b5e04a",
    "#f2e43a",
)
RAMP_STEPS = len(_RAMP)
# Modes of a plan by their score: opacity and width [picture units].
_MODES = ((0.26, 0.9), (0.4, 1.0), (0.55, 1.2), (0.7, 1.4), (0.9, 1.7))
BEST_MODE = f"mode{len(_MODES) - 1}"


def ramp_role(fraction: float) -> str:
    """Role of a point at `fraction` (0..1) of the time or speed ramp."""
    return f"ramp{min(int(fraction * RAMP_STEPS), RAMP_STEPS - 1)}"


def mode_role(share: float) -> str:
    """Role of a mode whose score is `share` (0..1) of the best one's."""
    return f"mode{min(int(share * len(_MODES)), len(_MODES) - 1)}"


def _build(theme: Theme) -> dict[str, Style]:
    dark = theme is Theme.DARK
    styles = {}
    for role, (fill, dark_fill, stroke, dark_stroke, width, dash) in _ROLES.items():
        colours = (dark_fill, dark_stroke) if dark else (fill, stroke)
        styles[role] = Style(*colours, width, dash)
    for step, colour in enumerate(_RAMP_DARK if dark else _RAMP):
        styles[f"ramp{step}"] = Style("", colour, 4.2)
    for step, (opacity, width) in enumerate(_MODES):
        colour = f"{styles['plan'].stroke}{round(255 * opacity):02x}"
        styles[f"mode{step}"] = Style("", colour, width)
        styles[f"mode{step}_end"] = Style(colour)
    return styles


STYLES: Mapping[Theme, Mapping[str, Style]] = {theme: _build(theme) for theme in Theme}


def style_sheet(theme: Theme, scope: str = ".bev") -> str:
    """CSS rules that paint SVG pictures inside `scope` as the raster painter would."""
    rules = [f"{scope} path,{scope} circle{{fill:none;stroke-linejoin:round;stroke-linecap:butt}}"]
    for role, style in STYLES[theme].items():
        parts = [f"fill:{style.fill or 'none'}"]
        if style.stroke:
            parts.append(f"stroke:{style.stroke};stroke-width:{style.width:g}")
        if style.dash:
            parts.append(f"stroke-dasharray:{style.dash[0]:g} {style.dash[1]:g}")
        rules.append(f"{scope} .{role}{{{';'.join(parts)}}}")
    rules.append(f"{scope} text{{paint-order:stroke;stroke-linejoin:round}}")
    return "\n".join(rules)
