"""Streaming reader of one nuPlan log: an SQLite file of sweeps, boxes, lights and poses.

Tokens are 8-byte blobs in the file and 16 hex characters here. Rows are counted as the devkit does:
every second sweep of a window is the 10 Hz time base, whatever the time stamps say.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.data.nuplan.records import Box, Light, Picture, ScenarioRow, Sweep
from drivelab.data.sqlite import connect_readonly, unreadable
from drivelab.errors import DataError
from drivelab.geometry.poses import yaw_from_quaternion
from drivelab.types import KINDS, STATIC_KINDS

SWEEP_SPACING = 0.05  # nominal [s]
IMAGE_WINDOW = 50_000  # [us], how far an image may be from its sweep
_SWEEP = """
SELECT lp.token, lp.timestamp, ep.x, ep.y, ep.qw, ep.qx, ep.qy, ep.qz,
       ep.vx, ep.vy, ep.acceleration_x, ep.acceleration_y
FROM lidar_pc lp
JOIN ego_pose ep ON ep.token = lp.ego_pose_token
JOIN lidar l ON l.token = lp.lidar_token AND l.channel = 'MergedPointCloud'
"""
_BOXES = """
SELECT lb.token, lb.track_token, c.name, lb.x, lb.y, lb.yaw, lb.length, lb.width, lb.height,
       lb.vx, lb.vy
