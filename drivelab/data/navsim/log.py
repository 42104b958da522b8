"""One NAVSIM log file: a pickled list of 2 Hz frames, cut into windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivelab.data.navsim.frame import Frame, parse_frame
from drivelab.data.navsim.scene_filter import SceneFilter
from drivelab.data.unpickle import load_restricted
from drivelab.errors import DataError


@dataclass(frozen=True, slots=True)
class Window:
    """A scene as a piece of a log."""

    token: str  # of its current frame
    log: str
    start: int  # index of its first frame


class NavsimLog:
    """The frames of one log; each is checked when it is first asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.name = file.stem
        self.raw = load_restricted(file)
        if not isinstance(self.raw, list):
            raise DataError(
                f"holds {type(self.raw).__name__}, expected a list of frames", file=file
            )
        self._parsed: dict[int, Frame] = {}

    def __len__(self) -> int:
        return len(self.raw)

    def frame(self, index: int) -> Frame:
        """One checked frame."""
        if index not in self._parsed:
            self._parsed[index] = parse_frame(self.raw[index], str(self.file), index)
        return self._parsed[index]

    def value(self, index: int, key: str) -> Any:
        """One raw key of a frame."""
        frame = self.raw[index]
        if not isinstance(frame, Mapping) or key not in frame:
            raise DataError("is missing", file=self.file, where=f"frame {index}, key {key}")
        return frame[key]


def cut_windows(log: NavsimLog, scene_filter: SceneFilter) -> Iterator[Window]:
    """Windows of a log that pass the filter, in time order; short tails are dropped."""
    wanted = None if scene_filter.tokens is None else set(scene_filter.tokens)
    for start in range(0, len(log) - scene_filter.num_frames + 1, scene_filter.interval):
        current = start + scene_filter.num_history_frames - 1
        if scene_filter.has_route and not len(log.value(current, "roadblock_ids")):
            continue
        token = str(log.value(current, "token"))
        if wanted is None or token in wanted:
            yield Window(token, log.name, start)
