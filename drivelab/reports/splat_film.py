"""Frames -> a moving picture, whole or not at all: mp4, animated WebP or GIF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from drivelab.reports.encoder import write_video
from drivelab.sim.splats.writing import replace_file

FILMS = (".mp4", ".webp", ".gif")
QUALITY = 70  # of WebP: well below, asphalt turns into blocks
COLOURS = 128  # of a GIF's palette

Progress = Callable[[int, int], None]


def write_film(
    frames: Iterator[Image.Image],
    path: Path,
    *,
    fps: int,
    total: int,
    progress: Progress | None = None,
) -> Path:
    """Write frames of one size; the ending of `path`, one of `FILMS`, says how.

    `progress` is called with (frames done, `total`). Loops without end, but for mp4.
    """
    if path.suffix.lower() == ".mp4":
        return write_video(map(_even, frames), path, fps=fps, total=total, progress=progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = _told(frames, total, progress)
    if path.suffix.lower() == ".gif":
        told = (frame.quantize(COLOURS, dither=Image.Dither.NONE) for frame in told)
    replace_file(path, lambda part: _animate(told, part, path.suffix[1:].lower(), fps))
    return path


def _animate(frames: Iterator[Image.Image], part: Path, kind: str, fps: int) -> None:
    first = next(frames)
    how = {"quality": QUALITY, "method": 4} if kind == "webp" else {"optimize": True}
    with part.open("wb") as stream:
        first.save(
            stream, kind, save_all=True, append_images=frames, duration=round(1000 / fps), loop=0,
            **how,
        )  # fmt: skip


def _told(
    frames: Iterator[Image.Image], total: int, progress: Progress | None
) -> Iterator[Image.Image]:
    for done, frame in enumerate(frames, start=1):
        yield frame
        if progress is not None:
            progress(done, total)


def _even(frame: Image.Image) -> Image.Image:
    """Without the last column or row that the encoder would refuse; of one alone, two."""
    width, height = (max(2, length - length % 2) for length in frame.size)
    return frame.crop((0, 0, width, height))
