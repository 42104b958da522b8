"""COLMAP's binary files, entry by entry, with every length held against the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from drivelab.errors import DataError

# Number of a camera model -> its name and how many parameters it has.
MODELS = {
    0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4), 2: ("SIMPLE_RADIAL", 4), 3: ("RADIAL", 5),
    4: ("OPENCV", 8), 5: ("OPENCV_FISHEYE", 8), 6: ("FULL_OPENCV", 12), 7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4), 9: ("RADIAL_FISHEYE", 5), 10: ("THIN_PRISM_FISHEYE", 12),
}  # fmt: skip
LONGEST = 4096  # bytes of a picture's name


class _Cursor:
    """Takes a file apart from its beginning to its end."""

    def __init__(self, file: Path) -> None:
        self.file, self._bytes, self._at = file, file.read_bytes(), 0

    def take(self, form: str, where: str) -> tuple:
        """Values of a `struct` format, little-endian."""
        size = struct.calcsize(f"<{form}")
        self._require(size, where)
        found = struct.unpack_from(f"<{form}", self._bytes, self._at)
        self._at += size
        return found

    def skip(self, size: int, where: str) -> None:
        """Leave bytes out."""
        self._require(size, where)
        self._at += size

    def text(self, where: str) -> str:
        """Up to a zero byte."""
        end = self._bytes.find(b"\0", self._at, self._at + LONGEST)
        if end < 0:
            raise DataError(f"a name without an end in {LONGEST} bytes; cut off or damaged: write "
                            "the model again", file=self.file, where=where)  # fmt: skip
        found = self._bytes[self._at : end].decode("utf-8", errors="replace")
        self._at = end + 1
        return found

    def count(self, least: int, what: str) -> int:
        """A number of entries of at least so many bytes each."""
        (number,) = self.take("Q", "its count")
        if number * least > len(self._bytes) - self._at:
            raise DataError(
                f"tells of {number} {what} but has only {len(self._bytes) - self._at} bytes left; "
                "cut off or damaged: write the model again",
                file=self.file,
            )
        return int(number)

    def end(self) -> None:
        """Refuse what is left over."""
        if self._at != len(self._bytes):
            raise DataError(f"{len(self._bytes) - self._at} bytes beyond its last entry; of "
                            "another version? write the model again", file=self.file)  # fmt: skip

    def _require(self, size: int, where: str) -> None:
        left = len(self._bytes) - self._at
        if size > left:
            raise DataError(f"ends {size - left} bytes early; cut off: write the model again",
                            file=self.file, where=where)  # fmt: skip


def binary_cameras(
    file: Path,
) -> Iterator[tuple[int, str, tuple[int, int], tuple[float, ...]]]:
    """Number, model, width and height, parameters of each camera."""
    cursor = _Cursor(file)
    for n in range(cursor.count(24, "cameras")):
        number, model, width, height = cursor.take("iiQQ", f"entry {n}")
        if model not in MODELS:
            raise DataError(f"model {model}; expected 0 to {max(MODELS)}", file=file,
                            where=f"entry {n}")  # fmt: skip
        name, count = MODELS[model]
        yield number, name, (width, height), cursor.take(f"{count}d", f"entry {n}")
    cursor.end()


def binary_images(file: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    """Name, quaternion wxyz and shift of cam_from_scene, camera of each picture."""
    cursor = _Cursor(file)
    for n in range(cursor.count(73, "images")):
        where = f"entry {n}"
        values = cursor.take("i7di", where)
        name = cursor.text(where)
        (marks,) = cursor.take("Q", where)
        cursor.skip(24 * marks, where)
        yield name, np.array(values[1:5]), np.array(values[5:8]), int(values[8])
    cursor.end()


def binary_points(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and colours (n, 3) 0..1."""
    cursor = _Cursor(file)
    count = cursor.count(51, "points")
    points, colours = np.empty((count, 3)), np.empty((count, 3))
    for n in range(count):
        values = cursor.take("Q3d3BdQ", f"entry {n}")
        points[n], colours[n] = values[1:4], values[4:7]
        cursor.skip(8 * values[8], f"entry {n}")
    cursor.end()
    if not np.isfinite(points).all():
        raise DataError("points that are not finite; write the model again", file=file)
    return points, colours / 255.0
