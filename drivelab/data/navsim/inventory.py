"""What lies under the NAVSIM and nuPlan roots, and whether it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivelab.data.navsim.log import NavsimLog
from drivelab.data.navsim.source import NavsimSource
from drivelab.data.navsim.splits import FOLDER_LOGS, SPLITS
from drivelab.data.nuplan.layers import MAP_INDEX, city_entries, find_city
from drivelab.data.nuplan.log import log_files
from drivelab.data.sqlite import check_complete
from drivelab.errors import DataError


@dataclass(frozen=True, slots=True)
class Holding:
    """One thing that is there."""

    kind: str  # logs | sensors | synthetic | map | database
    name: str
    files: int
    size: int  # [bytes]
    expected: int | None = None  # files of the official release, where known


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class SplitNeed:
    """What a split needs on disk, for planning a download."""

    split: str
    folder: str
    logs: int | None
    scenes: int | None
    synthetic: int
    logs_there: int


def list_navsim(root: str | Path | None, maps_root: str | Path | None) -> list[Holding]:
    """Log folders, sensor blobs, synthetic scenes, maps and nuPlan databases that are there."""
    found: list[Holding] = []
    if root is not None and Path(root).is_dir():
        base = Path(root)
        for folder in _folders(base / "navsim_logs"):
            files = sorted(folder.glob("*.pkl"))
            found.append(_holding("logs", folder.name, files, FOLDER_LOGS.get(folder.name)))
        for folder in _folders(base / "sensor_blobs"):
            found.append(_holding("sensors", folder.name, _tree(folder)))
        for split in SPLITS.values():
            scenes = base / split.name / "synthetic_scene_pickles"
            if scenes.is_dir():
                files = sorted(scenes.glob("*.pkl"))
                found.append(_holding("synthetic", split.name, files, split.synthetic))
        by_split: dict[str, list[Path]] = {}
        for name, file in log_files(base):
            by_split.setdefault(name, []).append(file)
        found += [_holding("database", name, files) for name, files in by_split.items()]
    if maps_root is not None and (Path(maps_root) / MAP_INDEX).is_file():
        found += list(_maps(Path(maps_root)))
    return found


def verify_navsim(
    root: str | Path | None,
    maps_root: str | Path | None,
    *,
    split: str | Path | None = None,
    deep: bool = False,
) -> list[Finding]:
    """What is missing or damaged; an empty list when all is well.

    Every log is unpickled, every SQLite file is measured against its header. `split` is also
    resolved to its scenes. `deep` checks every frame of every log.
    """
    findings: list[Finding] = []
    if root is not None:
        base = Path(root)
        findings += _check_logs(base, deep)
        findings += _attempts((file, check_complete, file) for _, file in log_files(base))
    if maps_root is not None:
        findings += _check_maps(Path(maps_root))
    if split is not None and root is not None and maps_root is not None:
        try:
            NavsimSource(root, maps_root, split).scene_ids()
        except DataError as error:
            findings.append(Finding(str(split), str(error)))
    if not findings and not list_navsim(root, maps_root):
        findings.append(Finding(str(root or maps_root), "nothing of NAVSIM or nuPlan is here"))
    return findings


def plan_navsim(root: str | Path | None) -> list[SplitNeed]:
    """What every official split needs, and how many log files of its folder are there."""
    needs = []
    for split in SPLITS.values():
        folder = Path(root) / "navsim_logs" / split.folder if root is not None else None
        there = len(list(folder.glob("*.pkl"))) if folder is not None else 0
        needs.append(
            SplitNeed(split.name, split.folder, split.logs, split.scenes, split.synthetic, there)
        )
    return needs


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _tree(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".jpg", ".pcd")]


def _holding(kind: str, name: str, files: list[Path], expected: int | None = None) -> Holding:
    return Holding(kind, name, len(files), sum(file.stat().st_size for file in files), expected)


def _maps(root: Path) -> Iterator[Holding]:
    for location in city_entries(root):
        file, version = find_city(root, location)
        yield _holding("map", f"{location} {version}", [file] if file.is_file() else [], 1)


def _check_logs(root: Path, deep: bool) -> list[Finding]:
    folders = _folders(root / "navsim_logs")
    findings = []
    for folder in folders:
        files = sorted(folder.glob("*.pkl"))
        expected = FOLDER_LOGS.get(folder.name)
        if not files:
            findings.append(Finding(str(folder), "no log (*.pkl) in this folder"))
        elif expected is not None and len(files) < expected:
            findings.append(
                Finding(str(folder), f"{len(files)} logs, the official release has {expected}")
            )
        check = _check_frames if deep else NavsimLog
        findings += _attempts((file, check, file) for file in files)
    return findings


def _check_maps(root: Path) -> list[Finding]:
    try:
        cities = city_entries(root)
        files = [find_city(root, location)[0] for location in cities]
    except DataError as error:
        return [Finding(str(root / MAP_INDEX), str(error))]
    return _attempts((file, check_complete, file) for file in files)


def _attempts(checks: Iterator) -> list[Finding]:
    findings = []
    for file, check, argument in checks:
        try:
            check(argument)
        except DataError as error:
            findings.append(Finding(str(file), str(error)))
    return findings


def _check_frames(file: Path) -> None:
    log = NavsimLog(file)
    for index in range(len(log)):
        log.frame(index)
