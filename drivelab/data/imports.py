"""Official data folders -> what the bench `reallogs` reads. The source folders stay untouched."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drivelab.data.av2.log import ANNOTATIONS, log_files
from drivelab.data.inventory import MANIFEST
from drivelab.data.nuscenes.json_file import SUFFIX
from drivelab.data.nuscenes.tables import json_logs, read_tables
from drivelab.data.reallogs import AV2_FOLDER, NUSCENES_FOLDER
from drivelab.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class ImportedLog:
    """One log that was written, and its size."""

    name: str
    files: tuple[Path, ...]
    bytes: int


def import_av2(
    src: str | Path, dst: str | Path, *, on_log: Callable[[str], None] = lambda name: None
) -> list[ImportedLog]:
    """Copy annotations, ego poses and maps of Argoverse 2 sensor logs to `dst/av2`.

    Args:
        src: the dataset folder (with `train/`, `val/`), one split, or one log.
        dst: the data root of the bench; pictures and lidar sweeps are not copied.
        on_log: called with the name of each log when it is done.
    """
    src, target = _folders(src, dst, AV2_FOLDER)
    patterns = (ANNOTATIONS, f"*/{ANNOTATIONS}", f"*/*/{ANNOTATIONS}")
    logs = sorted({file.parent for pattern in patterns for file in src.glob(pattern)})
    if not logs:
        raise DataError(
            f"no Argoverse 2 sensor log; looked for {', '.join(patterns)} (the test split has no "
            "annotations)",
            file=src,
        )
    done = []
    for log in logs:
        copies = [(file, target / log.name / file.relative_to(log)) for file in log_files(log)]
        for file, copy in copies:
            _write(copy, partial(shutil.copyfile, file))
        done.append(_imported(log.name, [copy for _, copy in copies]))
        on_log(log.name)
    _write_manifest(target, done)
    return done


def import_nuscenes(
    src: str | Path, dst: str | Path, *, on_log: Callable[[str], None] = lambda name: None
) -> list[ImportedLog]:
    """Turn the nuScenes tables and map expansion into JSON logs in `dst/nuscenes_mini`.

    Args:
        src: the folder that holds `v1.0-mini/` (or another one version) and `maps/expansion/`.
        dst: the data root of the bench.
        on_log: called with the name of each log when it is done.
    """
    src, target = _folders(src, dst, NUSCENES_FOLDER)
    done = []
    for name, content in json_logs(read_tables(src)):
        file = target / f"{name}{SUFFIX}"
        _write(file, partial(_dump, content))
        done.append(_imported(name, [file]))
        on_log(name)
    if not done:
        raise DataError("the scene table is empty", file=src)
    _write_manifest(target, done)
    return done


def _folders(src: str | Path, dst: str | Path, name: str) -> tuple[Path, Path]:
    source, target = Path(src).resolve(), (Path(dst) / name).resolve()
    if not source.is_dir():
        raise DataError("is no folder", file=source)
    if target.is_relative_to(source):
        raise ConfigError(
            f"the target {target} lies inside the source {source}, where nothing is written; "
            "choose another target"
        )
    return source, target


def _write(file: Path, make: Callable[[Path], Any]) -> None:
    """Make a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        make(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _dump(content: dict[str, Any], part: Path) -> None:
    """Gzip JSON without a time stamp: the same scene gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    with part.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(text.encode())


def _imported(name: str, files: list[Path]) -> ImportedLog:
    return ImportedLog(name, tuple(files), sum(file.stat().st_size for file in files))


def _write_manifest(target: Path, logs: list[ImportedLog]) -> None:
    """Add size and SHA-256 of every imported file to the folder's manifest."""
    file = target / MANIFEST
    entries = json.loads(file.read_text()) if file.is_file() else {}
    for path in (path for log in logs for path in log.files):
        entries[path.relative_to(target).as_posix()] = {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    text = json.dumps(dict(sorted(entries.items())), indent=1)
    _write(file, lambda part: part.write_text(text + "\n"))
