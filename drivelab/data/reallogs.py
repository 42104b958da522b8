"""The scenes of the bench `reallogs`: windows of Argoverse 2 and nuScenes logs on disk.

Each window holds 1.5 s of history, the current frame and 5.0 s of recorded future at the logs' own
10 Hz; a window starts every second, standing logs included. The mapping to NAVSIM's words is this
project's own (card: docs/benches/reallogs.md), so scores are not comparable with NAVSIM's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from drivelab.data.av2 import log as av2
from drivelab.data.nuscenes import log as nuscenes
from drivelab.data.nuscenes.json_file import SUFFIX, read_json_log
from drivelab.data.recording import (
    Recording,
    WindowShape,
    checksums,
    cut_scene,
    scene_id,
    window_starts,
)
from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.types import Scene

SHAPE = WindowShape()
AV2_FOLDER, NUSCENES_FOLDER = "av2", "nuscenes_mini"
WHERE_FROM = (
    "Argoverse 2 sensor logs come from argoverse.org, nuScenes v1.0-mini and its map expansion "
    "from nuscenes.org; `drivelab data import av2|nuscenes` turns the official folders into these"
)


class RealLogsSource:
    """`SceneSource` over `root/av2/LOG/` and `root/nuscenes_mini/scene-*.json.gz`.

    Args:
        root: holds the two folders.
        shape: length and spacing of the windows, in frames of 0.1 s; those of the bench `reallogs`
            when not given.
    """

    def __init__(self, root: str | Path, shape: WindowShape = SHAPE) -> None:
        self.root, self.shape = Path(root), shape
        self._windows: dict[str, tuple[str, int]] | None = None  # scene id -> log, first frame
        self._open: tuple[str, Recording] | None = None
        self.label, self.data = _label(bool(self.av2_logs()), bool(self.nuscenes_logs()))
        self.licence = "; ".join(
            text
            for text, present in (
                (av2.LICENCE, self.av2_logs()),
                (nuscenes.LICENCE, self.nuscenes_logs()),
            )
            if present
        )

    def __getstate__(self) -> dict[str, object]:
        """Leave the open log behind: a worker opens its own."""
        return {**self.__dict__, "_open": None}

    def av2_logs(self) -> list[Path]:
        """Folders below `av2` that hold annotations."""
        return sorted(file.parent for file in (self.root / AV2_FOLDER).glob(f"*/{av2.ANNOTATIONS}"))

    def nuscenes_logs(self) -> list[Path]:
        """Files below `nuscenes_mini`."""
        return sorted((self.root / NUSCENES_FOLDER).glob(f"scene-*{SUFFIX}"))

    def scene_ids(self) -> tuple[str, ...]:
        """All windows, log by log: Argoverse 2 first, then nuScenes."""
        return tuple(self._index())

    def load(self, scene_id: str) -> Scene:
        """Cut one window; the log stays open for the next."""
        index = self._index()
        if scene_id not in index:
            raise ConfigError(
                f"no scene {scene_id!r} under {self.root}{nearest_name(scene_id, index)}"
            )
        log, start = index[scene_id]
        if self._open is None or self._open[0] != log:
            self._open = (log, self._read(log))
        return cut_scene(self._open[1], start, self.shape)

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of every file a scene is read from, by its path below the root."""
        files = [file for folder in self.av2_logs() for file in av2.log_files(folder)]
        return checksums(self.root, [*files, *self.nuscenes_logs()])

    def _index(self) -> dict[str, tuple[str, int]]:
        if self._windows is None:
            self._windows = {}
            for folder in self.av2_logs():
                path = f"{AV2_FOLDER}/{folder.name}"
                self._add(folder.name, path, av2.read_stamps(folder), av2.DT)
            for file in self.nuscenes_logs():
                log = read_json_log(file)
                name = file.name.removesuffix(SUFFIX)
                times = nuscenes.step_times(log)
                self._add(name, f"{NUSCENES_FOLDER}/{file.name}", times, log.dt)
        if not self._windows:
            raise DataError(
                f"no window of {self.shape.frames} frames; looked for "
                f"{AV2_FOLDER}/LOG/{av2.ANNOTATIONS} and {NUSCENES_FOLDER}/scene-*{SUFFIX}. "
                f"{WHERE_FROM}",
                file=self.root,
            )
        return self._windows

    def _add(self, name: str, path: str, times: np.ndarray, dt: float) -> None:
        assert self._windows is not None
        for start in window_starts(times, dt, self.shape, name):
            now = int(times[start + self.shape.history])
            self._windows[scene_id(name, now)] = (path, start)

    def _read(self, log: str) -> Recording:
        path = self.root / log
        if log.endswith(SUFFIX):
            return nuscenes.load_log(read_json_log(path))
        return av2.load_log(path)


def _label(has_av2: bool, has_nuscenes: bool) -> tuple[str, str]:
    if has_av2 and has_nuscenes:
        return "reallogs (AV2 + nuScenes mini, own mapping)", "real"
    if has_av2:
        return "reallogs (AV2 only, own mapping)", "partial"
    if has_nuscenes:
        return "reallogs (nuScenes mini only, own mapping)", "partial"
    return "reallogs (no logs found)", "partial"
