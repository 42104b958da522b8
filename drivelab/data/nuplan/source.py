"""Scenarios of nuPlan logs as a source of scenes at 10 Hz."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.data.nuplan.log import NuplanLog, log_files
from drivelab.data.nuplan.map import load_nuplan_map
from drivelab.data.nuplan.records import Box, Sweep
from drivelab.data.nuplan.scenario_filter import ScenarioFilter, thin_out
from drivelab.errors import ConfigError, DataError
from drivelab.types import Command, EgoTrajectory, Scene, Tracks

FRAME_SPACING = 0.1  # nominal [s]: every second sweep
LARGEST_GAP = 0.15  # [s]
LICENCE = "nuPlan data: CC BY-NC-SA 4.0, non-commercial use"


class NuplanSource:
    """Scenes about tagged or listed sweeps; satisfies `drivelab.data.source.SceneSource`.

    Args:
        data_root: holds nuplan-v1.1 (NUPLAN_DATA_ROOT).
        maps_root: holds nuplan-maps-v1.0.json (NUPLAN_MAPS_ROOT).
        split: folder of the logs: mini, trainval or test.
        scenario_filter: which sweeps.
        history, future: recorded time about the sweep [s].
    """

    data = "real"

    def __init__(
        self,
        data_root: str | Path,
        maps_root: str | Path,
        split: str = "mini",
        *,
        scenario_filter: ScenarioFilter | None = None,
        history: float = 1.5,
        future: float = 8.0,
    ) -> None:
        self.root, self.maps_root, self.split = Path(data_root), Path(maps_root), split
        self.filter = scenario_filter or ScenarioFilter()
        self.label = f"nuPlan {split}"
        self.licence = LICENCE
        self._past, self._future = round(history / FRAME_SPACING), round(future / FRAME_SPACING)
        if self._past < 0 or self._future < 0:
            raise ConfigError(f"history {history} and future {future} must not be negative")
        self._files = {file.stem: file for name, file in log_files(self.root) if name == split}
        if not self._files:
            raise DataError(
                f"no log (*.db) of split {split} under nuplan-v1.1/splits/{split}", file=self.root
            )
        self._index: dict[str, str] | None = None
        self._open: NuplanLog | None = None

    def scene_ids(self) -> tuple[str, ...]:
        """Tokens sorted by log and time."""
        return tuple(self._logs_by_token())

    def load(self, scene_id: str) -> Scene:
        """Read one scenario; the log of the last one stays open."""
        name = self._logs_by_token().get(scene_id)
        if name is None:
            raise DataError(f"no scenario {scene_id} in nuPlan {self.split}", file=self.root)
        log = self._log(name)
        sweeps = self._sweeps(log, scene_id)
        now = self._past
        boxes = [log.boxes(sweep.token) for sweep in sweeps]
        return Scene(
            id=scene_id,
            source="nuplan",
            log=name,
            map=load_nuplan_map(self.maps_root, log.map_name),
            ego=EgoTrajectory(
                np.array([sweep.time for sweep in sweeps], np.int64),
                np.array([sweep.pose for sweep in sweeps]),
                np.array([sweep.velocity for sweep in sweeps]),
                np.array([sweep.acceleration for sweep in sweeps]),
            ),
            now=now,
            tracks=tracks_of_boxes(boxes, now),
            route=log.route(scene_id),
            red_lights=tuple(
                tuple(x.connector for x in log.lights(sweep.token) if x.status == "red")
                for sweep in sweeps
            ),
            command=Command.UNKNOWN,
            licence=LICENCE,
        )

    def provenance(self) -> Mapping[str, str]:
        """Split and log files (names and sizes)."""
        digest = hashlib.sha256()
        for name, file in self._files.items():
            digest.update(f"{name} {file.stat().st_size}\n".encode())
        return {
            "split": self.split,
            "logs": f"{len(self._files)} databases",
            "logs_sha256": digest.hexdigest(),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}  # connections stay in their process

    def _log(self, name: str) -> NuplanLog:
        if self._open is None or self._open.name != name:
            if self._open is not None:
                self._open.close()
            self._open = NuplanLog(self._files[name])
        return self._open

    def _logs_by_token(self) -> dict[str, str]:
        if self._index is None:
            self._index = self._scan()
        return self._index

    def _scan(self) -> dict[str, str]:
        rows, logs = [], {}
        for name in self._files:
            if self.filter.log_names is None or name in self.filter.log_names:
                found = self._log(name).scenario_rows(
                    tokens=self.filter.scenario_tokens,
                    types=self.filter.scenario_types,
                    map_names=self.filter.map_names,
                    valid_goal=self.filter.remove_invalid_goals,
                )
                rows += found
                logs.update({row.token: (name, row.time) for row in found})
        kept = [row.token for row in thin_out(rows, self.filter)]
        if not kept:
            raise DataError(
                f"no scenario passes the filter in {len(self._files)} logs", file=self.root
            )
        return {token: logs[token][0] for token in sorted(kept, key=lambda token: logs[token])}

    def _sweeps(self, log: NuplanLog, token: str) -> list[Sweep]:
        past = log.neighbours(token, -2, self._past)
        sweeps = [*past, *log.neighbours(token, 2, self._future, include=True)]
        wanted = self._past + self._future + 1
        if len(sweeps) != wanted:
            raise DataError(
                f"{len(sweeps)} frames about sweep {token}, expected {wanted}; ask for "
                "less history or future",
                file=log.file,
            )
        for before, after in pairwise(sweeps):
            gap = (after.time - before.time) * 1e-6
            if gap > LARGEST_GAP:
                raise DataError(
                    f"{gap:.3f} s to the sweep before it, expected at most {LARGEST_GAP} s",
                    file=log.file,
                    where=f"sweep {after.token}",
                )
        return sweeps


def tracks_of_boxes(frames: Sequence[Sequence[Box]], now: int) -> Tracks:
    """Boxes by track, in order of appearance from frame `now` on; earlier-only tracks come last."""
    columns: dict[str, Box] = {}
    for index in (*range(now, len(frames)), *range(now - 1, -1, -1)):
        for box in frames[index]:
            columns.setdefault(box.track, box)
    at = {track: column for column, track in enumerate(columns)}
    shape = (len(frames), len(columns))
    poses, velocities = np.full((*shape, 3), np.nan), np.full((*shape, 2), np.nan)
    for index, boxes in enumerate(frames):
        for box in boxes:
            poses[index, at[box.track]] = box.pose
            velocities[index, at[box.track]] = box.velocity
    return Tracks(
        tuple(columns),
        tuple(box.kind for box in columns.values()),
        np.array([box.size[:2] for box in columns.values()]).reshape(-1, 2),
        poses,
        velocities,
        ~np.isnan(poses[..., 0]),
        FRAME_SPACING,
    )
