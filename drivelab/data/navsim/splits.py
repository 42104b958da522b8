"""The official NAVSIM splits: where their logs are, how they are cut, how many scenes they hold.

Counts are those of the official configuration. Token lists are not shipped: the user's copy of the
split file gives them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from drivelab.data.navsim.scene_filter import SceneFilter, SplitFile, read_split
from drivelab.errors import DataError, nearest_name


@dataclass(frozen=True, slots=True)
class OfficialSplit:
    """One named split."""

    name: str
    folder: str  # under navsim_logs
    filter: SceneFilter
    logs: int | None  # log files it draws from; None: all of the folder
    scenes: int | None
    synthetic: int = 0  # second-stage scenes


FOLDER_LOGS = {"trainval": 1310, "test": 147, "mini": 64}
_TRAIN = SceneFilter(4, 10, 1)
_STAGED = SceneFilter(4, 8, 1)
_SPARSE = SceneFilter(4, 10, None)
SPLITS = {
    split.name: split
    for split in (
        OfficialSplit("navtrain", "trainval", _TRAIN, 1192, 103288),
        OfficialSplit("navtest", "test", _TRAIN, 136, 12146),
        OfficialSplit("navmini", "mini", _SPARSE, 62, 396),
        OfficialSplit("warmup_test_e2e", "mini", _SPARSE, 62, 563),
        OfficialSplit(
            "private_test_e2e", "private_test_e2e", SceneFilter(4, 0, None, False), None, 2000
        ),
        OfficialSplit("navhard_two_stage", "test", _STAGED, 76, 450, 5462),
        OfficialSplit("warmup_two_stage", "test", _STAGED, 7, 16, 204),
        OfficialSplit("private_test_hard_two_stage", "private_test_hard", _STAGED, None, 140, 1732),
    )
}


@dataclass(frozen=True, slots=True)
class Split:
    """A split as it is used: its definition and where that came from."""

    name: str
    folder: str
    file: SplitFile
    source: str  # sha256 of the YAML file, or why there is none
    listed: bool  # whether a token list says which scenes belong to it


def find_split(openscene_root: Path, split: str | Path, *, folder: str | None = None) -> Split:
    """Resolve a split: a YAML file, or an official name with or without its file under the root.

    Args:
        openscene_root: the folder that holds navsim_logs.
        split: path of a split or scene filter file, or an official name.
        folder: folder under navsim_logs, where the file does not say it.
    """
    path = Path(split)
    name = path.stem if path.suffix in (".yaml", ".yml") else str(split)
    if path.suffix not in (".yaml", ".yml"):
        found = _placed_file(openscene_root, name)
        if found is None:
            return _without_file(name, folder)
        path = found
    content = read_split(path)
    official = SPLITS.get(name)
    chosen = folder or content.data_split or (official.folder if official else None)
    if chosen is None:
        raise DataError(
            "does not name the folder of its logs; add `data_split: mini` or give the folder",
            file=path,
            where="data_split",
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Split(name, chosen, content, f"sha256:{digest}", content.filter.tokens is not None)


def _placed_file(root: Path, name: str) -> Path | None:
    """The user's copy of the official file, in the usual places under the root."""
    folders = ("", "split", "splits", "train_test_split", "train_test_split/scene_filter")
    candidates = (root / folder / f"{name}.yaml" for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def _without_file(name: str, folder: str | None) -> Split:
    official = SPLITS.get(name)
    if official is None:
        raise DataError(
            f"no split called {name!r}; give a YAML file or one of {', '.join(SPLITS)}"
            + nearest_name(name, SPLITS)
        )
    content = SplitFile(name, replace(official.filter), official.folder)
    return Split(name, folder or official.folder, content, "no token list given", False)
