"""Argoverse 2 logs made by hand: a straight road, an ego and one box ahead of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather

YAW = 0.3  # of the ego in the hand-made log [rad]
SPEED = 5.0  # [m/s]
FRAMES = 20  # unless a test asks for more
START = 315_966_000_000_000_000  # [ns]


def points(rows: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": 0.0} for x, y in rows]


def lane(key: int, y: float, x0: float = -50, x1: float = 50, **more: Any) -> dict[str, Any]:
    """A lane 4 m wide about `y`, along x."""
    return {
        "id": key,
        "is_intersection": False,
        "lane_type": "VEHICLE",
        "left_lane_boundary": points([(x0, y + 2), (x1, y + 2)]),
        "right_lane_boundary": points([(x0, y - 2), (x1, y - 2)]),
        "left_neighbor_id": None,
        "right_neighbor_id": None,
        "predecessors": [],
        "successors": [],
        **more,
    }


def straight_map(*extra: dict[str, Any]) -> dict[str, Any]:
    oncoming = lane(3, 4)
    for side in ("left", "right"):
        oncoming[f"{side}_lane_boundary"] = points([(50, 2 if side == "left" else 6)])[:1] + points(
            [(-50, 2 if side == "left" else 6)]
        )
    lanes = [
        lane(1, 0, left_neighbor_id=3, right_neighbor_id=2, successors=[4, 999]),
        lane(2, -4),
        oncoming,
        lane(4, 0, 50, 90, is_intersection=True, left_neighbor_id=None),
        *extra,
    ]
    return {
        "lane_segments": {str(record["id"]): record for record in lanes},
        "drivable_areas": {
            "7": {"id": 7, "area_boundary": points([(-60, -9), (95, -9), (95, 9), (-60, 9)])}
        },
        "pedestrian_crossings": {
            "8": {
                "id": 8,
                "edge1": points([(40, -6), (40, 6)]),
                "edge2": points([(43, 6), (43, -6)]),
            }
        },
    }


def write_log(
    folder: Path, *, categories: tuple[str, ...] = ("BUS", "EGO_VEHICLE"), frames: int = FRAMES
) -> Path:
    """The ego drives 5 m/s along its own heading; every box stands 10 m ahead of it, 2 m left."""
    (folder / "map").mkdir(parents=True)
    (folder / "map" / "log_map_archive_x____PIT_city_1.json").write_text(json.dumps(straight_map()))
    stamps = START + np.arange(frames) * 100_000_000
    fine = START - 100_000_000 + np.arange((frames + 1) * 20) * 5_000_000
    s = SPEED * (fine - START) * 1e-9
    turn = {"qw": np.cos(YAW / 2), "qx": 0.0, "qy": 0.0, "qz": np.sin(YAW / 2)}
    write(folder / "city_SE3_egovehicle.feather", {
        "timestamp_ns": fine, **{k: np.full(len(fine), v) for k, v in turn.items()},
        "tx_m": -20 + s * np.cos(YAW), "ty_m": s * np.sin(YAW), "tz_m": 0 * s,
    })  # fmt: skip
    n = frames * len(categories)
    one = {"qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0, "tx_m": 10.0, "ty_m": 2.0, "tz_m": 0.5}
    write(folder / "annotations.feather", {
        "timestamp_ns": np.repeat(stamps, len(categories)),
        "track_uuid": [f"id-{c}" for c in categories] * frames,
        "category": list(categories) * frames,
        "length_m": np.full(n, 12.0), "width_m": np.full(n, 2.5),
        **{k: np.full(n, v) for k, v in one.items()},
    })  # fmt: skip
    return folder


def write(file: Path, columns: dict[str, Any]) -> None:
    feather.write_feather(pa.table(columns), file)


def change(file: Path, **columns: Any) -> None:
    table = feather.read_table(file, memory_map=False)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    feather.write_feather(table, file)
