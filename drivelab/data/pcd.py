"""Point clouds in PCD v0.7 files with binary data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from drivelab.errors import DataError

COLUMNS = ("x", "y", "z", "intensity", "ring", "lidar_info")
_KINDS = {"F": "f", "U": "u", "I": "i"}
_HEADER_LIMIT = 4096  # [bytes]


def read_pcd(file: Path) -> Float32[np.ndarray, "n 6"]:
    """Rows (x, y, z [m], intensity, ring, lidar id) of a cloud; fields the file lacks are 0.

    The element types come from the header; bytes after the last point are ignored.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    header, start = _header(data, file)
    dtype = _dtype(header, file)
    count = _integer(header, "POINTS", file)
    if len(data) < start + count * dtype.itemsize:
        raise DataError(
            f"truncated: {count} points of {dtype.itemsize} bytes, {len(data) - start} bytes there",
            file=file,
        )
    points = np.frombuffer(data, dtype, count, start)
    cloud = np.zeros((count, len(COLUMNS)), np.float32)
    for column, name in enumerate(COLUMNS):
        if name in (dtype.names or ()):
            cloud[:, column] = points[name]
    return cloud


def _header(data: bytes, file: Path) -> tuple[dict[str, list[str]], int]:
    header: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in header:
        end = data.find(b"\n", start, _HEADER_LIMIT)
        if end < 0:
            raise DataError("no PCD header with a DATA line", file=file)
        words = data[start:end].decode("ascii", "replace").split()
        start = end + 1
        if words and not words[0].startswith("#"):
            header[words[0]] = words[1:]
    if header["DATA"] != ["binary"]:
        raise DataError(f"DATA is {' '.join(header['DATA'])!r}, expected binary", file=file)
    return header, start


def _dtype(header: dict[str, list[str]], file: Path) -> np.dtype:
    names = header.get("FIELDS", [])
    sizes, kinds = header.get("SIZE", []), header.get("TYPE", [])
    counts = header.get("COUNT", ["1"] * len(names))
    if not names or not len(names) == len(sizes) == len(kinds) == len(counts):
        raise DataError("FIELDS, SIZE, TYPE and COUNT differ in length", file=file)
    try:
        pieces = [
            (name, f"<{_KINDS[kind]}{int(size)}", (int(count),) if int(count) != 1 else ())
            for name, size, kind, count in zip(names, sizes, kinds, counts, strict=True)
        ]
        dtype = np.dtype(pieces)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"field types {sizes} {kinds} are not known", file=file) from error
    missing = [name for name in ("x", "y", "z") if name not in names]
    if missing:
        raise DataError(f"no field {missing[0]}; there are {', '.join(names)}", file=file)
    return dtype


def _integer(header: dict[str, list[str]], key: str, file: Path) -> int:
    words = header.get(key, [])
    if len(words) != 1 or not words[0].isdigit():
        raise DataError(f"{key} is {' '.join(words)!r}, expected a number", file=file)
    return int(words[0])
