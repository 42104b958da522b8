"""Headers of PLY files: which elements follow, how many rows of which type each has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drivelab.errors import DataError

LONGEST = 1 << 16  # bytes that a header has at most
MOST = 1 << 40  # rows that an element has at most
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4",
    "uint32": "<u4", "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Element:
    """Rows of one kind.

    Attributes:
        name: as the header calls it.
        count: of rows.
        rows: type of one row, fields by property name; None where rows have lists, and so no
            fixed length.
    """

    name: str
    count: int
    rows: np.dtype | None

    @property
    def size(self) -> int:
        """Bytes of all rows; 0 where that is not known."""
        return 0 if self.rows is None else self.count * self.rows.itemsize


@dataclass(frozen=True, slots=True)
class PlyHeader:
    """All that a little-endian PLY says of itself.

    Attributes:
        elements: in the order of their rows.
        begin: byte of the first row.
    """

    elements: tuple[Element, ...]
    begin: int

    @property
    def fixed(self) -> bool:
        """Whether the length of the file follows from the header."""
        return all(element.rows is not None for element in self.elements)


def read_header(file: Path) -> PlyHeader:
    """Read the header of a binary little-endian PLY.

    Raises:
        DataError: no such file, no PLY, another byte order or text, an element or property that
            cannot be; says which and what was expected.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(LONGEST)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    if not start.startswith(b"ply"):
        raise DataError("is no PLY file: it does not begin with 'ply'", file=file)
    mark = start.find(b"end_header")
    end = start.find(b"\n", mark)
    if mark < 0 or end < 0:
        raise DataError(
            f"has no end_header in its first {LONGEST} bytes; truncated or no PLY", file=file
        )
    lines = [line.split() for line in start[:mark].decode("latin-1").splitlines()[1:]]
    lines = [words for words in lines if words and words[0] not in ("comment", "obj_info")]
    if not lines or lines[0][:2] != ["format", "binary_little_endian"]:
        found = " ".join(lines[0]) if lines else "nothing"
        raise DataError(
            f"{found[:60]!r} in its header; expected 'format binary_little_endian 1.0': export "
            "it again as binary PLY",
            file=file,
        )
    return PlyHeader(_elements(lines[1:], file), end + 1)


def check_length(header: PlyHeader, found: int, file: Path) -> None:
    """Refuse a file whose rows are not all there, or that goes on behind them.

    Args:
        header: of the file; elements behind the first one with lists are not looked at.
        found: bytes behind the header.
        file: named in the message.
    """
    needed = 0
    for element in header.elements:
        if element.rows is None:
            break
        needed += element.size
    if found < needed or (header.fixed and found > needed):
        counts = ", ".join(f"{element.count} x {element.name}" for element in header.elements)
        raise DataError(
            f"{found} bytes behind its header, which names {counts} = {needed}; truncated or "
            "damaged, fetch it again",
            file=file,
        )


def rows_of(element: Element, begin: int, file: Path) -> np.ndarray:
    """The rows of an element as a structured array on the file, which is not read yet.

    Args:
        element: of the file's header.
        begin: byte of its first row.
        file: the PLY, whose length was checked.

    Raises:
        DataError: its rows have lists.
    """
    if element.rows is None:
        raise DataError(f"its element {element.name!r} has a list; expected 'property TYPE NAME' "
                        "alone", file=file)  # fmt: skip
    return np.memmap(file, element.rows, "r", begin, (element.count,))


def _elements(lines: list[list[str]], file: Path) -> tuple[Element, ...]:
    starts = [n for n, words in enumerate(lines) if words[0] == "element"]
    if not starts or starts[0] != 0:
        found = " ".join(lines[0])[:60] if lines else "nothing"
        raise DataError(f"{found!r} behind the format; expected 'element NAME COUNT'", file=file)
    ends = [*starts[1:], len(lines)]
    elements = [_element(lines[a], lines[a + 1 : b], file)
             for a, b in zip(starts, ends, strict=True)]  # fmt: skip
    names = [element.name for element in elements]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"the element {min(twice)!r} twice in its header", file=file)
    return tuple(elements)


def _element(head: list[str], lines: list[list[str]], file: Path) -> Element:
    if len(head) != 3 or not (head[2].isdecimal() and int(head[2][:20]) < MOST):
        raise DataError(
            f"{' '.join(head)[:60]!r} in its header; expected 'element NAME COUNT' with a count "
            "below 2^40",
            file=file,
        )
    fields: list[tuple[str, str]] = []
    lists = False
    for words in lines:
        if words[0] == "property" and len(words) == 5 and words[1] == "list":
            lists = True
            continue
        if words[0] != "property" or len(words) != 3 or words[1] not in _TYPES:
            raise DataError(f"{' '.join(words)[:60]!r} in its header; expected 'property TYPE "
                            f"NAME' with one of {', '.join(_TYPES)}", file=file)  # fmt: skip
        fields.append((words[2], _TYPES[words[1]]))
    names = [name for name, _ in fields]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"the property {min(twice)!r} twice in its header", file=file)
    return Element(head[1], int(head[2]), None if lists else np.dtype(fields))
