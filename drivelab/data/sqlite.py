"""Open SQLite files of data roots: read-only, no locks, no journals, one clear error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from drivelab.errors import DataError

_HEADER = b"SQLite format 3\x00"


def connect_readonly(file: Path) -> sqlite3.Connection:
    """Connect to an existing file that is taken as unchanging (works on read-only mounts)."""
    check_complete(file)
    uri = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        return sqlite3.connect(uri, uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise unreadable(file, error) from error


@contextmanager
def open_readonly(file: Path) -> Iterator[sqlite3.Connection]:
    """Connect for a with-block; errors of its queries name the file."""
    with closing(connect_readonly(file)) as connection:
        try:
            yield connection
        except sqlite3.Error as error:
            raise unreadable(file, error) from error


def unreadable(file: Path, error: sqlite3.Error) -> DataError:
    """The error of a file that SQLite cannot read as expected."""
    return DataError(
        f"cannot be read as SQLite ({error}); the file is damaged or of another kind", file=file
    )


def check_complete(file: Path) -> None:
    """Compare the size of a file with the page count in its header: finds cut downloads."""
    try:
        with file.open("rb") as stream:
            header = stream.read(100)
        size = file.stat().st_size
    except OSError as error:
        raise DataError(f"cannot be opened: {error.strerror or error}", file=file) from error
    if len(header) < 100 or not header.startswith(_HEADER):
        raise DataError("is not an SQLite file, or is cut in its first bytes", file=file)
    page = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
    if size < expected:
        raise DataError(
            f"truncated: {size} bytes, its header counts {expected}; fetch it again", file=file
        )
