"""nuScenes data made by hand: a JSON log, and a tiny folder in the official layout."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

CITY = "test-town"
SPEED = 4.0  # of the ego, along x [m/s]


def json_log(steps: int = 70) -> dict[str, Any]:
    """The ego drives 4 m/s along x on a lane that a connector continues at x = 40 m."""
    x = SPEED * 0.1 * np.arange(steps)
    zero = [0.0] * steps
    car_valid = [int(5 <= i < 40) for i in range(steps)]
    late = [int(i > 60) for i in range(steps)]
    masked = [[30.0, 4.0, 0.0] if v else [0.0, 0.0, 0.0] for v in car_valid]
    return {
        "scenario_id": "scene-0001", "source": "test", "map": CITY, "date": "2030-01-01",
        "scene_token": "t", "num_steps": steps, "dt": 0.1, "sdc_id": "ego", "traffic_lights": {},
        "tracks": {
            "late": track("PEDESTRIAN", [[9.0, 9.0, 0.0]] * steps, late),
            "car": track("VEHICLE", masked, car_valid),
            "cone": track("TRAFFIC_CONE", [[5.0, -5.0, 0.0]] * steps, [1] * steps),
            "ego": track("VEHICLE", np.column_stack([x, zero, zero]).tolist(), [1] * steps),
        },
        "map_features": {
            "lane": lane(-20, 40, polygon=box(-20, -2, 40, 2)),
            "left": lane(-20, 40, y=4, polygon=box(-20, 2, 40, 6)),
            "link": lane(40.2, 80),
            "outer": boundary(box(-30, -10, 90, 10)),
            "hole": boundary(box(60, 5, 70, 8)),
            "line": {"type": "ROAD_LINE_BROKEN_SINGLE_WHITE", "polyline": [[0, 2], [9, 2]]},
        },
    }  # fmt: skip


def track(kind: str, position: list[list[float]], valid: list[int]) -> dict[str, Any]:
    """A track with a given path, 1 m/s sideways wherever it is valid."""
    return {
        "type": kind, "nuscenes_category": "x", "size_lwh": [4.0, 2.0, 1.5], "valid": valid,
        "position": position, "heading": [0.0] * len(valid),
        "velocity": [[0.0, float(v)] for v in valid],
    }  # fmt: skip


def lane(x0: float, x1: float, y: float = 0.0, **more: Any) -> dict[str, Any]:
    """A lane along x with a vertex each metre."""
    points = [[x, y] for x in np.linspace(x0, x1, round(x1 - x0) + 1)]
    return {"type": "LANE_SURFACE_STREET", "polyline": points, **more}


def box(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    """A closed ring."""
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]


def boundary(ring: list[list[float]]) -> dict[str, Any]:
    """A ring of the drivable area."""
    return {"type": "DRIVABLE_BOUNDARY", "polyline": ring}


def write_json_log(folder: Path, content: dict[str, Any], name: str = "scene-0001") -> Path:
    """Write a log where the bench looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json.gz"
    file.write_bytes(gzip.compress(json.dumps(content).encode()))
    return file


