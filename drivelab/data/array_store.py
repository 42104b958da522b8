"""Arrays in a folder, each set of them under the digest of what it was made from."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.data.npz import read_npz
from drivelab.errors import DataError, RunError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEVEL = 1  # of deflate: rendered pictures shrink to about a half, in little time
LATER = {"later": True}  # metadata of a dataclass's field that digests count when it is set
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # equal arrays give equal files


class ArrayStore:
    """A folder of npz files named by digests; readers see a whole file or none.

    Args:
        folder: made when the first file is written; `cache_folder(kind)` by default.
        kind: what is kept, for messages and the default folder.
        elsewhere: the option that names another folder, for messages.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        kind: str = "features",
        elsewhere: str = "XDG_CACHE_HOME=DIR in the environment",
    ) -> None:
        self.kind, self.elsewhere = kind, elsewhere
        self.folder = Path(folder) if folder is not None else cache_folder(kind)

    def file(self, digest: str) -> Path:
        """Where the arrays of a digest lie, or are to lie."""
        return self.folder / digest[:2] / f"{digest}.npz"

    def __contains__(self, digest: str) -> bool:
        return self.file(digest).is_file()

    def read(self, digest: str) -> dict[str, np.ndarray] | None:
        """The arrays; None where there are none, or where the file is damaged."""
        file = self.file(digest)
        if not file.is_file():
            return None
        try:
            return read_npz(file, f"cached {self.kind}")
        except DataError:
            return None  # cut short by a crash of the machine: it is made again

    def write(self, digest: str, arrays: Mapping[str, np.ndarray]) -> int:
        """Write the arrays; returns the bytes of the file.

        Raises:
            RunError: the disk is full, or the folder cannot be written to.
        """
        file = self.file(digest)
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_npz(part, arrays)
            size = part.stat().st_size
            os.replace(part, file)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise RunError(self._told(error)) from error
        return size

    def free(self) -> int:
        """Bytes free on the disk of the folder."""
        place = self.folder.absolute()
        while not place.exists():
            place = place.parent
        status = os.statvfs(place)
        return status.f_bavail * status.f_frsize

    def _told(self, error: OSError) -> str:
        where = f"name a folder on another disk ({self.elsewhere})"
        if error.errno in FULL_DISK:
            return (
                f"the disk of the cache of {self.kind}, {self.folder}, is full. What was finished "
                f"is kept: free some space, or {where} and copy the cache there, then give the "
                "same command again"
            )
        return (
            f"the cache of {self.kind}, {self.folder}, cannot be written to ({error.strerror}); "
            f"{where}"
        )


def cache_folder(kind: str) -> Path:
    """Where something is kept: `$XDG_CACHE_HOME/drivelab/KIND`, else below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base else Path.home() / ".cache"
    return root / "drivelab" / kind


def digest_of(content: Any) -> str:
    """SHA-256, hex, of numbers, texts, arrays, mappings, sequences and dataclasses of them.

    A field that came `LATER` does not count at its default: what was kept before it came, and means
    the same, is found again.
    """
    text = json.dumps(_plain(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """The same as JSON has it; dataclasses by their name and fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in _counted(value)}
        return {"": type(value).__name__, **{name: _plain(part) for name, part in named.items()}}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} has no digest")


def _counted(value: Any) -> list[dataclasses.Field[Any]]:
    return [
        field
        for field in dataclasses.fields(value)
        if not (field.metadata.get("later") and getattr(value, field.name) == field.default)
    ]


def _write_npz(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
