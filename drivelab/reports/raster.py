"""Paints pictures with Pillow: drawn at a multiple of the size, then averaged for smooth edges."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFont

from drivelab.reports.palette import STYLES, Style, Theme
from drivelab.reports.shapes import Dot, Label, Path, Picture, Shape

_ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}


def paint(picture: Picture, zoom: float, theme: Theme, *, stroke: float = 1.0) -> Image.Image:
    """An image of `zoom` pixels per picture unit, not yet smoothed; `stroke` scales line widths."""
    size = (round(picture.width * zoom), round(picture.height * zoom))
    image = Image.new("RGB", size, STYLES[theme][picture.background].fill)
    paint_over(image, picture.shapes, zoom, theme, stroke=stroke)
    return image


def paint_over(
    image: Image.Image, shapes: Iterable[Shape], zoom: float, theme: Theme, *, stroke: float = 1.0
) -> None:
    """Paint shapes onto an image, in place."""
    draw = ImageDraw.Draw(image, "RGBA")
    styles = STYLES[theme]
    for shape in shapes:
        style = styles[shape.role]
        if isinstance(shape, Path):
            _paint_path(image, draw, shape, style, zoom, stroke * zoom)
        elif isinstance(shape, Dot):
            _paint_dot(draw, shape, style, zoom)
        else:
            _paint_label(draw, shape, style, zoom)


def smooth(image: Image.Image, factor: int) -> Image.Image:
    """Average `factor` x `factor` pixels into one."""
    return image.reduce(factor) if factor > 1 else image


def stack(images: list[Image.Image]) -> Image.Image:
    """Put images of one width below each other."""
    out = Image.new("RGB", (images[0].width, sum(image.height for image in images)))
    top = 0
    for image in images:
        out.paste(image, (0, top))
        top += image.height
    return out


def _paint_path(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    path: Path,
    style: Style,
    zoom: float,
    stroke: float,
) -> None:
    parts = [part * zoom for part in path.parts]
    if path.closed and style.fill:
        if len(parts) == 1:
            draw.polygon(_pairs(parts[0]), fill=style.fill)
        else:
            _fill_even_odd(image, parts, style.fill)
    if style.stroke:
        width = max(1, round(style.width * stroke))
        for part in parts:
            line = np.vstack([part, part[:1]]) if path.closed else part
            dashes = _dashes(line, style.dash, stroke) if style.dash else [line]
            for dash in dashes:
                draw.line(_pairs(dash), fill=style.stroke, width=width, joint="curve")


def _fill_even_odd(image: Image.Image, rings: list[np.ndarray], fill: str) -> None:
    """Rings inside rings are holes; Pillow's polygon knows none."""
    mask = Image.new("1", image.size)
    for ring in rings:
        layer = Image.new("1", image.size)
        ImageDraw.Draw(layer).polygon(_pairs(ring), fill=1)
        mask = ImageChops.logical_xor(mask, layer)
    colour = ImageColor.getcolor(fill, "RGBA")
    assert isinstance(colour, tuple)
    alpha = mask.convert("L").point(lambda value: value * colour[3] // 255)
    image.paste(colour[:3], (0, 0), alpha)


def _paint_dot(draw: ImageDraw.ImageDraw, dot: Dot, style: Style, zoom: float) -> None:
    x, y, radius = dot.x * zoom, dot.y * zoom, dot.radius * zoom
    draw.ellipse(
        (x - radius, y - radius, x + radius, y + radius),
        fill=style.fill or None,
        outline=style.stroke or None,
        width=max(1, round(style.width * zoom)) if style.stroke else 0,
    )


def _paint_label(draw: ImageDraw.ImageDraw, label: Label, style: Style, zoom: float) -> None:
    draw.text(
        (label.x * zoom, label.y * zoom),
        label.text,
        fill=style.fill,
        font=_font(round(label.size * zoom), label.bold),
        anchor=_ANCHORS[label.anchor],
        stroke_width=round(style.width * zoom / 2),
        stroke_fill=style.stroke,
    )


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as shipped with matplotlib: the same glyphs on every machine."""
    import matplotlib  # only for its data folder

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size)


def _dashes(
    line: Float[np.ndarray, "n 2"], dash: tuple[float, float], zoom: float
) -> list[Float[np.ndarray, "_ 2"]]:
    """Cut a polyline into its dashes."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    on, period = dash[0] * zoom, (dash[0] + dash[1]) * zoom
    pieces = []
    for start in np.arange(0.0, length[-1], period):
        stop = min(start + on, length[-1])
        inner = (length > start) & (length < stop)
        at = np.concatenate([[start], length[inner], [stop]])
        xs, ys = np.interp(at, length, line[:, 0]), np.interp(at, length, line[:, 1])
        pieces.append(np.column_stack([xs, ys]))
    return pieces


def _pairs(points: Float[np.ndarray, "n 2"]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]
