"""One Argoverse 2 sensor log -> `Recording`: boxes, ego poses, map, lidar.

Boxes are stored in the ego frame of their own stamp and are put into the city frame by the ego pose
of that stamp. The ego frame's origin is the rear axle. Velocities are not stored: the ego's come
from the differences of its high-rate poses, those of boxes from differences of their centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from pyarrow import feather
from scipy.spatial.transform import Rotation

from drivelab.data.av2.categories import EGO_CATEGORY, KIND_OF_CATEGORY
from drivelab.data.av2.lidar import Av2Lidar
from drivelab.data.av2.map import load_map
from drivelab.data.motion import box_velocities, ego_frame, fit_motion
from drivelab.data.recording import Recording, record
from drivelab.errors import DataError, nearest_name
from drivelab.types import STATIC_KINDS, EgoTrajectory, Tracks, VehicleParameters

DT = 0.1  # spacing of the annotated stamps [s]
LICENCE = "Argoverse 2: CC BY-NC-SA 4.0"
# The Ford Fusion Hybrid of the recordings. Size as annotated (EGO_VEHICLE 4.877 x 2.0 m), although
# that box is written at the ego origin; its centre is taken 1.4 m ahead of the rear axle. The wheel
# base is the maker's figure for that model.
VEHICLE = VehicleParameters("ford_fusion_av2", 2.0, 3.8385, 1.0385, 2.85)
EGO_WINDOW = 0.25  # half window of the line fit to the ego's differences [s]
BOX_REACH = 5  # frames to either side of a box over which its velocity is taken

ANNOTATIONS, EGO_POSES = "annotations.feather", "city_SE3_egovehicle.feather"
QUATERNION = ("qw", "qx", "qy", "qz")
TRANSLATION = ("tx_m", "ty_m", "tz_m")
POSE_COLUMNS = ("timestamp_ns", *QUATERNION, *TRANSLATION)
BOX_COLUMNS = (*POSE_COLUMNS, "track_uuid", "category", "length_m", "width_m")


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """Poses in space by time."""

    stamps: np.ndarray  # (n,) int64 [ns]
    rotation: Rotation
    translation: Float[np.ndarray, "n 3"]

    @property
    def yaw(self) -> Float[np.ndarray, " n"]:
        """Direction of the forward axis on the ground [rad]."""
        matrix = self.rotation.as_matrix()
        return np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])


def log_files(folder: Path) -> tuple[Path, Path, Path]:
    """Annotations, ego poses and map archive of a log; an error names what is missing."""
    files = [folder / ANNOTATIONS, folder / EGO_POSES]
    maps = sorted((folder / "map").glob("log_map_archive_*.json"))
    for file in files:
        if not file.is_file():
            raise DataError("missing; an Argoverse 2 sensor log has this file", file=file)
    if len(maps) != 1:
        raise DataError(
            f"expected exactly one log_map_archive_*.json, found {len(maps)}", file=folder / "map"
        )
    return files[0], files[1], maps[0]


def load_log(folder: Path) -> Recording:
    """Read one log folder."""
    annotations, ego_poses, archive = log_files(folder)
    table = read_columns(annotations, BOX_COLUMNS)
    stamps = np.unique(table["timestamp_ns"])
    poses = read_poses(read_columns(ego_poses, POSE_COLUMNS), ego_poses)
    at = _index_of_stamps(poses.stamps, stamps, ego_poses)
    lidar = folder / "sensors" / "lidar"
    sensors = Av2Lidar(lidar, stamps) if lidar.is_dir() else None
    return record(
        folder.name,
        load_map(archive),
        _ego(poses, at),
        _tracks(table, annotations, poses, stamps, at),
        source="av2",
        vehicle=VEHICLE,
        licence=LICENCE,
        sensors=lambda start, stop: sensors.cut(start, stop) if sensors else None,
    )


def read_stamps(folder: Path) -> np.ndarray:
    """Annotated times of a log [us] without reading its boxes."""
    file = log_files(folder)[0]
    return np.unique(read_columns(file, ("timestamp_ns",))["timestamp_ns"]) // 1000


def read_columns(file: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of a Feather table; numbers are finite.

    Raises:
        DataError: it cannot be read, lacks a column, is empty or holds NaN.
    """
    try:
        table = feather.read_table(file, columns=list(names), memory_map=True)
        out = {name: table[name].to_numpy() for name in names}  # damaged texts show up here
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(
            f"cannot be read as Feather with the columns {', '.join(names)} ({error})", file=file
        ) from error
    if table.num_rows == 0:
        raise DataError("holds no rows", file=file)
    for name, column in out.items():
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise DataError("is not a finite number", file=file, where=f"column {name}, row {row}")
    return out


