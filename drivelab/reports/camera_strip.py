"""What an agent's cameras saw, side by side, with its plan laid on the ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from drivelab.reports.ground_paint import OnGround, paint_ground
from drivelab.reports.palette import STYLES, Theme
from drivelab.reports.raster import paint_over
from drivelab.reports.shapes import Label
from drivelab.types import CameraFrame, Scene, SensorData

WIDEST = 1280  # of the whole [px]
TALLEST, SMALLEST = 360, 200  # of a picture [px]
IN_A_ROW = 4  # more cameras take another row
_GAP = 4  # between pictures [px]


def camera_strip(scene: Scene, names: Sequence[str], ground: OnGround) -> Image.Image:
    """The pictures of the scene's present from left to right, with what lies on their ground.

    Pictures of a fisheye stay as they were seen: their calibration does not say where points lie.

    Args:
        scene: with sensors.
        names: of its cameras, in any order.
        ground: what is painted onto them.

    Raises:
        DataError: a picture cannot be read.
    """
    assert scene.sensors is not None
    frames = {name: scene.sensors.camera(name, scene.now) for name in names}
    order = left_to_right(frames)
    in_row = -(-len(order) // -(-len(order) // IN_A_ROW))
    rows = [order[start : start + in_row] for start in range(0, len(order), in_row)]
    height = _height([[frames[name] for name in row] for row in rows])
    lines = []
    for row in rows:
        pictures = []
        for name in row:
            flat = None if _is_fisheye(scene.sensors, name) else ground
            picture = paint_ground(frames[name], flat, height)
            paint_over(picture, [Label("text", name, 8.0, 14.0, 12.0)], 1.0, Theme.DARK)
            pictures.append(picture)
        lines.append(_joined(pictures, across=True))
    return _joined(lines, across=False)


def left_to_right(frames: Mapping[str, CameraFrame]) -> tuple[str, ...]:
    """Names by where the cameras look: over the left to the front, then the right, then behind."""

    def bearing(name: str) -> float:
        x, y = frames[name].ego_from_cam_rotation[:2, 2]
        angle = float(np.arctan2(y, x))
        return angle if angle < np.pi - 1e-3 else angle - 2 * np.pi

    return tuple(sorted(frames, key=bearing, reverse=True))


def _height(rows: Sequence[Sequence[CameraFrame]]) -> int:
    """Of every picture [px]: only small ones are enlarged, and the widest row fits."""
    room = []
    for row in rows:
        shares = [frame.image.shape[1] / frame.image.shape[0] for frame in row]
        room.append(int((WIDEST - _GAP * (len(row) - 1)) / sum(shares)))
    tallest = max(frame.image.shape[0] for row in rows for frame in row)
    return max(1, min(TALLEST, max(tallest, SMALLEST), *room))


def _joined(pictures: Sequence[Image.Image], *, across: bool) -> Image.Image:
    """Pictures beside or below each other, with a gap."""
    widths, heights = zip(*(picture.size for picture in pictures), strict=True)
    gaps = _GAP * (len(pictures) - 1)
    size = (sum(widths) + gaps, max(heights)) if across else (max(widths), sum(heights) + gaps)
    sheet = Image.new("RGB", size, STYLES[Theme.DARK]["page"].fill)
    at = 0
    for picture in pictures:
        sheet.paste(picture, (at, 0) if across else (0, at))
        at += (picture.width if across else picture.height) + _GAP
    return sheet


def _is_fisheye(sensors: SensorData, name: str) -> bool:
    from drivelab.sim.sensors.faults import FaultySensors
    from drivelab.sim.sensors.kept import KeptSensors
    from drivelab.sim.sensors.rendered import RenderedSensors

    clean = sensors.clean if isinstance(sensors, FaultySensors) else sensors
    if isinstance(clean, RenderedSensors):
        return clean.stage.rig.camera(name).model == "fisheye"
    return isinstance(clean, KeptSensors) and clean.rig.camera(name).model == "fisheye"
