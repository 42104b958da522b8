"""Pictures, sweeps and boxes of an Argoverse 2 sensor log.

The released pictures are straight already: the coefficients k1, k2, k3 of `intrinsics.feather` are
those of the lens before that was undone, and the official projection leaves them out, too. A stamp
in a file's name is the time at which it was taken; poses of the ego are 5 ms apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from drivelab.data.av2.categories import EGO_CATEGORY, KIND_OF_CATEGORY
from drivelab.data.av2.lidar import Av2Lidar
from drivelab.data.av2.log import (
    ANNOTATIONS,
    BOX_COLUMNS,
    EGO_POSES,
    LICENCE,
    POSE_COLUMNS,
    QUATERNION,
    TRANSLATION,
    VEHICLE,
    check_categories,
    read_columns,
    read_poses,
)
from drivelab.data.camera_log import (
    CameraLog,
    LoggedBoxes,
    LoggedPicture,
    LoggedSweep,
    boxes_of_rows,
    chosen_cameras,
)
from drivelab.data.photographs import Lens
from drivelab.data.timed_poses import TimedPoses, rigid_poses
from drivelab.errors import DataError

RING = (
    "ring_front_center", "ring_front_left", "ring_front_right", "ring_side_left",
    "ring_side_right", "ring_rear_left", "ring_rear_right",
)  # fmt: skip
INTRINSICS, EXTRINSICS = "intrinsics.feather", "egovehicle_SE3_sensor.feather"
_LENS_COLUMNS = ("sensor_name", "fx_px", "fy_px", "cx_px", "cy_px", "height_px", "width_px")


def read_camera_log(folder: Path, cameras: Sequence[str] | None = None) -> CameraLog:
    """Read what a scene can be learned from; pictures and sweeps are opened when asked for.

    Args:
        folder: of the log.
        cameras: names; None: the ring.

    Raises:
        DataError: a file is missing or damaged.
        ConfigError: a camera is not there.
    """
    if not folder.is_dir():
        raise DataError("no such folder; expected one log of the Argoverse 2 sensor data set",
                        file=folder)  # fmt: skip
    above = folder / "sensors" / "cameras"
    stamps = {part.name: _stamps(part, ".jpg") for part in above.glob("*") if part.is_dir()}
    there = {name: found for name, found in stamps.items() if len(found)}
    names = chosen_cameras(cameras, there, RING, above)
    poses = _ego(folder)
    lenses = _lenses(folder / "calibration", names)
    pictures = {name: _pictures(above / name, there[name], *lenses[name], poses) for name in names}
    return CameraLog(
        folder.resolve().name, pictures, _sweeps(folder / "sensors" / "lidar", poses),
        _boxes(folder, poses), VEHICLE, LICENCE,
    )  # fmt: skip


def _stamps(folder: Path, ending: str) -> Int[np.ndarray, " n"]:
    """Stamps that name the files of a folder [ns], in order."""
    names = (file.stem for file in folder.glob(f"*{ending}"))
    return np.array(sorted(int(name) for name in names if name.isdecimal()), np.int64)


def _ego(folder: Path) -> TimedPoses:
    file = folder / EGO_POSES
    if not file.is_file():
        raise DataError("missing; an Argoverse 2 sensor log has this file", file=file)
    poses = read_poses(read_columns(file, POSE_COLUMNS), file)
    found = np.tile(np.eye(4), (len(poses.stamps), 1, 1))
    found[:, :3, :3], found[:, :3, 3] = poses.rotation.as_matrix(), poses.translation
    return TimedPoses(poses.stamps // 1000, found)


def _lenses(folder: Path, names: Sequence[str]) -> dict[str, tuple[Lens, Float[np.ndarray, "4 4"]]]:
    """Lens and ego_from_cam of each camera."""
    for part in (INTRINSICS, EXTRINSICS):
        if not (folder / part).is_file():
            raise DataError(
                "missing; where the pictures were taken from is not known without it: fetch the "
                "log's calibration folder",
                file=folder / part,
            )
    inner = read_columns(folder / INTRINSICS, _LENS_COLUMNS)
    outer = read_columns(folder / EXTRINSICS, ("sensor_name", *QUATERNION, *TRANSLATION))
    found = {}
    for name in names:
        row = _row(inner["sensor_name"], name, folder / INTRINSICS)
        fx, fy, cx, cy = (float(inner[key][row]) for key in _LENS_COLUMNS[1:5])
        wide, high = int(inner["width_px"][row]), int(inner["height_px"][row])
        matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        lens = Lens("pinhole", wide, high, matrix, np.zeros(5))
        lens.check(folder / INTRINSICS, f"row {row}")
        row = _row(outer["sensor_name"], name, folder / EXTRINSICS)
        turn, place = (
            np.array([[outer[key][row] for key in keys]], float)
            for keys in (QUATERNION, TRANSLATION)
        )
        if abs(float(np.linalg.norm(turn)) - 1.0) > 1e-3:
            raise DataError("the quaternion is not of unit length", file=folder / EXTRINSICS,
                            where=f"row {row}")  # fmt: skip
        found[name] = (lens, rigid_poses(turn, place)[0])
    return found


def _row(names: np.ndarray, name: str, file: Path) -> int:
    rows = np.flatnonzero(names == name)
    if len(rows) != 1:
        raise DataError(
            f"{len(rows)} rows of the camera {name}; expected one: name other cameras by "
            f"log.cameras=; there are {', '.join(sorted(map(str, set(names))))}",
            file=file,
        )
    return int(rows[0])


def _pictures(
    folder: Path, stamps: Int[np.ndarray, " n"], lens: Lens,
    ego_from_cam: Float[np.ndarray, "4 4"], poses: TimedPoses,
) -> tuple[LoggedPicture, ...]:  # fmt: skip
    file = {int(stamp) // 1000: folder / f"{stamp}.jpg" for stamp in stamps}
    times = poses.covered(stamps // 1000)
    places = poses.at(times, file=folder) @ ego_from_cam
    return tuple(
        LoggedPicture(file[time], time, lens, place)
        for time, place in zip(times.tolist(), places, strict=True)
    )


def _sweeps(folder: Path, poses: TimedPoses) -> tuple[LoggedSweep, ...]:
    stamps = _stamps(folder, ".feather")
    frames = {int(stamp) // 1000: frame for frame, stamp in enumerate(stamps)}
    lidar = Av2Lidar(folder, stamps)
    times = poses.covered(stamps // 1000)
    return tuple(
        LoggedSweep(time, place, partial(_points, lidar, frames[time]))
        for time, place in zip(times.tolist(), poses.at(times, file=folder), strict=True)
    )


def _points(lidar: Av2Lidar, frame: int) -> Float[np.ndarray, "n 3"]:
    return np.asarray(lidar.lidar(frame)[:, :3], float)


def _boxes(folder: Path, poses: TimedPoses) -> LoggedBoxes:
    """Labels, where the log has any: those of the test split are not published."""
    file = folder / ANNOTATIONS
    if not file.is_file():
        return boxes_of_rows([])
    table = read_columns(file, (*BOX_COLUMNS, "height_m"))
    check_categories(table["category"], file)
    return boxes_of_rows(_box_rows(table, poses, file))


def _box_rows(
    table: dict[str, np.ndarray], poses: TimedPoses, file: Path
) -> Iterator[tuple[str, str, int, np.ndarray, np.ndarray]]:
    times = table["timestamp_ns"] // 1000
    stamps, which = np.unique(times, return_inverse=True)
    city_from_ego = poses.at(stamps, file=file)
    turns, places, sizes = (
        np.column_stack([table[key] for key in keys]).astype(float)
        for keys in (QUATERNION, TRANSLATION, ("length_m", "width_m", "height_m"))
    )
    boxes = city_from_ego[which] @ rigid_poses(turns, places)
    for row, category in enumerate(table["category"].tolist()):
        if category != EGO_CATEGORY:
            yield (str(table["track_uuid"][row]), KIND_OF_CATEGORY[category], int(times[row]),
                   sizes[row], boxes[row])  # fmt: skip
