"""Frames of a window -> Scene."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from drivelab.data.navsim.frame import Frame
from drivelab.data.navsim.sensors import NavsimSensors
from drivelab.errors import DataError
from drivelab.types import EgoTrajectory, LaneMap, Scene, SensorData, Tracks

FRAME_SPACING = 0.5  # nominal [s]
LARGEST_GAP = 0.55  # [s]; key frames with missing files are dropped from the logs
LICENCE = "nuPlan / OpenScene data: CC BY-NC-SA 4.0, non-commercial use"


def check_spacing(frames: Sequence[Frame], file: str, first: int = 0) -> None:
    """Refuse windows with a hole: the 2 Hz grid of plans and tracks would be wrong."""
    for index, (before, after) in enumerate(pairwise(frames), start=first):
        gap = (after.time - before.time) * 1e-6
        if not 0 < gap <= LARGEST_GAP:
            raise DataError(
                f"{gap:.3f} s after the frame before it (key timestamp), expected at most "
                f"{LARGEST_GAP} s; a frame between them was dropped from this log",
                file=file,
                where=f"frame {index + 1}",
            )


def build_scene(
    frames: Sequence[Frame],
    now: int,
    lane_map: LaneMap,
    *,
    log: str,
    file: str,
    sensor_root: Path | None = None,
    synthetic: bool = False,
) -> Scene:
    """Join checked frames to a scene; frame `now` is the current one."""
    current = frames[now]
    sensors: SensorData | None = None
    if sensor_root is not None and sensor_root.is_dir():
        sensors = NavsimSensors(sensor_root, tuple(frames), file)
    return Scene(
        id=current.token,
        source="navsim",
        log=log,
        map=lane_map,
        ego=EgoTrajectory(
            np.array([frame.time for frame in frames], np.int64),
            np.array([frame.pose for frame in frames]),
            np.array([frame.velocity for frame in frames]),
            np.array([frame.acceleration for frame in frames]),
        ),
        now=now,
        tracks=join_tracks(frames, now),
        route=current.route,
        red_lights=tuple(
            tuple(connector for connector, red in frame.lights if red) for frame in frames
        ),
        command=current.command,
        sensors=sensors,
        licence=LICENCE,
        synthetic=synthetic,
    )


def join_tracks(frames: Sequence[Frame], now: int) -> Tracks:
    """Boxes of all frames by track, in the order in which tracks appear from frame `now` on.

    Tracks of the history only come last. Size and class of a track are those of its first box at or
    after `now`, else of its last box before.
    """
    columns: dict[str, int] = {}
    order = [*range(now, len(frames)), *range(now - 1, -1, -1)]
    kinds: list[str] = []
    sizes: list[np.ndarray] = []
    for index in order:
        boxes = frames[index].boxes
        for row, track in enumerate(boxes.tracks if boxes else ()):
            if boxes is not None and track not in columns:
                columns[track] = len(columns)
                kinds.append(boxes.kinds[row])
                sizes.append(boxes.sizes[row, :2])
    shape = (len(frames), len(columns))
    poses, velocities = np.full((*shape, 3), np.nan), np.full((*shape, 2), np.nan)
    for index, frame in enumerate(frames):
        if frame.boxes is not None:
            at = [columns[track] for track in frame.boxes.tracks]
            poses[index, at] = frame.boxes.poses
            velocities[index, at] = frame.boxes.velocities
    return Tracks(
        tuple(columns),
        tuple(kinds),
        np.array(sizes).reshape(-1, 2),
        poses,
        velocities,
        ~np.isnan(poses[..., 0]),
        FRAME_SPACING,
    )
