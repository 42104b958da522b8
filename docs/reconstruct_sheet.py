"""Draw docs/images/reconstruct.jpg: held-out views as taken, copied from the nearest, as learned.

Run from the repository root, with the folder of a finished `drivelab reconstruct`:
python docs/reconstruct_sheet.py RUN [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image, ImageDraw, ImageFont

import drivelab.conf
from drivelab.cli.reconstruct_run import SCENE
from drivelab.cli.reconstruct_sources import capture_of
from drivelab.sim.splats.compose import compose, moment_at
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.look import look
from drivelab.training.reconstruction.losses import psnr
from drivelab.training.reconstruction.quality import nearest
from drivelab.training.reconstruction.views import split

SHOWN, MARGIN, CAPTION, LARGER = 3, 6, 20, 1.5


def captured(run: Path) -> tuple[Any, int]:
    """The capture of a run, and every how many-th view was held out."""
    usual = Path(next(iter(drivelab.conf.__path__))) / "reconstruct.yaml"
    own = yaml.safe_load((run / "config.yaml").read_text())
    config = {**yaml.safe_load(usual.read_text()), **own}
    return capture_of(config), int(config["hold_out"])


def rows_of(run: Path) -> list[tuple[str, list[np.ndarray]]]:
    """Captions and pictures (h, w, 3), colours 0..1."""
    capture, every = captured(run)
    views, scene = capture.views, load_scene(run / SCENE)
    learned, held = split(views, every)
    chosen = held[np.linspace(0, len(held) - 1, SHOWN).astype(int)].tolist()
    near = [nearest(views, learned, n) for n in chosen]
    seen = []
    for n in chosen:
        splats = compose(scene, moment_at(scene, float(capture.times[n])))
        found = look(scene, splats, views.camera(n)).images
        assert found is not None
        seen.append(found[0].clip(0, 1))
    taken = [views.images[n] for n in chosen]
    rows = [("held-out views as taken", taken), ("the nearest learned view", views.images[near]),
            ("the learned scene", seen)]  # fmt: skip
    return [(f"{caption}{_told(taken, pictures)}", list(pictures)) for caption, pictures in rows]


def _told(taken: list[np.ndarray], pictures: Any) -> str:
    if pictures is taken:
        return ""
    found = [psnr(torch.as_tensor(np.ascontiguousarray(a)), torch.as_tensor(b))
             for a, b in zip(pictures, taken, strict=True)]  # fmt: skip
    return ": " + ", ".join(f"{float(value):.1f} dB" for value in found)


def main() -> None:
    """Draw the sheet."""
    run = Path(sys.argv[1])
    out = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images/reconstruct.jpg")
    rows = rows_of(run)
    high, wide = (round(LARGER * size) for size in rows[0][1][0].shape[:2])
    size = (SHOWN * (wide + MARGIN) + MARGIN, len(rows) * (high + CAPTION + MARGIN) + MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, (caption, pictures) in enumerate(rows):
        top = MARGIN + row * (high + CAPTION + MARGIN)
        draw.text((MARGIN, top), caption, "black", font)
        for column, picture in enumerate(pictures):
            image = Image.fromarray((np.asarray(picture) * 255 + 0.5).astype(np.uint8))
            image = image.resize((wide, high), Image.Resampling.LANCZOS)
            sheet.paste(image, (MARGIN + column * (wide + MARGIN), top + CAPTION))
    sheet.save(out, quality=88)
    print(f"{out}: {size[0]} x {size[1]}")


if __name__ == "__main__":
    main()
