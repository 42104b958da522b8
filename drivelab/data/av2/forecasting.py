"""Argoverse 2 motion forecasting scenarios: 11 s at 10 Hz around a focal track.

The track `AV` is the ego; its positions are box centres by the dataset's documentation (unverified)
and are moved back to the rear axle. The files hold no box sizes: every type has an assumed one
(`categories.FORECASTING_TYPES`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drivelab.data.av2.categories import FORECASTING_TYPES
from drivelab.data.av2.log import DT, LICENCE, VEHICLE
from drivelab.data.av2.map import load_map
from drivelab.data.motion import ego_frame, fit_motion
from drivelab.data.recording import WindowShape, cut_scene, record
from drivelab.errors import DataError, nearest_name
from drivelab.types import STATIC_KINDS, EgoTrajectory, Scene, Tracks

EGO_TRACK = "AV"
EGO_WINDOW = 0.4  # half window of the line fit that gives the ego's acceleration [s]
_COLUMNS = (
    "observed", "track_id", "object_type", "timestep", "position_x", "position_y", "heading",
    "velocity_x", "velocity_y", "scenario_id", "start_timestamp", "num_timestamps",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The rows of one file, in file order."""

    file: Path
    columns: dict[str, np.ndarray]

    @property
    def frames(self) -> int:
        return int(self.columns["num_timestamps"][0])


def load_scenario(folder: Path) -> Scene:
    """Read one scenario folder; the current frame is the last observed one."""
    table = _read(_only(folder, "scenario_*.parquet"))
    lane_map = load_map(_only(folder, "log_map_archive_*.json"))
    scenario = str(table.columns["scenario_id"][0])
    observed = table.columns["timestep"][table.columns["observed"]]
    if not len(observed):
        raise DataError("no row is observed", file=table.file, where="column observed")
    now = int(observed.max())
    recording = record(
        scenario,
        lane_map,
        _ego(table),
        _tracks(table),
        source="av2_forecasting",
        vehicle=VEHICLE,
        licence=LICENCE,
    )
    scene = cut_scene(recording, 0, WindowShape(now, table.frames - now - 1))
    return replace(scene, id=scenario)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"expected exactly one {pattern}, found {len(found)}", file=folder)
    return found[0]


def _read(file: Path) -> _Table:
    try:
        table = pq.read_table(file, columns=list(_COLUMNS))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"cannot be read as Parquet ({error})", file=file) from error
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing or table.num_rows == 0:
        raise DataError(
            f"expected rows with the columns {', '.join(missing or _COLUMNS)}", file=file
        )
    columns = {name: table[name].to_numpy() for name in _COLUMNS}
    frames = int(columns["num_timestamps"][0])
    step = columns["timestep"]
    if step.min() < 0 or step.max() >= frames:
        row = int(np.flatnonzero((step < 0) | (step >= frames))[0])
        raise DataError(f"expected 0 to {frames - 1}", file=file, where=f"timestep, row {row}")
    return _Table(file, columns)


def _ego(table: _Table) -> EgoTrajectory:
    rows = np.flatnonzero(table.columns["track_id"] == EGO_TRACK)
    rows = rows[np.argsort(table.columns["timestep"][rows])]
    steps = table.columns["timestep"][rows]
    if not np.array_equal(steps, np.arange(table.frames)):
        raise DataError(
            f"expected one row per time step (0 to {table.frames - 1}), found {len(rows)} rows",
            file=table.file,
            where=f"track_id {EGO_TRACK}",
        )
    centre = np.column_stack([table.columns["position_x"], table.columns["position_y"]])[rows]
    yaw = table.columns["heading"][rows]
    back = VEHICLE.rear_axle_to_center * np.column_stack([np.cos(yaw), np.sin(yaw)])
    seconds = np.arange(table.frames) * DT
    _, acceleration = fit_motion(seconds, centre - back, seconds, half_window=EGO_WINDOW)
    velocity = np.column_stack([table.columns["velocity_x"], table.columns["velocity_y"]])[rows]
    start = round(float(table.columns["start_timestamp"][0]) / 1000)
    return EgoTrajectory(
        start + np.arange(table.frames) * round(DT * 1e6),
        np.column_stack([centre - back, yaw]),
        ego_frame(velocity, yaw),
        ego_frame(acceleration, yaw),
    )


def _tracks(table: _Table) -> Tracks:
    names = table.columns["track_id"]
    ids = [str(name) for name in dict.fromkeys(names.tolist()) if name != EGO_TRACK]
    number = {name: i for i, name in enumerate(ids)}
    rows = np.flatnonzero(names != EGO_TRACK)
    column = np.array([number[name] for name in names[rows]], int)
    step = table.columns["timestep"][rows]
    poses = np.full((table.frames, len(ids), 3), np.nan)
    velocities = np.full((table.frames, len(ids), 2), np.nan)
    valid = np.zeros((table.frames, len(ids)), bool)
    for i, name in enumerate(("position_x", "position_y", "heading")):
        poses[step, column, i] = table.columns[name][rows]
    for i, name in enumerate(("velocity_x", "velocity_y")):
        velocities[step, column, i] = table.columns[name][rows]
    valid[step, column] = True
    types = dict(zip(names[rows].tolist(), table.columns["object_type"][rows], strict=True))
    found = [_type(table.file, str(types[name])) for name in ids]
    static = np.isin([kind for kind, _ in found], STATIC_KINDS)
    velocities[:, static] = np.where(valid[:, static, None], 0.0, np.nan)
    sizes = np.array([size for _, size in found], float).reshape(-1, 2)
    return Tracks(tuple(ids), tuple(kind for kind, _ in found), sizes, poses, velocities, valid, DT)


def _type(file: Path, name: str) -> tuple[str, tuple[float, float]]:
    if name not in FORECASTING_TYPES:
        raise DataError(
            f"unknown type {name!r}{nearest_name(name, FORECASTING_TYPES)}; known: "
            f"{', '.join(FORECASTING_TYPES)}",
            file=file,
            where="column object_type",
        )
    return FORECASTING_TYPES[name]
