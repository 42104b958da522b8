"""Draw docs/images/splats.jpg: twelve views of streets of Gaussians.

Run from the repository root: python docs/splat_sheet.py [FILE]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drivelab.cli.splat_sources import read_source
from drivelab.kernels.splat import Cameras
from drivelab.reports.splat_panels import Play
from drivelab.sim.splats.look import look

COLUMNS, WIDTH, HEIGHT, CAPTION, GAP = 4, 336, 210, 24, 8  # [pixels]
SMOOTHING = 2  # a view is drawn so many times as large
EYE, AIM = (1.7, 0.0, 1.55), (11.7, 0.0, 1.3)  # through the windscreen


@dataclass(frozen=True)
class View:
    """What one tile shows.

    Attributes:
        caption: below it.
        source: words of `drivelab splat render`.
        time: of the recording [s].
        of: who `eye` and `aim` are relative to: ego, or the id of an actor.
        eye: where the camera stands: ahead, left, up [m].
        aim: what it looks at, in the same frame [m].
        field_deg: of view across the width.
    """

    caption: str
    source: str
    time: float
    of: str = "ego"
    eye: tuple[float, float, float] = EYE
    aim: tuple[float, float, float] = AIM
    field_deg: float = 62.0


VIEWS: tuple[tuple[View, ...], ...] = (
    (View("day", "clip=test-0000-straight", 4.0),),
    (View("night", "clip=test-0008-jaywalker weather.time=night", 2.0),),
    (View("rain", "clip=test-0063-lane_drop weather.rain=0.8", 2.0),),
    (View("junction", "clip=test-0040-four_way", 0.0, eye=(-7, 1, 7), aim=(22, 0, 0)),),
    (View("queue", "clip=test-0011-dense_queue", 4.0, eye=(-9, 1.5, 5), aim=(12, 0, 0)),),
    (View("crosswalk", "scenario=pedestrian_on_crossing", 5.5),),
    (
        View("red light", "scenario=red_light", 8.5, eye=(2.6, -0.6, 1.9), aim=(8.3, -2.2, 2.6),
             field_deg=34.0),
        View("green light", "scenario=red_light", 10.3, eye=(0.5, -0.6, 1.9), aim=(6.2, -2.2, 2.6),
             field_deg=34.0),
    ),
    (View("car", "scenario=roundabout_straight_on", 4.0, "ahead", (7, 4.5, 2), (0, 0, 0.6)),),
    (View("truck", "scenario=bend_behind_truck", 8.0, "truck", (-10, 6, 2.6), (0, 0, 1.5)),),
    (View("pedestrian", "scenario=pedestrian_on_crossing", 5.0, "from_right", (2.6, 2.8, 1.6),
          (0, 0, 0.9)),),
    (View("cyclist", "scenario=cyclist_in_narrow_street", 5.0, "cyclist", (2.2, 3.2, 1.6),
          (0, 0, 0.9)),),
    (View("roundabout", "scenario=roundabout_straight_on", 6.5, eye=(3, 0, 6.5), aim=(22, 0, 0)),),
)  # fmt: skip


def picture(view: View, play: Play, width: int) -> Image.Image:
    """One view, `width` pixels wide."""
    sight = play.sight(play.nearest(view.time))
    frame = sight.scene_from_ego if view.of == "ego" else sight.moment.poses[view.of]
    eye, aim = ((frame @ [*point, 1.0])[:3] for point in (view.eye, view.aim))
    size = (SMOOTHING * width, SMOOTHING * HEIGHT)
    focal = 0.5 * size[0] / np.tan(np.radians(view.field_deg) / 2)
    lens = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    cameras = Cameras(towards(eye, aim)[None], lens[None], *size, "pinhole")
    seen = look(sight.scene, sight.splats, cameras, frame=sight.frame).images
    assert seen is not None
    image = Image.fromarray((np.clip(seen[0], 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize((width, HEIGHT), Image.Resampling.LANCZOS)


def towards(eye: np.ndarray, aim: np.ndarray) -> np.ndarray:
    """Camera from scene: x right, y down, z at what it looks at."""
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    view = np.eye(4)
    view[:3, :3] = [right, np.cross(ahead, right), ahead]
    view[:3, 3] = -view[:3, :3] @ eye
    return view


def tile(views: tuple[View, ...], plays: dict[str, Play]) -> Image.Image:
    """Views side by side over their captions."""
    image = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    gap = GAP // 2 if len(views) > 1 else 0
    width = (WIDTH - gap * (len(views) - 1)) // len(views)
    for n, view in enumerate(views):
        if view.source not in plays:
            plays[view.source] = read_source(dict(w.split("=", 1) for w in view.source.split()))
        left = n * (width + gap)
        image.paste(picture(view, plays[view.source], width), (left, 0))
        draw.text((left + 3, HEIGHT + CAPTION / 2), view.caption, "#222222", font, anchor="lm")
    return image


def main(file: str = "docs/images/splats.jpg") -> None:
    """Write the sheet."""
    rows = -(-len(VIEWS) // COLUMNS)
    size = (COLUMNS * (WIDTH + GAP) - GAP, rows * (HEIGHT + CAPTION))
    sheet, plays = Image.new("RGB", size, "white"), dict[str, Play]()
    for n, views in enumerate(VIEWS):
        place = (n % COLUMNS * (WIDTH + GAP), n // COLUMNS * (HEIGHT + CAPTION))
        sheet.paste(tile(views, plays), place)
    sheet.save(file, quality=88)


if __name__ == "__main__":
    main(*sys.argv[1:])