def read_poses(columns: dict[str, np.ndarray], file: Path) -> Poses:
    """Poses in the order of time, one a stamp.

    Raises:
        DataError: a quaternion is not of unit length.
    """
    order = np.argsort(columns["timestamp_ns"], kind="stable")
    stamps, first = np.unique(columns["timestamp_ns"][order], return_index=True)
    rows = order[first]
    quaternion = np.column_stack([columns[name][rows] for name in QUATERNION])
    norm = np.linalg.norm(quaternion, axis=1)
    if (np.abs(norm - 1) > 1e-3).any():
        row = int(rows[np.argmax(np.abs(norm - 1))])
        raise DataError("the quaternion is not of unit length", file=file, where=f"row {row}")
    translation = np.column_stack([columns[name][rows] for name in TRANSLATION])
    return Poses(stamps, Rotation.from_quat(quaternion[:, [1, 2, 3, 0]]), translation)


def _index_of_stamps(have: np.ndarray, wanted: np.ndarray, file: Path) -> np.ndarray:
    at = np.searchsorted(have, wanted)
    found = (at < len(have)) & (have[np.minimum(at, len(have) - 1)] == wanted)
    if not found.all():
        missing = int(wanted[np.argmin(found)])
        raise DataError(f"no ego pose at the annotated stamp {missing} ns", file=file)
    return at


def _ego(poses: Poses, at: np.ndarray) -> EgoTrajectory:
    times = (poses.stamps - poses.stamps[0]) * 1e-9
    position = poses.translation[:, :2]
    velocity, acceleration = fit_motion(times, position, times[at], half_window=EGO_WINDOW)
    yaw = poses.yaw[at]
    return EgoTrajectory(
        poses.stamps[at] // 1000,
        np.column_stack([position[at], yaw]),
        ego_frame(velocity, yaw),
        ego_frame(acceleration, yaw),
    )


def _tracks(
    table: dict[str, np.ndarray], file: Path, poses: Poses, stamps: np.ndarray, at: np.ndarray
) -> Tracks:
    check_categories(table["category"], file)
    rows = np.flatnonzero(table["category"] != EGO_CATEGORY)
    rows = rows[np.argsort(table["timestamp_ns"][rows], kind="stable")]
    ids, first, column = _first_seen(table["track_uuid"][rows])
    frame = np.searchsorted(stamps, table["timestamp_ns"][rows])
    city = _boxes_in_city({name: values[rows] for name, values in table.items()}, poses, at[frame])
    valid = np.zeros((len(stamps), len(ids)), bool)
    if len(np.unique(frame * len(ids) + column)) < len(rows):
        raise DataError("a track has two boxes at one stamp", file=file, where="track_uuid")
    valid[frame, column] = True
    boxes = np.full((len(stamps), len(ids), 3), np.nan)
    boxes[frame, column] = city
    kinds = tuple(KIND_OF_CATEGORY[table["category"][rows[i]]] for i in first)
    sizes = np.column_stack([table["length_m"][rows[first]], table["width_m"][rows[first]]])
    seconds = (stamps - stamps[0]) * 1e-9
    velocities = box_velocities(seconds, boxes[..., :2], valid, BOX_REACH)
    static = np.isin(kinds, STATIC_KINDS)
    velocities[:, static] = np.where(valid[:, static, None], 0.0, np.nan)
    return Tracks(ids, kinds, sizes, boxes, velocities, valid, DT)


def check_categories(categories: np.ndarray, file: Path) -> None:
    """Refuse names that the format does not know.

    Raises:
        DataError: there is one.
    """
    for name in np.unique(categories.astype(str)).tolist():
        if name != EGO_CATEGORY and name not in KIND_OF_CATEGORY:
            row = int(np.flatnonzero(categories == name)[0])
            raise DataError(
                f"unknown category {name!r}{nearest_name(name, KIND_OF_CATEGORY)}; known: "
                f"{', '.join(sorted(KIND_OF_CATEGORY))}",
                file=file,
                where=f"column category, row {row}",
            )


def _first_seen(uuids: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Ids in order of first appearance, the row of each, and the id's number per row."""
    names, first, number = np.unique(uuids.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    return tuple(str(names[i]) for i in order), first[order], rank[number]


def _boxes_in_city(
    box: dict[str, np.ndarray], poses: Poses, at: np.ndarray
) -> Float[np.ndarray, "n 3"]:
    """Compose city_from_ego of the stamp with ego_from_box; (x, y, yaw) in the city frame."""
    quaternion = np.column_stack([box[name] for name in QUATERNION])
    rotation = poses.rotation[at] * Rotation.from_quat(quaternion[:, [1, 2, 3, 0]])
    offset = np.column_stack([box[name] for name in TRANSLATION])
    centre = poses.rotation[at].apply(offset) + poses.translation[at]
    matrix = rotation.as_matrix()
    return np.column_stack([centre[:, :2], np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])])
