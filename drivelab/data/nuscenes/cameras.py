"""Pictures, sweeps and boxes of a nuScenes scene, from the official tables (`v1.0-*/TABLE.json`).

The released pictures are straight already. Every picture and every sweep names a pose of the ego of
its own moment. Boxes are those of the key frames, 0.5 s apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.data.camera_log import (
    CameraLog,
    LoggedBoxes,
    LoggedPicture,
    LoggedSweep,
    boxes_of_rows,
    chosen_cameras,
)
from drivelab.data.navsim.sensors import inside_root
from drivelab.data.nuscenes.log import KIND_OF_TYPE, LICENCE, VEHICLE
from drivelab.data.nuscenes.tables import (
    SWEEPS,
    Row,
    category_type,
    grouped,
    read_table,
    samples_of,
    table_folder,
)
from drivelab.data.photographs import Lens
from drivelab.data.timed_poses import rigid_poses
from drivelab.errors import ConfigError, DataError, nearest_name

RING = (
    "CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT",
    "CAM_BACK_RIGHT",
)  # fmt: skip
_COLUMNS = 5  # of a sweep: x, y, z, intensity, ring
_TABLES = (
    "scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor",
    "sample_annotation", "instance", "category",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Shelf:
    """The tables, by token where rows are looked up."""

    root: Path
    folder: Path
    scenes: list[Row]
    samples: Mapping[str, Row]
    data: Mapping[str, list[Row]]  # by sample
    poses: Mapping[str, Row]
    mounts: Mapping[str, Row]
    channels: Mapping[str, str]  # by sensor
    boxes: Mapping[str, list[Row]]  # by sample
    categories: Mapping[str, str]  # by instance


def read_camera_log(
    root: Path, scene: str | None = None, cameras: Sequence[str] | None = None
) -> CameraLog:
    """Read what a scene can be learned from; pictures and sweeps are opened when asked for.

    Args:
        root: of the data: `v1.0-*` with the tables, `samples`, `sweeps`.
        scene: its name (scene-0061); None: the only one.
        cameras: names; None: all six.

    Raises:
        DataError: a file is missing or damaged.
        ConfigError: the scene or a camera is not there.
    """
    folder = table_folder(root)
    try:
        shelf = _shelf(root, folder)
        row = _scene(shelf, scene)
        samples = samples_of(shelf.samples, row, folder)
        rows = [data for sample in samples for data in shelf.data.get(sample["token"], ())]
        by_channel = _by_channel(shelf, rows)
        pictures = {
            name: tuple(_pictures(shelf, found))
            for name, found in by_channel.items()
            if name.startswith("CAM_")
        }
        there = {name: found for name, found in pictures.items() if found}
        names = chosen_cameras(cameras, there, RING, root / "samples")
        return CameraLog(
            str(row["name"]), {name: there[name] for name in names},
            tuple(_sweeps(shelf, by_channel.get(SWEEPS, []))), _boxes(shelf, samples),
            VEHICLE, LICENCE,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a row lacks a field, names a missing row or holds no numbers ({error!r}); fetch the "
            "tables of the data set again",
            file=folder,
        ) from error


def _shelf(root: Path, folder: Path) -> _Shelf:
    rows = {name: read_table(folder / f"{name}.json") for name in _TABLES}
    by_token = {name: {row["token"]: row for row in found} for name, found in rows.items()}
    names = {token: str(row["name"]) for token, row in by_token["category"].items()}
    return _Shelf(
        root, folder, rows["scene"], by_token["sample"],
        grouped(rows["sample_data"], "sample_token"), by_token["ego_pose"],
        by_token["calibrated_sensor"],
        {token: str(row["channel"]) for token, row in by_token["sensor"].items()},
        grouped(rows["sample_annotation"], "sample_token"),
        {row["token"]: names[row["category_token"]] for row in rows["instance"]},
    )  # fmt: skip


def _scene(shelf: _Shelf, name: str | None) -> Row:
    known = {str(row["name"]): row for row in shelf.scenes}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        shown = ", ".join(sorted(known)[:10]) + (", ..." if len(known) > 10 else "")
        asked = f"no scene {name!r}{nearest_name(name, known)}" if name else "several scenes"
        raise ConfigError(f"source=nuscenes:{shelf.root}: {asked}; name one of {shown} as "
                          "nuscenes:ROOT:SCENE")  # fmt: skip
    return known[name]


def _by_channel(shelf: _Shelf, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of files that are there, by sensor, in the order of time."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: int(row["timestamp"])):
        mount = shelf.mounts[row["calibrated_sensor_token"]]
        if _file(shelf, row).is_file():
            found.setdefault(shelf.channels[mount["sensor_token"]], []).append(row)
    return found


def _file(shelf: _Shelf, row: Row) -> Path:
    return inside_root(shelf.root, str(row["filename"]), file=str(shelf.folder),
                       where=f"sample_data {row['token']}")  # fmt: skip


def _pose(row: Row) -> Float[np.ndarray, "4 4"]:
    """A rigid pose from `rotation` (wxyz) and `translation`."""
    turn, place = np.array([row["rotation"]], float), np.array([row["translation"]], float)
    if turn.shape != (1, 4) or place.shape != (1, 3) or not np.isfinite(place).all():
        raise ValueError(f"row {row.get('token')}: no rotation wxyz and translation")
    if not abs(float(np.linalg.norm(turn)) - 1.0) < 1e-3:
        raise ValueError(f"row {row.get('token')}: its quaternion is not of unit length")
    return np.asarray(rigid_poses(turn, place)[0])


def _pictures(shelf: _Shelf, rows: Sequence[Row]) -> Iterator[LoggedPicture]:
    for row in rows:
        mount = shelf.mounts[row["calibrated_sensor_token"]]
        matrix = np.array(mount["camera_intrinsic"], float)
        if matrix.shape != (3, 3):
            raise DataError("no camera_intrinsic of 3 x 3 numbers; fetch the tables again",
                            file=shelf.folder / "calibrated_sensor.json",
                            where=f"row {mount['token']}")  # fmt: skip
        lens = Lens("pinhole", int(row["width"]), int(row["height"]), matrix, np.zeros(5))
        lens.check(shelf.folder / "calibrated_sensor.json", f"row {mount['token']}")
        place = _pose(shelf.poses[row["ego_pose_token"]]) @ _pose(mount)
        yield LoggedPicture(_file(shelf, row), int(row["timestamp"]), lens, place)


def _sweeps(shelf: _Shelf, rows: Sequence[Row]) -> Iterator[LoggedSweep]:
    for row in rows:
        mount = _pose(shelf.mounts[row["calibrated_sensor_token"]])
        ego = _pose(shelf.poses[row["ego_pose_token"]])
        yield LoggedSweep(int(row["timestamp"]), ego, partial(_points, _file(shelf, row), mount))


def _points(
    file: Path, ego_from_lidar: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "n 3"]:  # fmt: skip
    """Points of a `.pcd.bin` in the ego's frame."""
    try:
        found = np.fromfile(file, np.float32)
    except OSError as error:
        raise DataError(f"cannot be read ({error})", file=file) from error
    if len(found) % _COLUMNS or not len(found):
        raise DataError(
            f"holds {len(found)} numbers; expected 5 a point (x, y, z, intensity, ring): the file "
            "is cut short, fetch it again",
            file=file,
        )
    points = found.reshape(-1, _COLUMNS)[:, :3].astype(float)
    return np.asarray(points @ ego_from_lidar[:3, :3].T + ego_from_lidar[:3, 3])


def _boxes(shelf: _Shelf, samples: Sequence[Row]) -> LoggedBoxes:
    rows = []
    for sample in samples:
        for box in shelf.boxes.get(sample["token"], ()):
            kind = category_type(shelf.categories[box["instance_token"]], shelf.folder)
            if kind:
                width, length, height = (float(value) for value in box["size"])
                rows.append((str(box["instance_token"]), KIND_OF_TYPE[kind],
                             int(sample["timestamp"]), np.array([length, width, height]),
                             _pose(box)))  # fmt: skip
    return boxes_of_rows(rows)