def write_official(root: Path, key_frames: int = 15) -> Path:
    """Tables and map expansion of one scene.

    Key frames every 0.5 s from 2 s past the epoch; sweeps every 0.05 s, the ego 4 m/s along x from
    x = 3; a car 10 m ahead of it, boxed in all key frames but number 4; one parked bicycle rack.
    """
    times = 2_000_000 + 500_000 * np.arange(key_frames)
    samples, boxes, poses, sweeps = [], [], [], []
    for i, time in enumerate(times.tolist()):
        following = f"s{i + 1}" if i + 1 < key_frames else ""
        samples.append({"token": f"s{i}", "timestamp": time, "next": following, "prev": ""})
        at = 13 + SPEED * 0.5 * i
        if i != 4:
            boxes.append(annotation(f"a{i}", f"s{i}", "car", [at, 0.5, 1.0]))
        boxes.append(annotation(f"r{i}", f"s{i}", "rack", [0.0, 9.0, 1.0]))
        for j in range(10 if i + 1 < key_frames else 1):
            stamp = time + 50_000 * j
            token = f"p{i}-{j}"
            x = 3 + SPEED * (stamp - times[0]) * 1e-6
            poses.append({"token": token, "timestamp": stamp, "translation": [x, 0.0, 0.0],
                          "rotation": [1.0, 0.0, 0.0, 0.0]})  # fmt: skip
            sweeps.append({"token": token, "sample_token": f"s{i}", "ego_pose_token": token,
                           "filename": f"sweeps/LIDAR_TOP/{token}.bin"})  # fmt: skip
    tables = {
        "scene": [{"token": "t", "name": "scene-0001", "log_token": "l",
                   "first_sample_token": "s0"}],
        "sample": samples, "sample_annotation": boxes, "ego_pose": poses, "sample_data": sweeps,
        "instance": [{"token": "car", "category_token": "c"},
                     {"token": "rack", "category_token": "r"}],
        "category": [{"token": "c", "name": "vehicle.car"},
                     {"token": "r", "name": "static_object.bicycle_rack"}],
        "log": [{"token": "l", "location": CITY, "date_captured": "2030-01-01"}],
    }  # fmt: skip
    write_tables(root / "v1.0-mini", tables)
    write_tables(root / "maps" / "expansion", {CITY: expansion()})
    return root


def annotation(token: str, sample: str, instance: str, where: list[float]) -> dict[str, Any]:
    """A box 2 m wide, 5 m long, turned by 90 degrees."""
    half = float(np.sqrt(0.5))
    return {
        "token": token, "sample_token": sample, "instance_token": instance, "translation": where,
        "size": [2.0, 5.0, 1.6], "rotation": [half, 0.0, 0.0, half],
    }  # fmt: skip


def expansion() -> dict[str, Any]:
    """A lane from x = -50 to 30, a connector that turns left behind it, ground with a hole."""
    rings = {"road": (-60, -8, 80, 60), "island": (50, 20, 60, 30), "lane": (-50, -2, 30, 2),
             "far": (5000, 0, 5010, 9)}  # fmt: skip
    nodes = [
        {"token": f"{name}-{i}", "x": x, "y": y}
        for name, ring in rings.items()
        for i, (x, y) in enumerate(box(*ring)[:-1])
    ]
    corners = {name: [f"{name}-{i}" for i in range(4)] for name in rings}
    straight = {"start_pose": [-50, 0, 0], "end_pose": [30, 0, 0], "shape": "LSR", "radius": 9.0,
                "segment_length": [0.0, 80.0, 0.0]}  # fmt: skip
    bend = {"start_pose": [30, 0, 0], "end_pose": [40, 10, np.pi / 2], "shape": "LSR",
            "radius": 10.0, "segment_length": [5 * np.pi, 0.0, 0.0]}  # fmt: skip
    return {
        "node": nodes,
        "polygon": [
            {"token": "ground", "exterior_node_tokens": corners["road"],
             "holes": [{"node_tokens": corners["island"]}]},
            {"token": "lane-shape", "exterior_node_tokens": corners["lane"], "holes": []},
            {"token": "far-shape", "exterior_node_tokens": corners["far"], "holes": []},
        ],
        "line": [{"token": "line", "node_tokens": ["lane-3", "lane-2"]}],
        "lane": [{"token": "lane-a", "polygon_token": "lane-shape"}],
        "lane_connector": [{"token": "link-b"}],
        "drivable_area": [{"token": "d", "polygon_tokens": ["ground", "far-shape"]}],
        "road_divider": [{"token": "divider", "line_token": "line"}],
        "lane_divider": [],
        "arcline_path_3": {"lane-a": [straight], "link-b": [bend]},
    }  # fmt: skip


def write_tables(folder: Path, tables: dict[str, Any]) -> None:
    """One JSON file per table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
