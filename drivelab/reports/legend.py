"""Title strip above and legend strip below a raster picture; only what is drawn is explained."""

from __future__ import annotations

import numpy as np

from drivelab.reports.overlays import ColourBy, ramp_bar
from drivelab.reports.palette import BEST_MODE
from drivelab.reports.shapes import SIDE, Dot, Label, Path, Picture, Shape

_ROW = 24.0
_COLUMNS = 4
# role, words, how the swatch is drawn
_ENTRIES = (
    ("ego", "ego", "box"),
    ("vehicle", "vehicle", "box"),
    ("pedestrian", "pedestrian", "box"),
    ("bicycle", "bicycle", "box"),
    ("static", "static object", "box"),
    ("plan", "plan", "dots"),
    (BEST_MODE, "other modes", "line"),
    ("recorded", "recorded ego", "line"),
    ("reference", "reference plan", "line"),
    ("vehicle_future", "recorded future", "line"),
    ("route", "route", "box"),
    ("red_light", "red light", "line"),
    ("event", "first infraction", "ring"),
    ("ego_way", "route of the ego", "line"),
    ("actor_way", "way of an actor", "line"),
    ("act_way", "scripted way", "line"),
    ("trigger", "trigger", "line"),
    ("goal", "goal", "ring"),
)


def title_strip(title: str, subtitle: str) -> Picture:
    """The scene's name in bold with a quieter line on the right."""
    shapes: tuple[Shape, ...] = (
        Label("page_text", _shortened(title, 46), 18.0, 21.0, 16.0, "start", True),
        Label("page_muted", _shortened(subtitle, 34), SIDE - 18.0, 21.0, 13.0, "end"),
    )
    return Picture(SIDE, 42.0, shapes, "page")


def legend_strip(picture: Picture, seconds: float, speed: float, colour_by: ColourBy) -> Picture:
    """Swatches of the roles that `picture` uses, and the colour key of simulated states."""
    roles = picture.roles()
    used = [entry for entry in _ENTRIES if entry[0] in roles]
    shapes: list[Shape] = []
    for index, (role, words, how) in enumerate(used):
        x = 18.0 + (index % _COLUMNS) * (SIDE - 30) / _COLUMNS
        y = 20.0 + (index // _COLUMNS) * _ROW
        shapes += [*_swatch(role, how, x, y), Label("page_text", words, x + 34, y, 13.0)]
    rows = -(-len(used) // _COLUMNS)
    if any(role.startswith("ramp") for role in roles):
        shapes += ramp_bar(seconds, speed, colour_by, 20.0 + rows * _ROW)
        rows += 1
    return Picture(SIDE, rows * _ROW + 16.0, tuple(shapes), "page")


def _swatch(role: str, how: str, x: float, y: float) -> list[Shape]:
    if how == "ring":
        return [Dot(role, x + 13, y, 7.0)]
    line = Path(role, (np.array([[x, y], [x + 26, y]]),), False)
    if how == "line":
        return [line]
    if how == "dots":
        return [line, Dot("plan_dot", x + 7, y, 4.2), Dot("plan_dot", x + 19, y, 4.2)]
    box = np.array([[x, y - 6], [x + 26, y - 6], [x + 26, y + 6], [x, y + 6]])
    return [Path(role, (box,))]


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
