"""A whole log in memory, and the scenes that are cut from it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drivelab.data.log_route import (
    DrivenLanes,
    command_at,
    lanes_ahead,
    match_lanes,
    route_blocks,
)
from drivelab.errors import DataError
from drivelab.types import EgoTrajectory, LaneMap, Scene, SensorData, Tracks, VehicleParameters

logger = logging.getLogger(__name__)

SPACING_TOLERANCE = 0.025  # frames of a window are dt apart within this [s]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """All frames of a log at its own rate; tracks stand in the order of the file."""

    log: str
    source: str
    map: LaneMap
    ego: EgoTrajectory
    tracks: Tracks
    vehicle: VehicleParameters
    licence: str
    driven: DrivenLanes
    sensors: Callable[[int, int], SensorData | None]  # frames [start, stop) -> sensors


def record(
    log: str,
    lane_map: LaneMap,
    ego: EgoTrajectory,
    tracks: Tracks,
    *,
    source: str,
    vehicle: VehicleParameters,
    licence: str,
    sensors: Callable[[int, int], SensorData | None] = lambda start, stop: None,
) -> Recording:
    """Put a log together and find the lanes its ego drove on."""
    driven = match_lanes(lane_map, ego.poses)
    return Recording(log, source, lane_map, ego, tracks, vehicle, licence, driven, sensors)


@dataclass(frozen=True, slots=True)
class WindowShape:
    """Length and spacing of the scenes cut from a log, in frames."""

    history: int = 15  # before the current one
    future: int = 50
    every: int = 10  # frames between the starts of two windows

    @property
    def frames(self) -> int:
        """Frames of one window."""
        return self.history + 1 + self.future


def window_starts(times: np.ndarray, dt: float, shape: WindowShape, log: str) -> list[int]:
    """First frames of all windows of a log; windows across a hole in the recording are left out."""
    regular = np.abs(np.diff(times) / 1e6 - dt) <= SPACING_TOLERANCE
    starts = range(0, len(times) - shape.frames + 1, shape.every)
    kept = [start for start in starts if regular[start : start + shape.frames - 1].all()]
    if len(kept) < len(starts):
        hole = int(np.argmin(regular))
        logger.warning(
            "log %s: %d of %d windows left out; frames %d and %d are %.3f s apart, expected %.1f",
            log, len(starts) - len(kept), len(starts), hole, hole + 1,
            (times[hole + 1] - times[hole]) / 1e6, dt,
        )  # fmt: skip
    return kept


def cut_scene(recording: Recording, start: int, shape: WindowShape) -> Scene:
    """The window that begins at frame `start`; its id is the log and the time of its moment."""
    stop = start + shape.frames
    ego = recording.ego.cut(start, stop)
    now = shape.history
    lanes = lanes_ahead(recording.map, recording.driven, start, stop, ego.poses[-1])
    from_now = lanes_ahead(recording.map, recording.driven, start + now, stop, ego.poses[-1])
    route = route_blocks(recording.map, lanes)
    if not route:
        raise DataError(
            "no lane lies under or near the recorded ego in this window, so it has no route; "
            "expected the map to cover the drive",
            file=recording.log,
            where=f"frames {start} to {stop - 1}",
        )
    return Scene(
        id=scene_id(recording.log, int(recording.ego.times[start + now])),
        source=recording.source,
        log=recording.log,
        map=recording.map,
        ego=ego,
        now=now,
        tracks=in_order_of_appearance(recording.tracks.cut(start, stop), now),
        route=route,
        command=command_at(recording.map, from_now, ego.poses[now]),
        vehicle=recording.vehicle,
        sensors=recording.sensors(start, stop),
        licence=recording.licence,
        family=recording.source,
    )


def scene_id(log: str, time: int) -> str:
    """Name of the scene of a log at a time [us]."""
    return f"{log}-{time}"


def in_order_of_appearance(tracks: Tracks, now: int) -> Tracks:
    """Tracks of the window: first those seen from `now` on, by frame, then the earlier ones."""
    seen = np.any(tracks.valid, axis=0, keepdims=True)[0]
    later = np.any(tracks.valid[now:], axis=0, keepdims=True)[0]
    first = np.where(
        later, now + np.argmax(tracks.valid[now:], axis=0), tracks.valid.argmax(axis=0)
    )
    ranked = np.lexsort((first, ~later))
    order = ranked[seen[ranked]]
    return tracks.reorder(order)


def checksums(root: Path, files: Iterable[Path]) -> Mapping[str, str]:
    """SHA-256 of files, by their path below the root."""
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
