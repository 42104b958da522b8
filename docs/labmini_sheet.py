"""Draw docs/images/labmini.png: one scene of every family of the embedded split.

Run from the repository root: python docs/labmini_sheet.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drivelab.data.labmini import LabminiSource
from drivelab.reports.bev import Overlay, scene_picture
from drivelab.reports.palette import Theme
from drivelab.reports.raster import paint, smooth
from drivelab.sim.generator import FAMILIES
from drivelab.types import Scene

COLUMNS, TILE, CAPTION, GAP = 4, 340, 30, 10  # [pixels]
SMOOTHING = 3
COLOURS = 96  # of the palette: keeps the file small


def tile(scene: Scene) -> Image.Image:
    """One scene, ego-forward-up, with the road the human then took."""
    picture = scene_picture(scene, Overlay())
    return smooth(paint(picture, SMOOTHING * TILE / picture.width, Theme.LIGHT), SMOOTHING)


def sheet(scenes: list[Scene]) -> Image.Image:
    """Tiles in rows, each under the name of its family."""
    rows = -(-len(scenes) // COLUMNS)
    size = (COLUMNS * (TILE + GAP) + GAP, rows * (TILE + CAPTION + GAP) + GAP)
    image = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for k, scene in enumerate(scenes):
        x = GAP + (k % COLUMNS) * (TILE + GAP)
        y = GAP + (k // COLUMNS) * (TILE + CAPTION + GAP)
        speed = scene.ego.velocities[scene.now, 0]
        text = f"{scene.family.replace('_', ' ')} · {speed:.0f} m/s"
        draw.text((x + 4, y + CAPTION / 2), text, fill="#222222", font=font, anchor="lm")
        image.paste(tile(scene).resize((TILE, TILE)), (x, y + CAPTION))
    return image


def eventfulness(scene: Scene) -> float:
    """How much the human turns [0.5 rad] and changes speed [3 m/s] after now."""
    yaw = np.unwrap(scene.ego.poses[scene.now :, 2])
    speed = scene.ego.velocities[scene.now :, 0]
    return float(2.0 * np.ptp(yaw) + np.ptp(speed) / 3.0)


def main(file: str = "docs/images/labmini.png") -> None:
    """Write the picture."""
    source = LabminiSource()
    scenes = [source.load(scene_id) for scene_id in source.scene_ids()]
    families = [[scene for scene in scenes if scene.family == name] for name in FAMILIES]
    image = sheet([max(family, key=eventfulness) for family in families])
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
