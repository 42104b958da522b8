"""A NAVSIM split as a source of scenes."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drivelab.data.navsim.log import NavsimLog, Window, cut_windows
from drivelab.data.navsim.scene import LICENCE, build_scene, check_spacing
from drivelab.data.navsim.scene_filter import SceneFilter
from drivelab.data.navsim.splits import SPLITS, Split, find_split
from drivelab.data.navsim.synthetic import read_synthetic, synthetic_file
from drivelab.data.nuplan.layers import city_entries
from drivelab.data.nuplan.map import load_nuplan_map
from drivelab.errors import DataError
from drivelab.types import Scene, StageEntry

_SYNTHETIC_LENGTH = 17  # characters of the token of a second-stage scene


class NavsimSource:
    """Scenes of one split; satisfies `drivelab.data.source.SceneSource`.

    Args:
        openscene_root: holds navsim_logs and sensor_blobs (OPENSCENE_DATA_ROOT).
        maps_root: holds nuplan-maps-v1.0.json (NUPLAN_MAPS_ROOT).
        split: official name, or path of a split or scene filter YAML file.
        folder: folder under navsim_logs, where the split does not say it.
        scene_filter: replaces the filter of the split.
        partial: use what is there when tokens of the list are missing; the label then says so.
    """

    def __init__(
        self,
        openscene_root: str | Path,
        maps_root: str | Path,
        split: str | Path,
        *,
        folder: str | None = None,
        scene_filter: SceneFilter | None = None,
        partial: bool = False,
    ) -> None:
        self.root, self.maps_root = Path(openscene_root), Path(maps_root)
        self.licence = LICENCE
        self._partial, self._scored = partial, True
        self.split: Split = find_split(self.root, split, folder=folder)
        self.filter = scene_filter or self.split.file.filter
        self.log_folder = _log_folder(self.root, self.split)
        city_entries(self.maps_root)  # a wrong maps root is told now, not at the first scene
        self._windows: dict[str, Window] | None = None
        self._open: NavsimLog | None = None

    @property
    def label(self) -> str:
        """The split as printed beside numbers; says when it is not the official set."""
        if not self._named():
            return f"{self.split.name} windows (NAVSIM logs, no token list: not the official split)"
        if self.data == "partial":
            wanted = len(self.filter.tokens or ())
            return f"{self.split.name} (partial: {len(self._index())} of {wanted} scenes)"
        return self.split.name

    @property
    def data(self) -> str:
        """`real` for a complete split, `partial` for a part of it or windows without a list."""
        if not self._named():
            return "partial"
        tokens = self.filter.tokens
        complete = tokens is None or len(self._index()) == len(set(tokens))
        return "real" if complete else "partial"

    @property
    def mapping(self) -> tuple[StageEntry, ...]:
        """Which synthetic scenes follow which real ones (two-stage splits)."""
        return self.split.file.reactive_all_mapping

    def unscored(self) -> NavsimSource:
        """The same scenes, for plans only: logs without labels, as those of private tests, do."""
        same = copy.copy(self)
        same._scored = False
        return same

    def scene_ids(self) -> tuple[str, ...]:
        """Tokens sorted by log and time; second-stage scenes follow."""
        return (*self._index(), *self._synthetic_tokens())

    def load(self, scene_id: str) -> Scene:
        """Read one scene; the log of the last one stays open."""
        if len(scene_id) == _SYNTHETIC_LENGTH:
            return self._load_synthetic(scene_id)
        window = self._index().get(scene_id)
        if window is None:
            raise DataError(f"no scene {scene_id} in split {self.split.name}", file=self.log_folder)
        log = self._log(window.log)
        stop = window.start + self.filter.num_frames
        frames = [log.frame(index) for index in range(window.start, stop)]
        now = self.filter.num_history_frames - 1
        check_spacing(frames, str(log.file), window.start)
        self._check_scored(log, window.start, frames[now].route)
        return build_scene(
            frames,
            now,
            self._map(frames[now].map_name, f"{log.file}, frame {window.start + now}"),
            log=log.name,
            file=str(log.file),
            sensor_root=self.root / "sensor_blobs" / self.split.folder,
        )

    def provenance(self) -> Mapping[str, str]:
        """Split, token list, log files (names and sizes) and map versions."""
        digest = hashlib.sha256()
        files = list(self._log_files())
        for file in files:
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        versions = {name: e.get("version", "") for name, e in city_entries(self.maps_root).items()}
        return {
            "split": self.split.name,
            "split_file": self.split.source,
            "logs": f"navsim_logs/{self.split.folder}: {len(files)} files",
            "logs_sha256": digest.hexdigest(),
            "maps": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}  # workers open their own log, but share the index

    def _named(self) -> bool:
        return self.split.listed or self.split.name not in SPLITS

    def _check_scored(self, log: NavsimLog, start: int, route: tuple[str, ...]) -> None:
        """Scenes with a future are scored: they need a route and labels in every frame."""
        if not self._scored or not self.filter.num_future_frames:
            return
        now = start + self.filter.num_history_frames - 1
        if not route:
            raise DataError(
                "the route is empty, expected block ids; filter with has_route: true",
                file=log.file,
                where=f"frame {now}, key roadblock_ids",
            )
        for index in range(now, start + self.filter.num_frames):
            if log.frame(index).boxes is None:
                raise DataError(
                    "is missing; a log without labels cannot be scored",
                    file=log.file,
                    where=f"frame {index}, key anns",
                )

    def _load_synthetic(self, token: str) -> Scene:
        base = self.root / self.split.name
        file = synthetic_file(base / "synthetic_scene_pickles", token)
        log_name, now, frames = read_synthetic(file)
        return build_scene(
            frames,
            now,
            self._map(frames[now].map_name, str(file)),
            log=log_name,
            file=str(file),
            sensor_root=base / "sensor_blobs",
            synthetic=True,
        )

    def _map(self, name: str, where: str) -> Any:
        try:
            return load_nuplan_map(self.maps_root, name)
        except DataError as error:
            raise DataError(f"map {name!r} is needed: {error}", file=where) from error

    def _log(self, name: str) -> NavsimLog:
        if self._open is None or self._open.name != name:
            self._open = NavsimLog(self.log_folder / f"{name}.pkl")
        return self._open

    def _log_files(self) -> Iterator[Path]:
        names = None if self.filter.log_names is None else set(self.filter.log_names)
        for file in sorted(self.log_folder.glob("*.pkl")):
            if names is None or file.stem in names:
                yield file

    def _index(self) -> dict[str, Window]:
        if self._windows is None:
            self._windows = self._scan()
        return self._windows

    def _scan(self) -> dict[str, Window]:
        found: dict[str, Window] = {}
        limit = self.filter.max_scenes
        for file in self._log_files():
            self._open = NavsimLog(file)
            for window in cut_windows(self._open, self.filter):
                found[window.token] = window  # a later window with the same token wins
                if limit is not None and len(found) >= limit:
                    return found
        self._check_found(found)
        return found

    def _check_found(self, found: dict[str, Window]) -> None:
        wanted = self.filter.tokens
        missing = [token for token in wanted or () if token not in found]
        if missing and not self._partial:
            raise DataError(
                f"{len(missing)} of {len(wanted or ())} scenes of split {self.split.name} are not "
                f"there (first: {', '.join(missing[:3])}): logs are missing, or the windows have "
                "no route or too few frames; see `drivelab data verify`",
                file=self.log_folder,
            )
        if not found:
            raise DataError(
                f"no scene of split {self.split.name} in {len(list(self._log_files()))} logs",
                file=self.log_folder,
            )

    def _synthetic_tokens(self) -> tuple[str, ...]:
        followups = (pair for entry in self.mapping for pair in entry.follow_ups)
        return tuple(dict.fromkeys(token for pair in followups for token in pair))


def _log_folder(root: Path, split: Split) -> Path:
    if not root.is_dir():
        raise DataError("data.root= or OPENSCENE_DATA_ROOT names no folder", file=root)
    folder = root / "navsim_logs" / split.folder
    if not folder.is_dir():
        logs = root / "navsim_logs"
        there = sorted(p.name for p in logs.iterdir() if p.is_dir()) if logs.is_dir() else []
        raise DataError(
            f"split {split.name} needs the folder navsim_logs/{split.folder}; "
            f"there is {', '.join(there) or 'no navsim_logs folder'}",
            file=root,
        )
    if not any(folder.glob("*.pkl")):
        raise DataError(f"no log (*.pkl) for split {split.name}", file=folder)
    return folder
