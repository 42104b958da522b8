"""COLMAP's text files, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from drivelab.errors import DataError


def text_cameras(
    file: Path,
) -> Iterator[tuple[int, str, tuple[int, int], tuple[float, ...]]]:
    """Number, model, width and height, parameters of each camera."""
    for n, words in _lines(file):
        _require(len(words) >= 5, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]", file, n)
        number, width, height = (_whole(words[at], file, n) for at in (0, 2, 3))
        values = tuple(_real(word, file, n) for word in words[4:])
        yield number, words[1], (width, height), values


def text_images(file: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    """Name, quaternion wxyz and shift of cam_from_scene, camera of each picture.

    Every picture has a second line with its marks, which may be empty.
    """
    rows = [
        (n, line) for n, line in enumerate(_text(file).splitlines(), 1) if not line.startswith("#")
    ]
    while rows and not rows[0][1].strip():
        rows.pop(0)
    for n, line in rows[::2]:
        if not line.strip():
            break
        words = line.split(None, 9)
        _require(len(words) == 10, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", file, n)
        values = np.array([_real(word, file, n) for word in words[1:8]])
        yield words[9].strip(), values[:4], values[4:], _whole(words[8], file, n)


def text_points(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and colours (n, 3) 0..1."""
    found = []
    for n, words in _lines(file):
        _require(len(words) >= 8, "POINT3D_ID X Y Z R G B ERROR TRACK[]", file, n)
        found.append([_real(word, file, n) for word in words[1:7]])
    values = np.array(found, float).reshape(-1, 6)
    return values[:, :3], values[:, 3:].clip(0, 255) / 255.0


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except UnicodeDecodeError as error:
        raise DataError(f"is no text ({error.reason}); a binary model ends in .bin",
                        file=file) from error  # fmt: skip


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbers and words of the lines that are neither empty nor comments."""
    for n, line in enumerate(_text(file).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield n, line.split()


def _require(fits: bool, wanted: str, file: Path, line: int) -> None:
    if not fits:
        raise DataError(f"expected {wanted}", file=file, where=f"line {line}")


def _whole(word: str, file: Path, line: int) -> int:
    try:
        return int(word)
    except ValueError:
        raise DataError(f"{word[:40]!r}; expected a whole number", file=file,
                        where=f"line {line}") from None  # fmt: skip


def _real(word: str, file: Path, line: int) -> float:
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{word[:40]!r}; expected a finite number", file=file,
                        where=f"line {line}")  # fmt: skip
    return value