FROM lidar_box lb
JOIN track t ON t.token = lb.track_token
JOIN category c ON c.token = t.category_token
WHERE lb.lidar_pc_token = ?
"""
_TRACK = """
SELECT lp.timestamp, lb.x, lb.y FROM lidar_box lb JOIN lidar_pc lp ON lp.token = lb.lidar_pc_token
WHERE lb.track_token = ? AND lp.timestamp BETWEEN ? AND ? ORDER BY lp.timestamp
"""
_PICTURES = """
SELECT c.channel, i.token, i.timestamp, i.filename_jpg
FROM image i JOIN camera c ON c.token = i.camera_token
WHERE i.timestamp BETWEEN ? AND ? ORDER BY c.channel, ABS(i.timestamp - ?)
"""


def token_bytes(token: str) -> bytes:
    """A token as the file stores it."""
    if not re.fullmatch(r"[0-9a-f]{16}", token):
        raise DataError(f"{token!r} is not a token, expected 16 lower-case hex characters")
    return bytes.fromhex(token)


class NuplanLog:
    """One open log. Close it, or use it in a with-block."""

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self.name = self.file.stem
        self._connection = connect_readonly(self.file)

    def __enter__(self) -> NuplanLog:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query; errors name the file."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise unreadable(self.file, error) from error

    @property
    def map_name(self) -> str:
        """The city's name in the maps folder (column map_version, not location)."""
        found = self.rows("SELECT map_version FROM log")
        if len(found) != 1 or not isinstance(found[0][0], str):
            raise DataError(
                "expected one row with a map_version", file=self.file, where="table log"
            )
        return found[0][0].removesuffix(".gpkg")

    def scenario_rows(
        self,
        *,
        tokens: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        map_names: Sequence[str] | None = None,
        valid_goal: bool = False,
        with_cameras: bool = False,
    ) -> list[ScenarioRow]:
        """Sweeps that may start a scenario, in time order.

        Those of the first two and the last two scenes of the log (by name) are left out, as in the
        devkit. The type is the alphabetically last of the tags that pass `types`.
        """
        name = self.map_name
        if map_names is not None and name not in map_names:
            return []
        sql, parameters = _scenario_query(tokens, types, valid_goal, with_cameras)
        return [
            ScenarioRow(row[0].hex(), _time(row[1], self.file, row[0].hex()), name, row[2])
            for row in self.rows(sql, parameters)
        ]

    def tags(self) -> list[tuple[str, str]]:
        """All (type, sweep token) pairs, by type and time."""
        found = self.rows(
            "SELECT t.type, t.lidar_pc_token FROM scenario_tag t "
            "JOIN lidar_pc lp ON lp.token = t.lidar_pc_token ORDER BY t.type, lp.timestamp"
        )
        return [(str(kind), token.hex()) for kind, token in found]

    def time(self, token: str) -> int:
        """Time stamp of a sweep [us]."""
        found = self.rows("SELECT timestamp FROM lidar_pc WHERE token = ?", [token_bytes(token)])
        if not found:
            raise DataError(f"no sweep {token}", file=self.file, where="table lidar_pc")
        return int(found[0][0])

    def window(
        self, token: str, *, duration: float, offset: float = 0.0, stride: int = 2
    ) -> list[Sweep]:
        """Every `stride`-th sweep of [t + offset, t + offset + duration] about a sweep [s]."""
        start = int(self.time(token) + offset * 1e6)
        stop = int(start + duration * 1e6)
        rows = self.rows(
            f"{_SWEEP} WHERE lp.timestamp BETWEEN ? AND ? ORDER BY lp.timestamp", [start, stop]
        )
        return [_sweep(row, self.file) for row in rows[::stride]]

    def future(self, token: str, *, horizon: float, samples: int | None = None) -> list[Sweep]:
        """Sweeps after this one, evenly counted by row over `horizon` [s]; default 10 Hz."""
        return self._sampled(token, horizon, samples, "> ?", "ASC")

    def past(self, token: str, *, horizon: float, samples: int | None = None) -> list[Sweep]:
        """Sweeps before this one over `horizon` [s], in ascending time."""
        return self._sampled(token, horizon, samples, "< ?", "DESC")[::-1]

    def _sampled(
        self, token: str, horizon: float, samples: int | None, side: str, order: str
    ) -> list[Sweep]:
        count = samples if samples is not None else int(horizon / (2 * SWEEP_SPACING))
        step = (int(horizon / SWEEP_SPACING) + 1) // max(count, 1)
        if count < 1 or step < 1:
            raise DataError(
                f"{count} samples over {horizon} s; expected at least one, at most one a sweep"
            )
        rows = self.rows(
            f"{_SWEEP} WHERE lp.timestamp {side} ORDER BY lp.timestamp {order} LIMIT ?",
            [self.time(token), step * count],
        )
        return [_sweep(row, self.file) for row in rows[step - 1 :: step]]

    def neighbours(
        self, token: str, stride: int, count: int, *, include: bool = False
    ) -> list[Sweep]:
        """Up to `count` sweeps, each `stride` rows on (negative: back), in ascending time.

        `include` puts the sweep itself first.
        """
        step = abs(stride)
        side, order = (">=", "ASC") if stride > 0 else ("<=", "DESC")
        rows = self.rows(
            f"{_SWEEP} WHERE lp.timestamp {side} ? ORDER BY lp.timestamp {order} LIMIT ?",
            [self.time(token), step * count + 1],
        )[::step]
        chosen = rows if include else rows[1:]
        return [_sweep(row, self.file) for row in (chosen if stride > 0 else chosen[::-1])]

    def boxes(self, token: str) -> list[Box]:
        """Labelled boxes of a sweep, in row order."""
        rows = self.rows(_BOXES, [token_bytes(token)])
        return [_box(row, self.file, token) for row in rows]

    def lights(self, token: str) -> list[Light]:
        """Traffic lights of a sweep, in row order."""
        rows = self.rows(
            "SELECT lane_connector_id, status FROM traffic_light_status WHERE lidar_pc_token = ?",
            [token_bytes(token)],
        )
        where = f"table traffic_light_status, sweep {token}"
        return [
            Light(str(_whole(connector, "lane_connector_id", self.file, where)), str(status))
            for connector, status in rows
        ]

    def route(self, token: str) -> tuple[str, ...]:
        """Block ids of the route stored with the scene of a sweep."""
        text = self._scene_row(token)[0]
        return tuple(str(text or "").split())

    def mission_goal(self, token: str) -> Float[np.ndarray, "3"] | None:
        """Goal pose of the scene of a sweep, where it is known."""
        row = self._scene_row(token)
        if row[1] is None:
            return None
        return np.array([row[1], row[2], yaw_from_quaternion(np.array(row[3:7]))])

    def _scene_row(self, token: str) -> tuple[Any, ...]:
        found = self.rows(
            "SELECT s.roadblock_ids, g.x, g.y, g.qw, g.qx, g.qy, g.qz FROM lidar_pc lp "
            "JOIN scene s ON s.token = lp.scene_token "
            "LEFT JOIN ego_pose g ON g.token = s.goal_ego_pose_token WHERE lp.token = ?",
            [token_bytes(token)],
        )
        if not found:
            raise DataError(f"no scene for sweep {token}", file=self.file, where="table scene")
        return found[0]

    def waypoints(
        self, track: str, *, start: int, horizon: float, count: int
    ) -> list[tuple[int, float, float] | None]:
        """Recorded future of a track at start, start + horizon / count, ...: (time [us], x, y).

        Boxes from `start` [us] to one step past the horizon are interpolated linearly; None where
        they do not reach.
        """
        step = int(horizon * 1e6 / count)
        stop = start + step * (count + 1)
        rows = np.array(self.rows(_TRACK, [token_bytes(track), start, stop]), float)
        points: list[tuple[int, float, float] | None] = []
        for time in range(start, start + step * count + 1, step):
            if not len(rows) or not rows[0, 0] <= time <= rows[-1, 0]:
                points.append(None)
                continue
            x, y = (float(np.interp(time - start, rows[:, 0] - start, rows[:, i])) for i in (1, 2))
            points.append((time, x, y))
        return points

    def pictures(
        self, token: str, channels: Sequence[str] | None = None, *, window: int = IMAGE_WINDOW
    ) -> list[Picture]:
        """The image of each channel nearest in time to a sweep, within `window` [us]."""
        time = self.time(token)
        found: dict[str, Picture] = {}
        for channel, image, stamp, path in self.rows(
            _PICTURES, [time - window, time + window, time]
        ):
            if channels is None or channel in channels:
                found.setdefault(channel, Picture(channel, image.hex(), int(stamp), str(path)))
        return list(found.values())

    def lidar_path(self, token: str) -> str:
        """Path of a sweep's point cloud, relative to the sensor blobs folder."""
        found = self.rows("SELECT filename FROM lidar_pc WHERE token = ?", [token_bytes(token)])
        if not found:
            raise DataError(f"no sweep {token}", file=self.file, where="table lidar_pc")
        return str(found[0][0])


