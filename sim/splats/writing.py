"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path


def replace_file(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside the wanted one, then put it in that one's place.

    Raises:
        OSError: it cannot be written there; what stood there before still does.
    """
    if not file.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(file.parent))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        write(part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
