"""The journal of a run: finished rows, appended durably, one JSON line each.

Lines are written whole and synced before the run goes on, so that a killed run loses at most the
batch it was working on. A torn last line (killed inside a write) is dropped when it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import RunError


def plain(value: Any) -> Any:
    """A JSON value of Python's own types; floats keep every bit."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise RunError(f"a row holds a {type(value).__name__} ({value!r}), expected a number or a text")


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows in one write and sync them to disk."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    with path.open("ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Rows by scene id, later lines over earlier ones; cuts a torn last line off the file."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
            rows[row["scene"]] = row
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}, line {number}: not a row of a run ({error}); the file was changed from "
                "outside: delete it to evaluate its scenes again"
            ) from error
    return rows
