"""A plan and a recorded drive, painted onto the ground of a camera's picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageColor, ImageDraw

from drivelab.geometry.poses import relative, wrap_angle
from drivelab.reports.ground_view import GroundView, ground_view
from drivelab.reports.motion import frame_seconds
from drivelab.reports.palette import STYLES, Theme
from drivelab.types import CameraFrame, Scene

SMOOTHING = 2  # pixels averaged per axis
_STEP = 0.4  # length of the ribbon's pieces [m]
_STRONG, _WEAK = 0.6, 0.12  # opacity of the ribbon at the ego, and from `_FADED` on
_FADED = 40.0  # [m]
_EDGE = 1.5  # width of the ribbon's borders [px]
_CASING, _LINE = 3.6, 1.8  # of the recorded drive, and of what is dark below it [px]


@dataclass(frozen=True, slots=True, eq=False)
class OnGround:
    """What lies on the ground of every picture, in the ego frame.

    Attributes:
        plan: rear-axle poses, the present left out; None = no ribbon.
        width: of the vehicle [m].
        driven: the recorded rear-axle positions from the present on [m].
    """

    plan: Float[np.ndarray, "p 3"] | None
    width: float
    driven: Float[np.ndarray, "t 2"]


def on_ground(scene: Scene, plan: Float[np.ndarray, "p 3"] | None, seconds: float) -> OnGround:
    """The plan of a scene, and its recorded drive up to `seconds` from the present."""
    stop = int(np.flatnonzero(frame_seconds(scene) <= seconds + 1e-6)[-1]) + 1
    driven = relative(scene.ego.poses[scene.now], scene.ego.poses[scene.now : stop])[:, :2]
    return OnGround(plan, float(scene.vehicle.width), driven)


def ribbon(
    plan: Float[np.ndarray, "p 3"], width: float, step: float = _STEP
) -> tuple[Float[np.ndarray, "n 4 2"], Float[np.ndarray, " n"]]:
    """The band that a vehicle of `width` [m] covers between the present and a plan's end.

    Returns:
        consecutive pieces of at most `step` [m]: their corners (near left, far left, far right,
        near right), and how far along the plan the middle of each one lies [m].
    """
    poses = np.vstack([np.zeros(3), plan])
    fine = [poses[:1]]
    for start, stop in pairwise(poses):
        ahead = stop - start
        count = max(1, int(np.ceil(np.hypot(ahead[0], ahead[1]) / step)))
        share = np.arange(1, count + 1)[:, None] / count
        fine.append(start + share * np.array([ahead[0], ahead[1], wrap_angle(float(ahead[2]))]))
    path = np.concatenate(fine)
    side = np.column_stack([-np.sin(path[:, 2]), np.cos(path[:, 2])]) * width / 2
    left, right = path[:, :2] + side, path[:, :2] - side
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path[:, :2], axis=0).T))])
    corners = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
    return corners, (along[:-1] + along[1:]) / 2


def paint_ground(frame: CameraFrame, ground: OnGround | None, height: int) -> Image.Image:
    """A camera's picture, `height` pixels tall, with what lies on its ground.

    Without `ground`, or where the distortion folds the picture, so that nothing can be said to lie
    anywhere, it stays as it was seen.
    """
    seen = Image.fromarray(np.ascontiguousarray(frame.image)).convert("RGB")
    zoom = height / seen.height
    size = (max(1, round(seen.width * zoom)), height)
    picture = seen.resize(size, Image.Resampling.LANCZOS)
    try:
        view = ground_view(frame) if ground is not None else None
    except ValueError:
        view = None
    if view is None or ground is None:
        return picture
    layer = Image.new("RGBA", (size[0] * SMOOTHING, size[1] * SMOOTHING))
    draw = ImageDraw.Draw(layer)  # replaces what is there: pieces that touch leave no seam
    if ground.plan is not None:
        _draw_ribbon(draw, view, ground.plan, ground.width, zoom * SMOOTHING)
    _draw_drive(draw, view, ground.driven, zoom * SMOOTHING)
    layer = layer.reduce(SMOOTHING)
    picture.paste(layer, (0, 0), layer)
    return picture


def _draw_ribbon(
    draw: ImageDraw.ImageDraw,
    view: GroundView,
    plan: Float[np.ndarray, "p 3"],
    width: float,
    zoom: float,
) -> None:
    pieces, along = ribbon(plan, width)
    bright = ImageColor.getrgb(STYLES[Theme.DARK]["plan"].stroke)[:3]
    opacity = np.maximum(_WEAK, _STRONG + (_WEAK - _STRONG) * along / _FADED)
    for corners, share in zip(pieces[::-1], opacity[::-1], strict=True):  # the near over the far
        area = view.area(corners) * zoom
        if len(area) >= 3:
            draw.polygon(_pairs(area), fill=(*bright, round(255 * share)))
    for corners, share in zip(pieces, opacity, strict=True):
        colour = (*bright, round(255 * min(1.0, share + 0.35)))
        for side in (corners[:2], corners[2:]):
            for line in view.lines(side):
                draw.line(_pairs(line * zoom), fill=colour, width=round(_EDGE * SMOOTHING))


def _draw_drive(
    draw: ImageDraw.ImageDraw, view: GroundView, driven: Float[np.ndarray, "t 2"], zoom: float
) -> None:
    dark, light = (STYLES[theme]["recorded"].stroke for theme in Theme)
    for colour, width in ((dark, _CASING), (light, _LINE)):
        for line in view.lines(driven):
            draw.line(_pairs(line * zoom), fill=colour, width=round(width * SMOOTHING))


def _pairs(points: Float[np.ndarray, "n 2"]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]
