"""Frames -> an mp4 file (H.264), complete or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drivelab.errors import ConfigError


def write_video(
    frames: Iterator[Image.Image],
    path: Path,
    *,
    fps: int,
    total: int,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Encode frames of one even size; the file appears only when it is complete.

    `progress` is called with (frames done, `total`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
    try:
        _encode(frames, part, fps, total, progress)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _encode(
    frames: Iterator[Image.Image],
    path: Path,
    fps: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    writer: Any = None
    try:
        for done, frame in enumerate(frames, start=1):
            if writer is None:
                writer = _open_writer(path, frame.size, fps)
            writer.send(np.ascontiguousarray(frame, np.uint8))
            if progress is not None:
                progress(done, total)
    finally:
        if writer is not None:
            writer.close()


def _open_writer(path: Path, size: tuple[int, int], fps: int) -> Any:
    import imageio_ffmpeg

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # its own version probe
            writer = imageio_ffmpeg.write_frames(
                str(path), size, fps=fps, macro_block_size=2, quality=7, ffmpeg_log_level="error"
            )
            writer.send(None)
    except RuntimeError as error:
        raise ConfigError(
            f"no ffmpeg program for {path.name}: {error}; install imageio-ffmpeg's wheel for this "
            "platform or name a program by IMAGEIO_FFMPEG_EXE"
        ) from error
    return writer
