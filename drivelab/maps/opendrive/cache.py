"""Parsed maps on disk, by the hash of the file and the version of the reader."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import shapely

from drivelab.maps.opendrive.archive import pack_map, unpack_map
from drivelab.maps.opendrive.network_map import OpenDriveMap
from drivelab.maps.opendrive.reader import READER_VERSION, parse_opendrive

_DAMAGED = (
    OSError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    msgspec.MsgspecError,
    shapely.errors.ShapelyError,
)


def cache_folder() -> Path:
    """Where maps are kept: `$XDG_CACHE_HOME/drivelab/maps`, else `~/.cache/drivelab/maps`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base else Path.home() / ".cache"
    return root / "drivelab" / "maps"


def cached_opendrive(
    content: bytes, name: str, *, file: str = "", folder: Path | None = None
) -> OpenDriveMap:
    """As `parse_opendrive`, but a file that was read before comes from the cache.

    `folder` stands for `cache_folder()`. A damaged entry is read anew; a folder that cannot be
    written is done without.
    """
    key = hashlib.sha256(content).hexdigest()
    entry = (folder or cache_folder()) / f"{name}-{key[:32]}-v{READER_VERSION}.npz"
    if entry.is_file():
        try:
            with np.load(entry, allow_pickle=False) as archive:
                return unpack_map({key: archive[key] for key in archive.files})
        except _DAMAGED:
            entry.unlink(missing_ok=True)
    found = parse_opendrive(content, name, file=file)
    with suppress(OSError):
        _write(entry, found)
    return found


def _write(entry: Path, found: OpenDriveMap) -> None:
    """Write beside the entry, then rename: readers see all of it or nothing."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=entry.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            arrays: dict[str, Any] = dict(pack_map(found))
            np.savez(stream, **arrays)
        os.replace(draft, entry)
    finally:
        Path(draft).unlink(missing_ok=True)
