"""Named files of a zip or a folder, read no further than what can be meant."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from types import TracebackType

from drivelab.errors import DataError
from drivelab.sim.splats.memory import require_memory

GROWTH = 4  # how much more than the whole zip an entry may unpack to ...
SPARE = 1 << 20  # ... beside these bytes: what is a picture already does not pack again

# What Python's zip reader ends with on damaged files: names that are no text, sizes that are none.
BROKEN = (OSError, zipfile.BadZipFile, EOFError, RuntimeError, ValueError, ArithmeticError,
          struct.error, zlib.error)  # fmt: skip


class Bundle:
    """Files by plain names, of a zip or of a folder.

    Attributes:
        path: of the zip or folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except BROKEN as error:
            raise DataError(f"is no whole zip ({error}); truncated or damaged, fetch it again",
                            file=path) from error  # fmt: skip

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._zip is not None:
            self._zip.close()

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            DataError: a name with a folder in it, no such file, one that unpacks to much more
                than the zip is long, or a damaged one.
        """
        if Path(name).name != name or name in ("", ".", "..") or "\\" in name:
            raise DataError(f"names {name[:60]!r}; expected a plain name of a file beside it",
                            file=self.path)  # fmt: skip
        if self._zip is None:
            return self._of_folder(name)
        try:
            entry = self._zip.getinfo(name)
        except KeyError:
            raise DataError("is not in it; packed without, or damaged", file=self.path,
                            where=name) from None  # fmt: skip
        most = GROWTH * self.path.stat().st_size + SPARE
        if entry.file_size > most:
            raise DataError(
                f"would unpack to {entry.file_size} bytes; at most {most} can be meant, the zip "
                "has fewer: damaged or made to fill the memory",
                file=self.path, where=name,
            )  # fmt: skip
        require_memory(entry.file_size, file=self.path, what=name)
        try:
            with self._zip.open(entry) as stream:
                found = stream.read(most + 1)
        except BROKEN as error:
            raise DataError(f"cannot be unpacked ({error}); damaged, fetch it again",
                            file=self.path, where=name) from error  # fmt: skip
        return found

    def _of_folder(self, name: str) -> bytes:
        file = self.path / name
        try:
            if file.resolve().parent != self.path.resolve():
                raise DataError("leads out of its folder", file=file)
            return file.read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
