"""What lies under a data root, whether it is complete, and what is still to be fetched.

For the logs of the bench `reallogs` and CommonRoad files; NAVSIM and nuPlan roots have an inventory
of their own. Reading is all this does: nothing is written below a data root.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from drivelab.data.av2 import log as av2
from drivelab.data.commonroad import load_commonroad_map
from drivelab.data.nuscenes.json_file import SUFFIX, read_json_log
from drivelab.data.nuscenes.log import load_log as load_nuscenes_log
from drivelab.data.nuscenes.log import step_times
from drivelab.data.reallogs import AV2_FOLDER, NUSCENES_FOLDER, SHAPE
from drivelab.data.recording import window_starts
from drivelab.errors import DataError

COMMONROAD_FOLDER = "commonroad"
MANIFEST = "manifest.json"  # written by `data import`: {file: {bytes, sha256}}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log on disk."""

    source: str
    name: str
    frames: int
    scenes: int  # windows that the bench cuts from it
    bytes: int
    problem: str = ""  # why it cannot be listed


@dataclass(frozen=True, slots=True)
class Check:
    """What `verify_data` found about one log or file."""

    source: str
    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One source: what is there, what is missing and where it comes from."""

    source: str
    folder: str
    logs: int
    bytes: int
    expected: str
    where: str
    licence: str

    @property
    def present(self) -> bool:
        """Whether at least one log is there."""
        return self.logs > 0


def list_data(root: str | Path) -> list[LogEntry]:
    """Every log under the root; a root without any is an error."""
    root = Path(root)
    entries = [_entry("av2", path, _av2_times) for path in _av2_logs(root)]
    entries += [_entry("nuscenes", path, _nuscenes_times) for path in _nuscenes_logs(root)]
    entries += [
        LogEntry("commonroad", path.stem, 0, 0, path.stat().st_size)
        for path in _commonroad_files(root)
    ]
    if not entries:
        raise DataError(
            f"no logs; looked for {AV2_FOLDER}/LOG/{av2.ANNOTATIONS}, "
            f"{NUSCENES_FOLDER}/scene-*{SUFFIX} and {COMMONROAD_FOLDER}/*.xml",
            file=root,
        )
    return entries


def verify_data(root: str | Path) -> list[Check]:
    """Read every log to its end and compare with the manifest of an import where there is one."""
    root = Path(root)
    list_data(root)  # an empty root is an error
    checks = [_check("av2", path, _read_av2) for path in _av2_logs(root)]
    checks += [_check("nuscenes", path, _read_nuscenes) for path in _nuscenes_logs(root)]
    checks += [_check("commonroad", path, _read_commonroad) for path in _commonroad_files(root)]
    for source, folder in (("av2", AV2_FOLDER), ("nuscenes", NUSCENES_FOLDER)):
        checks += _compare_with_manifest(source, root / folder)
    return checks


def plan_data(root: str | Path) -> list[PlanRow]:
    """What each source needs; a missing or empty root plans everything."""
    root = Path(root)
    rows = (
        ("av2", AV2_FOLDER, _av2_logs(root), "any number of sensor logs; val has 150",
         "argoverse.org, Sensor Dataset, then `drivelab data import av2`", av2.LICENCE),
        ("nuscenes", NUSCENES_FOLDER, _nuscenes_logs(root), "v1.0-mini has 10 scenes",
         "nuscenes.org, v1.0-mini and map expansion, then `drivelab data import nuscenes`",
         "nuScenes: CC BY-NC-SA 4.0, Motional"),
        ("commonroad", COMMONROAD_FOLDER, _commonroad_files(root), "any number of scenarios",
         "commonroad.in.tum.de, scenarios 2018b or 2020a", "depends on the scenario"),
    )  # fmt: skip
    return [
        PlanRow(source, folder, len(paths), sum(map(_size, paths)), expected, where, licence)
        for source, folder, paths, expected, where, licence in rows
    ]


def _av2_logs(root: Path) -> list[Path]:
    return sorted(file.parent for file in (root / AV2_FOLDER).glob(f"*/{av2.ANNOTATIONS}"))


def _nuscenes_logs(root: Path) -> list[Path]:
    return sorted((root / NUSCENES_FOLDER).glob(f"scene-*{SUFFIX}"))


def _commonroad_files(root: Path) -> list[Path]:
    return sorted((root / COMMONROAD_FOLDER).glob("*.xml"))


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _name(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def _entry(source: str, path: Path, times_of: Callable[[Path], tuple[int, int]]) -> LogEntry:
    try:
        frames, scenes = times_of(path)
    except DataError as error:
        return LogEntry(source, _name(path), 0, 0, _size(path), str(error))
    return LogEntry(source, _name(path), frames, scenes, _size(path))


def _av2_times(folder: Path) -> tuple[int, int]:
    times = av2.read_stamps(folder)
    return len(times), len(window_starts(times, av2.DT, SHAPE, folder.name))


def _nuscenes_times(file: Path) -> tuple[int, int]:
    log = read_json_log(file)
    return log.steps, len(window_starts(step_times(log), log.dt, SHAPE, _name(file)))


def _check(source: str, path: Path, read: Callable[[Path], str]) -> Check:
    try:
        return Check(source, _name(path), True, read(path))
    except DataError as error:
        return Check(source, _name(path), False, str(error))


def _read_av2(folder: Path) -> str:
    recording = av2.load_log(folder)
    return f"{len(recording.ego)} frames, {len(recording.tracks)} tracks"


def _read_nuscenes(file: Path) -> str:
    recording = load_nuscenes_log(read_json_log(file))
    return f"{len(recording.ego)} frames, {len(recording.tracks)} tracks"


def _read_commonroad(file: Path) -> str:
    return f"{len(load_commonroad_map(file).lanes)} lanelets"


def _compare_with_manifest(source: str, folder: Path) -> Iterable[Check]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return
    try:
        entries = json.loads(manifest.read_text(encoding="utf-8"))
        wanted = {str(name): str(entry["sha256"]) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield Check(source, MANIFEST, False, f"{manifest}: is no manifest of an import ({error!r})")
        return
    for name, digest in wanted.items():
        file = (folder / name).resolve()
        if not file.is_relative_to(folder.resolve()):
            yield Check(source, name, False, f"{manifest}: names a file outside its folder")
        elif not file.is_file():
            yield Check(source, name, False, f"{file}: missing, but it was imported")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            yield Check(source, name, False, f"{file}: its SHA-256 is not that of the import")
        else:
            yield Check(source, name, True, "SHA-256 as imported")
