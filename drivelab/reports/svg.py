"""Writes pictures as SVG: one path per role, coordinates to a tenth, colours by class."""

from __future__ import annotations

from html import escape

import numpy as np
from jaxtyping import Float

from drivelab.reports.palette import Theme, style_sheet
from drivelab.reports.shapes import Dot, Label, Path, Picture, Shape


def inline_svg(picture: Picture) -> str:
    """Markup for an HTML page that holds `palette.style_sheet`."""
    width, height = _number(picture.width), _number(picture.height)
    body = "".join(_element(shape) for shape in picture.shapes)
    return (
        f'<svg class="bev" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(picture.title)}">'
        f'<rect class="{picture.background}" width="{width}" height="{height}"/>{body}</svg>'
    )


def standalone_svg(picture: Picture, theme: Theme) -> str:
    """A file of its own, with its colours inside."""
    markup = inline_svg(picture).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, body = markup.split(">", 1)
    font = ".bev text{font-family:DejaVu Sans,Arial,sans-serif}"
    return f"{head}><style>{style_sheet(theme)}\n{font}</style>{body}\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Path):
        data = "".join(_ring(part, shape.closed) for part in shape.parts)
        rule = ' fill-rule="evenodd"' if shape.closed and len(shape.parts) > 1 else ""
        title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
        return f'<path class="{shape.role}"{rule} d="{data}">{title}</path>'
    if isinstance(shape, Dot):
        x, y, radius = (_number(value) for value in (shape.x, shape.y, shape.radius))
        return f'<circle class="{shape.role}" cx="{x}" cy="{y}" r="{radius}"/>'
    return _text(shape)


def _text(label: Label) -> str:
    weight = ' font-weight="700"' if label.bold else ""
    return (
        f'<text class="{label.role}" x="{_number(label.x)}" y="{_number(label.y)}" '
        f'font-size="{_number(label.size)}" text-anchor="{label.anchor}" '
        f'dominant-baseline="central"{weight}>{escape(label.text)}</text>'
    )


def _ring(points: Float[np.ndarray, "n 2"], closed: bool) -> str:
    """Absolute start, then relative steps of rounded positions: short, and errors do not add up."""
    tenths = np.round(points * 10).astype(int)
    steps = np.diff(tenths, axis=0)
    moved = steps[(steps != 0).any(1)]
    start = f"M{_tenth(tenths[0, 0])} {_tenth(tenths[0, 1])}"
    rest = "".join(f"{_tenth(x)} {_tenth(y)} " for x, y in moved)
    return f"{start}l{rest.rstrip()}{'z' if closed else ''}" if len(moved) else ""


def _tenth(value: int) -> str:
    return _number(value / 10)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
