"""What a reconstruction shows of itself: held-out views beside learned ones, a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from drivelab.training.reconstruction.loop import Reconstruction

SHOWN = 3  # views of a preview


def draw_preview(run: Reconstruction, file: Path) -> None:
    """Some held-out views (learned ones, if none is) as taken, and below as learned."""
    from PIL import Image

    from drivelab.sim.splats.writing import replace_file
    from drivelab.training.reconstruction.views import split

    learned, held = split(run.views, run.settings.hold_out)
    numbers = held if len(held) else learned
    chosen = numbers[np.linspace(0, len(numbers) - 1, min(SHOWN, len(numbers))).astype(int)]
    taken = np.concatenate([run.views.images[n] for n in chosen.tolist()], 1)
    seen = np.concatenate([run.picture(n).numpy() for n in chosen.tolist()], 1)
    sheet = (np.concatenate([taken, seen]).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(sheet)
    replace_file(file, lambda part: picture.save(part, "JPEG", quality=90))


def draw_curve(rows: Sequence[Mapping[str, Any]], nearest: float | None, file: Path) -> None:
    """PSNR of held-out views and number of Gaussians over steps as a PNG.

    Args:
        rows: of progress.jsonl: updates, psnr, gaussians, seconds.
        nearest: PSNR of copying the nearest view [dB], or None.
        file: where the picture goes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    right = left.twinx()
    steps = [row["updates"] for row in rows]
    held = [np.nan if row["psnr"] is None else row["psnr"] for row in rows]
    left.plot(steps, held, color="#0b6e99", linewidth=2.0, marker="o", markersize=3.0)
    if nearest is not None:
        left.axhline(nearest, color="#0b6e99", linestyle=":", linewidth=1.2)
        left.annotate("nearest learned view", (0.02, nearest), xytext=(0, 4), fontsize=8,
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      color="#0b6e99")  # fmt: skip
    right.plot(steps, [row["gaussians"] / 1e3 for row in rows], color="#b5651d",
               linewidth=1.4, linestyle="--")  # fmt: skip
    left.set_xlabel("step")
    left.set_ylabel("PSNR of held-out views [dB]", color="#0b6e99")
    right.set_ylabel("thousand Gaussians", color="#b5651d")
    right.set_ylim(bottom=0)
    left.grid(color="#e4e7eb")
    for axes in (left, right):
        axes.spines["top"].set_visible(False)
    figure.savefig(file, dpi=120)
