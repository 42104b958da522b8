"""Draw docs/images/scenario_library.png: the start of every scenario of the library.

Run from the repository root: python docs/library_sheet.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from drivelab.reports.palette import Theme
from drivelab.reports.raster import paint, smooth
from drivelab.reports.scenario_picture import scenario_shapes
from drivelab.sim.scenario.files import families, load_scenario

COLUMNS, TILE, CAPTION, HEADING, GAP = 8, 260, 20, 34, 8  # [pixels]
WIDTH = 190  # of a tile: the ego drives upwards, there is little to see at the sides
SMOOTHING = 3
COLOURS = 64  # of the palette: keeps the file small


def tile(name: str) -> Image.Image:
    """Start, routes and triggers of a scenario as it is written, ego forward up."""
    picture = scenario_shapes(load_scenario(name).episode(-1))
    image = smooth(paint(picture, SMOOTHING * TILE / picture.width, Theme.LIGHT), SMOOTHING)
    side = (TILE - WIDTH) // 2
    return image.resize((TILE, TILE)).crop((side, 0, side + WIDTH, TILE))


def sheet() -> Image.Image:
    """Tiles in rows, family by family."""
    rows = {family: -(-len(names) // COLUMNS) for family, names in families().items()}
    height = sum(HEADING + count * (TILE + CAPTION + GAP) for count in rows.values())
    image = Image.new("RGB", (COLUMNS * (WIDTH + GAP) + GAP, height), "white")
    draw = ImageDraw.Draw(image)
    top = 0
    for family, names in families().items():
        words = f"{family}: {len(names)} scenarios"
        draw.text((GAP, top + 8), words, fill="#222222", font=ImageFont.load_default(20))
        top += HEADING
        for k, name in enumerate(names):
            x = GAP + (k % COLUMNS) * (WIDTH + GAP)
            y = top + (k // COLUMNS) * (TILE + CAPTION + GAP)
            draw.text((x + 2, y + 3), name, fill="#222222", font=ImageFont.load_default(13))
            image.paste(tile(name), (x, y + CAPTION))
        top += rows[family] * (TILE + CAPTION + GAP)
    return image


def main(file: str = "docs/images/scenario_library.png") -> None:
    """Write the picture."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    sheet().quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
