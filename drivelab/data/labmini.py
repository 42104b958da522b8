"""The embedded split labmini: 200 generated scenes in one file that ships with the package.

The file is an npz: one deflated `<log>.npy` of bytes for each recorded log (see `labmini_format`),
and `index.npy`, the bytes of a JSON list of scene ids. Any log is read without the others.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.data.labmini_format import decode_log, encode_log
from drivelab.data.recorded_log import RecordedLog
from drivelab.errors import DataError, nearest_name
from drivelab.types import Scene

LABEL = "labmini (embedded, not NAVSIM)"
LICENCE = "Apache-2.0"
SOURCE = "labmini"
INDEX = "index"
REMEDY = (
    "make it with 'drivelab data make-labmini --out FILE' or install the package again: "
    "the file belongs to it"
)


class LabminiSource:
    """Scenes of labmini, or of another file that `write_labmini` made.

    Holds the archive and the last log open; a pickled copy opens its own.
    """

    label = LABEL
    data = "embedded"
    licence = LICENCE

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else embedded_path()
        self._archive: zipfile.ZipFile | None = None
        self._index: dict[str, tuple[str, int]] = {}
        self._last: RecordedLog | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def scene_ids(self) -> tuple[str, ...]:
        """All ids, the scenes of one log together."""
        self._open()
        return tuple(self._index)

    def load(self, scene_id: str) -> Scene:
        """Read one scene."""
        self._open()
        if scene_id not in self._index:
            raise DataError(
                f"has no scene {scene_id!r}{nearest_name(scene_id, self._index)}", file=self.path
            )
        name, number = self._index[scene_id]
        return self.log(name).scene(number, source=SOURCE, licence=LICENCE)

    def log(self, name: str) -> RecordedLog:
        """Read one whole log; the last one is kept."""
        if self._last is None or self._last.name != name:
            payload = _member(self._open(), name, self.path)
            self._last = decode_log(payload, file=str(self.path), member=name)
        return self._last

    def provenance(self) -> Mapping[str, str]:
        """Checksum of the file."""
        return {"labmini_sha256": file_sha256(self.path)}

    def _open(self) -> zipfile.ZipFile:
        if self._archive is None:
            archive = _open_archive(self.path)
            index = _read_index(archive, self.path)
            self._index = {row[0]: (row[1], row[2]) for row in index}
            self._archive = archive
        return self._archive


def embedded_path() -> Path:
    """Where the file lies in the installed package."""
    return Path(str(resources.files("drivelab.scenarios") / "labmini.npz"))


def file_sha256(path: str | Path) -> str:
    """Checksum of a file, hex."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); {REMEDY}", file=path) from error


def write_labmini(path: str | Path, logs: Sequence[RecordedLog]) -> None:
    """Write the split: equal logs give an equal file wherever zlib is the same."""
    index = [[name, log.name, k] for log in logs for k, name in enumerate(log.scene_ids())]
    names = [row[0] for row in index]
    if not names or len(set(names)) != len(names):
        raise DataError("needs at least one scene, and every scene id once", file=path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        _add(archive, INDEX, json.dumps(index, separators=(",", ":")).encode())
        for log in logs:
            _add(archive, log.name, encode_log(log))


def _add(archive: zipfile.ZipFile, name: str, payload: bytes) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.frombuffer(payload, np.uint8), allow_pickle=False)
    entry = zipfile.ZipInfo(f"{name}.npy")  # fixed date: the same logs give the same file
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, stream.getvalue(), compresslevel=9)


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise DataError(f"is missing; {REMEDY}", file=path) from error
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"is not a whole labmini file ({error}); {REMEDY}", file=path) from error


def _read_index(archive: zipfile.ZipFile, path: Path) -> list[list[Any]]:
    try:
        index: list[list[Any]] = json.loads(_member(archive, INDEX, path))
    except ValueError as error:
        raise DataError(f"is not JSON ({error}); {REMEDY}", file=path, where=INDEX) from error
    if not index:
        raise DataError(f"lists no scene; {REMEDY}", file=path, where=INDEX)
    return index


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        raw = archive.read(f"{name}.npy")
        array = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise DataError(f"cannot be read ({error}); {REMEDY}", file=path, where=name) from error
    return array.tobytes()
