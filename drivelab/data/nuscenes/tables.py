"""The official nuScenes tables (`v1.0-*/TABLE.json`) -> logs of the JSON format.

Key frames are 0.5 s apart; everything is brought to one 10 Hz clock that starts at the first one.
Boxes are interpolated linearly between neighbouring key frames, never over a missing one; the ego
between the poses of its lidar sweeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.data.nuscenes.expansion import Expansion, map_features, read_expansion
from drivelab.errors import DataError
from drivelab.geometry.poses import wrap_angle

DT = 0.1  # [s]
MARGIN = 150.0  # of the map around the recorded path [m]: the scores look 100 m around
EGO_SIZE = (4.084, 1.73, 1.56)  # Renault Zoe
SWEEPS = "LIDAR_TOP"
_TABLES = (
    "scene", "sample", "sample_annotation", "instance", "category", "ego_pose", "sample_data",
    "log",
)  # fmt: skip
_TYPES = (  # by the first prefix that fits
    ("vehicle.bicycle", "CYCLIST"),
    ("vehicle.motorcycle", "CYCLIST"),
    ("vehicle.", "VEHICLE"),
    ("human.", "PEDESTRIAN"),
    ("movable_object.trafficcone", "TRAFFIC_CONE"),
    ("movable_object.barrier", "TRAFFIC_BARRIER"),
)
_LEFT_OUT = (  # the JSON format has no type for them
    "animal", "movable_object.debris", "movable_object.pushable_pullable",
    "static_object.bicycle_rack",
)  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The tables of one version, by token where they are looked up."""

    folder: Path
    root: Path
    scenes: list[Row]
    samples: Mapping[str, Row]
    boxes_of_sample: Mapping[str, list[Row]]
    category_of_instance: Mapping[str, str]
    poses: Mapping[str, Row]
    sweeps_of_sample: Mapping[str, list[Row]]
    logs: Mapping[str, Row]


def read_tables(root: Path) -> Tables:
    """Read the tables of the one `v1.0-*` folder below the data root."""
    folder = table_folder(root)
    rows = {name: read_table(folder / f"{name}.json") for name in _TABLES}
    try:
        categories = {row["token"]: row["name"] for row in rows["category"]}
        sweeps = [row for row in rows["sample_data"] if f"/{SWEEPS}/" in row["filename"]]
        return Tables(
            folder,
            root,
            rows["scene"],
            {row["token"]: row for row in rows["sample"]},
            grouped(rows["sample_annotation"], "sample_token"),
            {row["token"]: categories[row["category_token"]] for row in rows["instance"]},
            {row["token"]: row for row in rows["ego_pose"]},
            grouped(sweeps, "sample_token"),
            {row["token"]: row for row in rows["log"]},
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"a row lacks a field or names a missing row ({error!r})", file=folder
        ) from error


def table_folder(root: Path) -> Path:
    """The one `v1.0-*` folder with tables below the data root.

    Raises:
        DataError: there is none, or several.
    """
    found = sorted(p for p in root.glob("v1.0-*") if (p / "scene.json").is_file())
    if len(found) != 1:
        raise DataError(
            f"expected exactly one folder v1.0-* with the nuScenes tables, found {len(found)}",
            file=root,
        )
    return found[0]


def read_table(file: Path) -> list[Row]:
    """Rows of a table.

    Raises:
        DataError: it is no list in JSON.
    """
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as JSON ({error})", file=file) from error
    if not isinstance(rows, list):
        raise DataError("expected a list of rows", file=file)
    return rows


