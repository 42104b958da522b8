"""One nuScenes JSON log -> `Recording`.

The ego position is the rear axle. Its steps are not all as long as `dt` says (the source sampled
poses at about, not exactly, 10 Hz: single steps are 1.2 or 2 times as long as those around them),
so its speed is a line fit to the running median of the differences; the `velocity` field of the
ego holds the raw differences and is not used. Boxes keep their stored velocities.
"""

from __future__ import annotations

import numpy as np

from drivelab.data.motion import ego_frame, fit_motion
from drivelab.data.nuscenes.json_file import SUFFIX, JsonLog, read_json_log
from drivelab.data.nuscenes.map import build_map
from drivelab.data.recording import Recording, record
from drivelab.errors import DataError
from drivelab.geometry.poses import wrap_angle
from drivelab.types import STATIC_KINDS, EgoTrajectory, Tracks, VehicleParameters

LICENCE = "nuScenes: CC BY-NC-SA 4.0, Motional"
# The Renault Zoe of the recordings: size as in the logs, box centre taken 1.0 m ahead of the rear
# axle (unverified), wheel base the maker's figure for that model.
VEHICLE = VehicleParameters("renault_zoe_nuscenes", 1.73, 3.042, 1.042, 2.588)
KIND_OF_TYPE = {
    "VEHICLE": "vehicle",
    "PEDESTRIAN": "pedestrian",
    "CYCLIST": "bicycle",
    "TRAFFIC_CONE": "traffic_cone",
    "TRAFFIC_BARRIER": "barrier",
}
EGO_WINDOW, EGO_MEDIAN = 0.4, 5  # half window of the line fit [s], differences in the median


def load_log(log: JsonLog) -> Recording:
    """Turn a decoded file into a recording."""
    name = log.file.name.removesuffix(SUFFIX)
    return record(
        name,
        build_map(log),
        _ego(log),
        _tracks(log),
        source="nuscenes",
        vehicle=VEHICLE,
        licence=LICENCE,
    )


def step_times(log: JsonLog) -> np.ndarray:
    """Times of the steps [us], counted from the first: the format holds no clock."""
    return np.round(np.arange(log.steps) * log.dt * 1e6).astype(np.int64)


def _ego(log: JsonLog) -> EgoTrajectory:
    key = log.data["sdc_id"]
    valid = log.track_array(key, "valid", 1)[:, 0] > 0
    if not valid.all():
        step = int(np.argmin(valid))
        raise DataError(
            "the ego is not valid; expected it in every step",
            file=log.file,
            where=f"tracks[{key}].valid, step {step}",
        )
    position = log.track_array(key, "position", 2)
    yaw = log.track_array(key, "heading", 1)[:, 0]
    _check_finite(log, key, np.column_stack([position, yaw]), valid)
    seconds = np.arange(log.steps) * log.dt
    velocity, acceleration = fit_motion(
        seconds, position, seconds, half_window=EGO_WINDOW, median=EGO_MEDIAN
    )
    return EgoTrajectory(
        step_times(log),
        np.column_stack([position, wrap_angle(yaw)]),
        ego_frame(velocity, yaw),
        ego_frame(acceleration, yaw),
    )


def _check_finite(log: JsonLog, key: str, values: np.ndarray, seen: np.ndarray) -> None:
    bad = seen & ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise DataError(
            "is not a finite number",
            file=log.file,
            where=f"tracks[{key}], step {int(bad.argmax())}",
        )


def _tracks(log: JsonLog) -> Tracks:
    keys = [key for key in log.data["tracks"] if key != log.data["sdc_id"]]
    count = len(keys)
    poses = np.full((log.steps, count, 3), np.nan)
    velocities = np.full((log.steps, count, 2), np.nan)
    valid = np.zeros((log.steps, count), bool)
    kinds, sizes = [], np.zeros((count, 2))
    for i, key in enumerate(keys):
        kind = _kind(log, key)
        seen = log.track_array(key, "valid", 1)[:, 0] > 0
        rows = np.column_stack(
            [log.track_array(key, "position", 2), log.track_array(key, "heading", 1)]
        )
        speed = log.track_array(key, "velocity", 2)
        _check_finite(log, key, np.column_stack([rows, speed]), seen)
        valid[:, i], poses[seen, i] = seen, rows[seen]
        velocities[seen, i] = 0.0 if kind in STATIC_KINDS else speed[seen]
        kinds.append(kind)
        sizes[i] = _size(log, key)
    poses[..., 2] = wrap_angle(poses[..., 2])
    return Tracks(tuple(keys), tuple(kinds), sizes, poses, velocities, valid, log.dt)


def _kind(log: JsonLog, key: str) -> str:
    kind = log.data["tracks"][key].get("type")
    if kind not in KIND_OF_TYPE:
        raise DataError(
            f"unknown type {kind!r}, expected one of {', '.join(KIND_OF_TYPE)}",
            file=log.file,
            where=f"tracks[{key}].type",
        )
    return KIND_OF_TYPE[kind]


def _size(log: JsonLog, key: str) -> np.ndarray:
    size = np.array(log.data["tracks"][key].get("size_lwh", ()), float)
    if size.shape != (3,) or not (size > 0).all():
        raise DataError(
            f"found {size.tolist()}, expected three positive lengths",
            file=log.file,
            where=f"tracks[{key}].size_lwh",
        )
    return size[:2]


__all__ = ["KIND_OF_TYPE", "LICENCE", "VEHICLE", "load_log", "read_json_log", "step_times"]
