"""Clips that went wrong, each at the moment it did, side by side in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from drivelab.metrics.metric import Event
from drivelab.reports.drive_picture import drive_picture, step_of
from drivelab.reports.palette import Theme
from drivelab.reports.raster import paint, smooth
from drivelab.reports.shapes import SIDE, Label
from drivelab.types import Rollout, Scene

_SMOOTHING = 2
_LETTERING = 1.25  # small pictures want larger words


def draw_failures(
    failures: Sequence[tuple[Scene, Rollout, Event]], path: Path, *, size_px: int = 400
) -> Path:
    """Write a PNG, a square for each failure; the file appears only when it is complete.

    Args:
        failures: world, drive and first event of each, one or more.
        path: where the picture goes.
        size_px: side of a square.
    """
    squares = [_square(*failure, size_px) for failure in failures]
    strip = Image.new("RGB", (size_px * len(squares), size_px))
    for place, square in enumerate(squares):
        strip.paste(square, (place * size_px, 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    strip.save(part, format="png", optimize=True)
    part.replace(path)
    return path


def _square(scene: Scene, rollout: Rollout, event: Event, size_px: int) -> Image.Image:
    step = step_of(rollout, event)
    picture = drive_picture(scene, rollout, step, event=event, lettering=_LETTERING)
    name = Label("text", scene.id, 18.0, 24.0, 15.0 * _LETTERING, "start", True)
    picture = replace(picture, shapes=(*picture.shapes, name))
    image = paint(picture, _SMOOTHING * size_px / SIDE, Theme.LIGHT)
    return smooth(image, _SMOOTHING).resize((size_px, size_px))
