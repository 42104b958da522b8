"""A folder in HUGSIM's layout with a small street of Gaussians, made of its facts; needs torch."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from trainer_checkpoints import hugsim_ground, hugsim_parameters

from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.harmonics import C0

HEIGHT, LENGTH, HALF = 1.5, 60.0, 6.0  # of the camera, the way, half the road's width [m]
CAR = "2024_06_04_13_44_39"
ROAD, BUILDING, SKY, VEHICLE = 0, 2, 10, 13  # classes
RED = (0.9, 0.1, 0.1)


def gaussians(means: np.ndarray, opacity: float = 0.95) -> Gaussians:
    n = len(means)
    return Gaussians(
        means.astype(np.float32), np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        np.full((n, 3), 0.1, np.float32), np.full(n, opacity, np.float32),
        np.zeros((n, 4, 3), np.float32),
    )  # fmt: skip


def world(right: Any, ahead: Any, up: Any) -> np.ndarray:
    """Places above the road in HUGSIM's world: x right, y down from the camera, z forward."""
    parts = np.broadcast_arrays(right, np.subtract(HEIGHT, up), ahead)
    return np.stack([np.ravel(part) for part in parts], 1)


def write_scene(folder: Path, *, wall_ahead: float | None = None) -> None:
    """A straight road with a house on the right and sky; a wall across it where wanted."""
    folder.mkdir(parents=True)
    right, ahead = np.meshgrid(np.arange(-HALF, HALF, 0.35), np.arange(-12.0, LENGTH + 15, 0.35))
    ground = gaussians(world(right, ahead, 0.0))
    u, v = np.meshgrid(np.arange(0.0, 60.0, 0.5), np.arange(0.0, 6.0, 0.5))
    parts = [(world(9.0, u, v), BUILDING), (world(u - 30, 200.0, 20 * v), SKY)]
    if wall_ahead is not None:
        u, v = np.meshgrid(np.arange(-4.0, 4.0, 0.1), np.arange(0.0, 3.0, 0.1))
        parts.append((world(u, wall_ahead, v), BUILDING))
    means = np.concatenate([points for points, _ in parts])
    classes = np.concatenate([np.full(len(points), label) for points, label in parts])
    held = hugsim_parameters(
        gaussians(means), classes, ground=hugsim_ground(ground, np.full(len(ground), ROAD))
    )
    torch.save((held, 30000), folder / "scene.pth")
    poses = np.tile(np.eye(4), (round(LENGTH) + 1, 1, 1))
    poses[:, 2, 3] = np.arange(len(poses))
    (folder / "ground_param.pkl").write_bytes(
        pickle.dumps((poses, HEIGHT, [2] * len(poses)), protocol=4)
    )
    times = torch.arange(0.0, 5.1, 0.5)
    fitted = (
        torch.full_like(times, -3.0), 20.0 + 4.0 * times, torch.full_like(times, 4.0),
        torch.zeros(len(times), 2), torch.full_like(times, np.pi / 2), torch.zeros_like(times),
        times, torch.diff(times),
    )  # fmt: skip
    torch.save(tuple(torch.nn.Parameter(part) for part in fitted[:3]) + fitted[3:],
               folder / "unicycle_7.pth")  # fmt: skip
    (folder / "cfg.yaml").write_text("affine: true\ndata_type: nuscenes\n")


def write_vehicle(root: Path) -> None:
    """A red car, 0.7 m too high in its file (x forward, y down, z left)."""
    folder = root / "3DRealCar" / CAR
    folder.mkdir(parents=True)
    (folder / "wlh.json").write_text(json.dumps([1.9, 4.6, 1.5]))
    grids = [np.arange(-half, half + 0.05, 0.1) for half in (2.3, 0.75, 0.95)]
    body = gaussians(np.stack([np.ravel(axis) for axis in np.meshgrid(*grids)], 1) - [0, 1.45, 0])
    body.sh[:, 0] = (np.array(RED) - 0.5) / C0
    held = hugsim_parameters(body, np.full(len(body), VEHICLE), whole=False)
    torch.save((held, 30000), folder / "gs.pth")


def write_scenario(root: Path, scene: str, mode: str, rows: list[Any], **more: Any) -> Path:
    said = {
        "mode": mode, "scene_name": scene, "iteration": 30000, "load_HD_map": False,
        "start_euler": [0.0, 0.0, 0.0], "start_ab": [0.0, 0.0], "start_velo": 5.0,
        "start_steer": 0.0, "plan_list": rows,
    } | more  # fmt: skip
    file = root / "scenarios" / "nuscenes" / f"{scene}-{mode}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(said))
    return file


def write_folder(root: Path) -> None:
    """Two scenes, four scenarios: free, a car in the way, all planners, a wall."""
    write_vehicle(root)
    write_scene(root / "scenes" / "scene-0001")
    write_scene(root / "scenes" / "scene-0002", wall_ahead=40.0)
    write_scenario(root, "scene-0001", "easy_00", [])
    write_scenario(root, "scene-0001", "medium_00",
                   [[0.0, 35.0, 0.75, 0.0, 0.0, CAR, "ConstantPlanner", {}]])  # fmt: skip
    write_scenario(root, "scene-0001", "hard_00", [
        [0.0, 25.0, 0.75, 0.0, 6.0, CAR, "IDM", {"v0": 6.0}],
        [-3.0, 20.0, 0.75, 0.0, 4.0, CAR, "UnicyclePlanner", {"uc_id": 7, "speed": 1.0}],
        [3.5, 30.0, 0.75, 3.14159, 3.0, CAR, "AttackPlanner",
         {"pred_steps": 20, "ATTACK_FREQ": 3, "best_k": 1}],
        [-4.0, 50.0, 0.75, 1.5708, 1.0, CAR, "ConstantPlanner", {}],
    ])  # fmt: skip
    write_scenario(root, "scene-0002", "easy_00", [])