def grouped(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Rows by what they have under a key."""
    out: dict[str, list[Row]] = {}
    for row in rows:
        out.setdefault(row[key], []).append(row)
    return out


def json_logs(tables: Tables) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every scene's log, one at a time."""
    cities: dict[str, Expansion] = {}
    for scene in tables.scenes:
        try:
            city = tables.logs[scene["log_token"]]["location"]
            if city not in cities:
                cities = {city: read_expansion(tables.root, city)}  # one city in memory
            yield scene["name"], _log(tables, scene, cities[city], city)
        except KeyError as error:
            raise DataError(
                f"a row lacks a field or names a missing row ({error!r})",
                file=tables.folder,
                where=f"scene {scene.get('name')}",
            ) from error


def _log(tables: Tables, scene: Row, city: Expansion, name: str) -> dict[str, Any]:
    samples = samples_of(tables.samples, scene, tables.folder)
    key_times = np.array([row["timestamp"] for row in samples], np.int64)
    steps = int((key_times[-1] - key_times[0]) / 1e6 / DT + 1e-6) + 1
    times = (key_times - key_times[0]) / 1e6
    clock = np.arange(steps) * DT
    ego = _ego(tables, samples, key_times[0], clock)
    path = np.array(ego["position"])[:, :2]
    window = shapely.box(*(path.min(axis=0) - MARGIN), *(path.max(axis=0) + MARGIN))
    tracks = _tracks(tables, samples, times, clock)
    return {
        "scenario_id": scene["name"],
        "source": f"nuScenes {tables.folder.name}",
        "map": name,
        "date": tables.logs[scene["log_token"]].get("date_captured", ""),
        "scene_token": scene["token"],
        "num_steps": steps,
        "dt": DT,
        "sdc_id": "ego",
        "tracks": {**tracks, "ego": ego},
        "map_features": map_features(city, window),
        "traffic_lights": {},
    }


def samples_of(samples: Mapping[str, Row], scene: Row, folder: Path) -> list[Row]:
    """Key frames of a scene in the order of time; `samples` by token.

    Raises:
        DataError: they form a loop.
    """
    rows, token = [], scene["first_sample_token"]
    while token:
        rows.append(samples[token])
        token = samples[token]["next"]
        if len(rows) > len(samples):
            raise DataError("its samples form a loop", file=folder, where=f"scene {scene['name']}")
    return rows


def _ego(
    tables: Tables, samples: list[Row], start: int, clock: Float[np.ndarray, " k"]
) -> dict[str, Any]:
    sweeps = [row for sample in samples for row in tables.sweeps_of_sample.get(sample["token"], ())]
    poses = {tables.poses[row["ego_pose_token"]]["timestamp"]: row for row in sweeps}
    if len(poses) < 2:
        raise DataError(
            f"expected ego poses of {SWEEPS} sweeps, found {len(poses)}",
            file=tables.folder / "sample_data.json",
            where=f"sample {samples[0]['token']}",
        )
    stamps = np.array(sorted(poses), np.int64)
    rows = [tables.poses[poses[int(stamp)]["ego_pose_token"]] for stamp in stamps]
    track = _at(
        (stamps - start) / 1e6,
        np.array([row["translation"] for row in rows], float),
        np.array([_yaw(row["rotation"]) for row in rows]),
        np.clip(clock, (stamps[0] - start) / 1e6, (stamps[-1] - start) / 1e6),
    )
    track["position"] = [[x, y, 0.0] for x, y, _ in track["position"]]
    return {
        "type": "VEHICLE",
        "nuscenes_category": "ego",
        "size_lwh": list(EGO_SIZE),
        "valid": [1] * len(clock),
        **track,
    }


def _tracks(
    tables: Tables,
    samples: list[Row],
    times: Float[np.ndarray, " s"],
    clock: Float[np.ndarray, " k"],
) -> dict[str, dict[str, Any]]:
    seen: dict[str, dict[int, Row]] = {}
    for i, sample in enumerate(samples):
        for box in tables.boxes_of_sample.get(sample["token"], ()):
            seen.setdefault(box["instance_token"], {})[i] = box
    out = {}
    for instance, boxes in seen.items():
        category = tables.category_of_instance[instance]
        kind = category_type(category, tables.folder)
        if kind:
            track = _boxes_at(boxes, times, clock)
            width, length, height = next(iter(boxes.values()))["size"]
            size = [float(length), float(width), float(height)]
            out[instance] = {
                "type": kind, "nuscenes_category": category, "size_lwh": size, **track,
            }  # fmt: skip
    return out


def category_type(category: str, folder: Path) -> str:
    """The type of a category in the JSON format, empty for those that are left out.

    Raises:
        DataError: the category is unknown; `folder` is named.
    """
    for prefix, kind in _TYPES:
        if category.startswith(prefix):
            return kind
    if category in _LEFT_OUT:
        return ""
    raise DataError(
        f"unknown category {category!r}; known: {', '.join(p for p, _ in _TYPES)}, "
        f"left out: {', '.join(_LEFT_OUT)}",
        file=folder / "category.json",
    )


def _boxes_at(
    boxes: Mapping[int, Row], times: Float[np.ndarray, " s"], clock: Float[np.ndarray, " k"]
) -> dict[str, Any]:
    """A track on the clock: valid between neighbouring key frames that both show the box."""
    index = np.array(sorted(boxes))
    rows = [boxes[int(i)] for i in index]
    before = np.clip(np.searchsorted(times, clock + 1e-6, side="right") - 1, 0, len(times) - 1)
    shown = np.isin(np.arange(len(times) + 1), index)
    on_key = np.abs(clock - times[before]) < DT / 2
    valid = shown[before] & (shown[before + 1] | on_key)
    track = _at(
        times[index],
        np.array([row["translation"] for row in rows], float),
        np.array([_yaw(row["rotation"]) for row in rows]),
        clock,
    )
    masked = {name: (np.array(v) * _column(valid, v)).tolist() for name, v in track.items()}
    return {"valid": valid.astype(int).tolist(), **masked}


def _column(valid: np.ndarray, values: list[Any]) -> np.ndarray:
    return valid[:, None] if isinstance(values[0], list) else valid


def _at(
    times: Float[np.ndarray, " n"],
    position: Float[np.ndarray, "n 3"],
    yaw: Float[np.ndarray, " n"],
    clock: Float[np.ndarray, " k"],
) -> dict[str, Any]:
    """Linear interpolation, with the slope of the piece as velocity; clamped at the ends."""
    xyz = np.column_stack([np.interp(clock, times, position[:, i]) for i in range(3)])
    heading = wrap_angle(np.interp(clock, times, np.unwrap(yaw)))
    if len(times) > 1:
        piece = np.clip(np.searchsorted(times, clock, side="right") - 1, 0, len(times) - 2)
        velocity = (np.diff(position, axis=0) / np.diff(times)[:, None])[piece, :2]
    else:
        velocity = np.zeros((len(clock), 2))
    return {
        "position": np.round(xyz, 3).tolist(),
        "heading": np.round(heading, 5).tolist(),
        "velocity": np.round(velocity, 3).tolist(),
    }


def _yaw(rotation: list[float]) -> float:
    """Direction of the forward axis on the ground, from a wxyz quaternion."""
    w, x, y, z = rotation
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