def _scenario_query(
    tokens: Sequence[str] | None,
    types: Sequence[str] | None,
    valid_goal: bool,
    with_cameras: bool,
) -> tuple[str, list[Any]]:
    parameters: list[Any] = []
    conditions = [
        "s.token IN (SELECT token FROM (SELECT token, ROW_NUMBER() OVER (ORDER BY name) AS place, "
        "COUNT(*) OVER () AS total FROM scene) WHERE place > 2 AND place <= total - 2)"
    ]
    if tokens is not None:
        conditions.append(f"lp.token IN ({_marks(tokens)})")
        parameters += [token_bytes(token) for token in tokens]
    if types is not None:
        conditions.append(f"st.type IN ({_marks(types)})")
        parameters += list(types)
    if valid_goal:
        conditions.append("EXISTS (SELECT 1 FROM ego_pose g WHERE g.token = s.goal_ego_pose_token)")
    if with_cameras:
        conditions.append("lp.ego_pose_token IN (SELECT ego_pose_token FROM image)")
    sql = (
        "SELECT lp.token, lp.timestamp, MAX(st.type) FROM lidar_pc lp "
        "JOIN lidar l ON l.token = lp.lidar_token AND l.channel = 'MergedPointCloud' "
        "JOIN scene s ON s.token = lp.scene_token "
        "LEFT JOIN scenario_tag st ON st.lidar_pc_token = lp.token "
        f"WHERE {' AND '.join(conditions)} GROUP BY lp.token ORDER BY lp.timestamp"
    )
    return sql, parameters


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)


def _numbers(cells: tuple[Any, ...], file: Path, where: str) -> Float[np.ndarray, " n"]:
    """Cells as floats, NULL as NaN; SQLite lets any column hold text and bytes as well."""
    try:
        return np.array(cells, float)
    except (TypeError, ValueError):
        raise DataError(
            f"{cells} holds other things than numbers", file=file, where=where
        ) from None


def _whole(cell: Any, name: str, file: Path, where: str) -> int:
    try:
        return int(cell)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"{name} is {cell!r:.40}, expected a whole number", file=file, where=where
        ) from None


def _time(cell: Any, file: Path, sweep: str) -> int:
    return _whole(cell, "timestamp", file, f"table lidar_pc, sweep {sweep}")


def _sweep(row: tuple[Any, ...], file: Path) -> Sweep:
    token = row[0].hex()
    where = f"table ego_pose, sweep {token}"
    numbers = _numbers(row[2:], file, where)
    if not np.isfinite(numbers).all():
        raise DataError(f"pose {row[2:]} holds NULL or NaN", file=file, where=where)
    pose = np.array([*numbers[:2], yaw_from_quaternion(numbers[2:6])])
    return Sweep(token, _time(row[1], file, token), pose, numbers[6:8], numbers[8:10])


def _box(row: tuple[Any, ...], file: Path, sweep: str) -> Box:
    token, track, kind = row[0].hex(), row[1].hex(), str(row[2])
    where = f"table lidar_box, sweep {sweep}, box {token}"
    numbers = _numbers(row[3:], file, where)
    if kind not in KINDS:
        raise DataError(
            f"unknown class {kind!r}, expected one of {', '.join(KINDS)}", file=file, where=where
        )
    if not np.isfinite(numbers[:6]).all():
        raise DataError(f"pose or size {row[3:9]} holds NULL or NaN", file=file, where=where)
    velocity = np.zeros(2) if kind in STATIC_KINDS else numbers[6:8]
    return Box(token, track, kind, numbers[:3], numbers[3:6], velocity)


def log_files(root: Path) -> Iterator[tuple[str, Path]]:
    """(split, file) of every log under nuplan-v1.1, with or without the folder `splits`."""
    base = root / "nuplan-v1.1"
    for folder in (base / "splits", base):
        if folder.is_dir():
            for file in sorted(folder.glob("*/*.db")):
                yield file.parent.name, file
