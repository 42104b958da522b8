"""Second-stage scenes of NAVSIM v2: one pickle a scene, rendered from a place beside the log.

Only files made of plain values are read. Files whose `extended_detections_tracks` hold pickled
nuPlan objects name classes outside the allow-list and are refused; the same field as dicts of
boxes, like the `annotations` of a frame, is read as further frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from drivelab.data.navsim.frame import (
    MAP_NAMES,
    Fields,
    Frame,
    FrameBoxes,
    parse_boxes,
    parse_lights,
    parse_route,
)
from drivelab.data.unpickle import load_restricted
from drivelab.errors import DataError

_BOX_KEYS = ("boxes", "names", "velocity_3d")


def read_synthetic(file: Path) -> tuple[str, int, tuple[Frame, ...]]:
    """Log name, index of the current frame and frames of a synthetic scene pickle."""
    scene = Fields(load_restricted(file), str(file), "scene")
    metadata = scene.sub("scene_metadata")
    raw_frames = scene.get("frames")
    if not isinstance(raw_frames, list) or not raw_frames:
        raise scene.error("frames", "expected a list of frames")
    map_name = metadata.text("map_name")
    frames = [
        _frame(Fields(raw, str(file), f"frame {index}"), MAP_NAMES.get(map_name, map_name))
        for index, raw in enumerate(raw_frames)
    ]
    now = metadata.integer("num_history_frames") - 1
    if not 0 <= now < len(frames):
        raise metadata.error("num_history_frames", f"is {now + 1} with {len(frames)} frames")
    token = metadata.text("initial_token")
    if frames[now].token != token:
        raise metadata.error("initial_token", f"is {token}, frame {now} is {frames[now].token}")
    return metadata.text("log_name"), now, tuple(frames + _extended(scene, frames[-1]))


def _frame(fields: Fields, map_name: str) -> Frame:
    status = fields.sub("ego_status")
    if not status.raw.get("in_global_frame", True):
        raise status.error("in_global_frame", "is false, expected poses in the map frame")
    pose = status.numbers("ego_pose", (3,))
    rates = [
        status.numbers(key, (2,)).astype(np.float32).astype(float)
        for key in ("ego_velocity", "ego_acceleration")
    ]
    return Frame(
        token=fields.text("token"),
        time=fields.integer("timestamp"),
        scene_token=str(fields.raw.get("scene_token", "")),
        map_name=map_name,
        pose=pose,
        velocity=rates[0],
        acceleration=rates[1],
        command=status.command(),
        route=parse_route(fields),
        lights=parse_lights(fields),
        boxes=parse_boxes(fields.sub("annotations"), _BOX_KEYS, pose),
        cameras=_cameras(fields.raw.get("camera_dict")),
        lidar_path=None if fields.raw.get("lidar_path") is None else str(fields.get("lidar_path")),
        ego_from_lidar=None,
    )


def _cameras(raw: Any) -> dict[str, Any]:
    return {str(name).upper(): value for name, value in (raw or {}).items()}


def _extended(scene: Fields, last: Frame) -> list[Frame]:
    """Frames after the stored ones: boxes of the others; the ego stays at its last pose."""
    extended = scene.raw.get("extended_detections_tracks") or []
    frames = []
    for index, raw in enumerate(extended, start=1):
        where = f"extended_detections_tracks[{index - 1}]"
        boxes: FrameBoxes = parse_boxes(Fields(raw, scene.file, where), _BOX_KEYS, last.pose)
        frames.append(_later(last, boxes, index))
    return frames


def _later(last: Frame, boxes: FrameBoxes, steps: int) -> Frame:
    return Frame(
        token=f"{last.token}+{steps}",
        time=last.time + 500_000 * steps,
        scene_token=last.scene_token,
        map_name=last.map_name,
        pose=last.pose,
        velocity=np.zeros(2),
        acceleration=np.zeros(2),
        command=last.command,
        route=last.route,
        lights=last.lights,
        boxes=boxes,
        cameras={},
        lidar_path=None,
        ego_from_lidar=None,
    )


def synthetic_file(folder: Path, token: str) -> Path:
    """The pickle of a synthetic scene in `synthetic_scene_pickles`."""
    file = folder / f"{token}.pkl"
    if not file.is_file():
        raise DataError(
            f"the synthetic scene {token} is missing; unpack the second-stage archive of the split "
            "under OPENSCENE_DATA_ROOT",
            file=file,
        )
    return file
