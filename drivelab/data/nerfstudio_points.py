"""Points with colours from a PLY, ASCII or little-endian, as nerfstudio and COLMAP export them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivelab.errors import DataError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
LONGEST = 1 << 16  # bytes of a header


def read_points(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and colours (n, 3) 0..1; grey where the file has none.

    Raises:
        DataError: it is no such PLY, cut off, or its points are not finite.
    """
    with file.open("rb") as stream:
        head = stream.read(LONGEST)
    end = head.find(b"end_header")
    if not head.startswith(b"ply") or end < 0:
        raise DataError("is no PLY; expected points with x, y, z", file=file)
    begin = head.find(b"\n", end) + 1
    form, count, names = _header(head[:end].decode("ascii", errors="replace"), file)
    if form == "ascii":
        table = _ascii(file, begin, count, len(names))
        columns = {name: table[:, n] for n, (name, _) in enumerate(names)}
    else:
        kind = np.dtype([(name, f"<{_TYPES[own]}") for name, own in names])
        left = file.stat().st_size - begin
        if left < count * kind.itemsize:
            raise DataError(f"tells of {count} points of {kind.itemsize} bytes but has {left} "
                            "bytes left; cut off: export it again", file=file)  # fmt: skip
        rows = np.fromfile(file, kind, count, offset=begin)
        columns = {name: rows[name] for name, _ in names}
    points = np.stack([np.asarray(columns[axis], float) for axis in "xyz"], 1)
    if not np.isfinite(points).all():
        raise DataError("points that are not finite; export it again", file=file)
    colours = np.full(points.shape, 0.5)
    if {"red", "green", "blue"} <= columns.keys():
        shown = [np.asarray(columns[name], float) for name in ("red", "green", "blue")]
        colours = np.stack(shown, 1).clip(0, 255) / 255.0
    return points, colours


def _header(text: str, file: Path) -> tuple[str, int, list[tuple[str, str]]]:
    """Format, number of points, and names and types of their numbers."""
    form, count, within = "", -1, False
    names: list[tuple[str, str]] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["format"] and len(words) > 1:
            form = words[1]
        elif words[:1] == ["element"] and len(words) == 3:
            within = words[1] == "vertex"
            if within and words[2].isdecimal() and not names:
                count = int(words[2])
            elif count < 0:
                raise DataError(f"begins with {words[1]!r}; expected element vertex first",
                                file=file, where="header")  # fmt: skip
        elif words[:1] == ["property"] and within:
            if len(words) != 3 or words[1] not in _TYPES:
                raise DataError(f"{line[:80]!r}; expected plain numbers", file=file,
                                where="header")  # fmt: skip
            names.append((words[2], words[1]))
    if form not in ("ascii", "binary_little_endian") or count < 0:
        raise DataError("expected format ascii or binary_little_endian and element vertex",
                        file=file, where="header")  # fmt: skip
    known = [name for name, _ in names]
    if not {"x", "y", "z"} <= set(known) or len(set(known)) != len(known):
        raise DataError(f"properties {', '.join(known)[:200]}; expected x, y, z, each once",
                        file=file, where="header")  # fmt: skip
    return form, count, names


def _ascii(file: Path, begin: int, count: int, width: int) -> np.ndarray:
    words = file.read_bytes()[begin:].split()[: count * width]
    if len(words) < count * width:
        raise DataError(f"has {len(words)} numbers; expected {count} points of {width}: cut off, "
                        "export it again", file=file)  # fmt: skip
    try:
        return np.array(words, float).reshape(count, width)
    except ValueError as error:
        raise DataError(f"{error}; expected numbers", file=file) from error
