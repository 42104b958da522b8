"""The golden cases of `models/`: seeded weights and inputs, stored outputs, losses, gradients."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parents[1] / "golden")) / "models"

needed = pytest.mark.skipif(not ROOT.is_dir(), reason=f"no golden numbers of models in {ROOT}")
full = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / "diffusiondrive_full.npz").is_file(),
        reason="too large for the repository; name the whole set by DRIVELAB_GOLDEN",
    ),
]


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """As the golden numbers were made.

    Sums of absolute distances often have several best assignments, between which the last bit of
    the costs decides: with the same sums in the same order there is one. A processor that adds up
    otherwise may find another; losses and gradients are then up to 0.2 % off.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


SMALL = {
    "camera": (128, 512),
    "image_depths": (2, 2, 2, 2),
    "lidar_depths": (2, 2, 2, 2),
    "fusion_layers": 1,
    "fusion_heads": 2,
    "fusion_expansion": 2,
    "decoder_layers": 1,
    "hidden": 128,
    "agents": 8,
}


@cache
def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(ROOT / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def manifest(name: str) -> dict[str, Any]:
    return json.loads((ROOT / f"manifest_{name}.json").read_text())


def seeds(name: str) -> tuple[int, int]:
    """Of weights and of inputs."""
    return int(stored(name)["meta.weight_seed"]), int(stored(name)["meta.input_seed"])


def _random(tag: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(tag.encode()) & 0xFFFFFFFF)


def normal(tag: str, shape: Sequence[int]) -> np.ndarray:
    count = int(np.prod(shape)) if len(shape) else 1
    return _random(tag).standard_normal(count).reshape(tuple(shape))


def uniform(tag: str, shape: Sequence[int]) -> np.ndarray:
    count = int(np.prod(shape)) if len(shape) else 1
    return _random(tag).random_sample(count).reshape(tuple(shape))


def weight(name: str, shape: Sequence[int], seed: int) -> np.ndarray:
    """The rule of the README, by the last part of the name."""
    tag, last = f"w{seed}/{name}", name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(tuple(shape), np.int64)
    if last == "running_mean":
        made = 0.1 * normal(tag, shape)
    elif last == "running_var":
        made = 0.5 + uniform(tag, shape)
    elif len(shape) == 1:
        made = 1 + 0.1 * normal(tag, shape) if last == "weight" else 0.05 * normal(tag, shape)
    elif last in ("weight", "in_proj_weight"):
        made = normal(tag, shape) / np.sqrt(np.prod(shape[1:]))
    else:
        made = 0.1 * normal(tag, shape)
    return made.astype(np.float32)


def anchors() -> Tensor:
    """20 arcs of constant curvature, x, y [m]."""
    out = []
    for bend in (-0.05, -0.01, 0.01, 0.05):
        for speed in (0.0, 3.0, 6.0, 9.0, 13.0):
            turned = bend * speed * 0.5 * np.arange(1, 9)
            out.append(np.stack([np.sin(turned) / bend, (1 - np.cos(turned)) / bend], -1))
    return torch.from_numpy(np.stack(out).astype(np.float32))


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give a module the seeded weights, and a head its anchors."""
    made = {}
    for name, tensor in module.state_dict().items():
        if name.endswith("plan_anchor"):
            made[name] = anchors()
        else:
            made[name] = torch.from_numpy(np.asarray(weight(name, tuple(tensor.shape), seed)))
    module.load_state_dict(made)
    return module


def still(module: torch.nn.Module) -> torch.nn.Module:
    """In training, but without dropout."""
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    return module.train()


def array(tag: str, shape: Sequence[int], scale: float = 1.0) -> Tensor:
    return torch.from_numpy((scale * normal(tag, shape)).astype(np.float32))


def levels(tag: str, rows: int) -> Tensor:
    return torch.from_numpy(np.floor(50 * uniform(tag, (rows,))).astype(np.int64))


def features(seed: int, rows: int = 2, camera: tuple[int, int] = (256, 1024)) -> dict[str, Tensor]:
    at = f"i{seed}"
    points = np.floor(6 * uniform(f"{at}/lidar_feature", (rows, 1, 256, 256)) ** 8) / 5
    command = np.eye(4)[np.floor(4 * uniform(f"{at}/command", (rows,))).astype(int)]
    motion = normal(f"{at}/status", (rows, 4)) * [5.0, 0.3, 1.0, 0.3] + [6.0, 0, 0, 0]
    made = {
        "camera_feature": uniform(f"{at}/camera_feature", (rows, 3, *camera)),
        "lidar_feature": points,
        "status_feature": np.concatenate([command, motion], -1),
    }
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in made.items()}


def targets(seed: int, rows: int = 2, boxes: int = 30) -> dict[str, Tensor]:
    at = f"i{seed}"
    chosen = np.floor(20 * uniform(f"{at}/target_mode", (rows,))).astype(int)
    clean = np.concatenate([anchors().numpy()[chosen], np.zeros((rows, 8, 1))], -1)
    trajectory = clean + 0.3 * normal(f"{at}/target_traj", (rows, 8, 3))
    states = normal(f"{at}/agent_states", (rows, boxes, 5)) * [12, 12, 1.0, 0.5, 0.2]
    count = np.floor(boxes * uniform(f"{at}/num_agents", (rows,))).astype(int)
    labels = np.arange(boxes)[None] < count[:, None]
    states = (states + np.array([0, 0, 0, 4.5, 1.9])) * labels[..., None]
    semantic = np.floor(7 * uniform(f"{at}/bev_semantic_map", (rows, 128, 256)))
    return {
        "trajectory": torch.from_numpy(trajectory.astype(np.float32)),
        "agent_states": torch.from_numpy(states.astype(np.float32)),
        "agent_labels": torch.from_numpy(labels),
        "bev_semantic_map": torch.from_numpy(semantic.astype(np.float32)),
    }


def close(got: Any, wanted: Any, *, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    found = got.detach().double().numpy() if isinstance(got, Tensor) else np.asarray(got, float)
    np.testing.assert_allclose(found, np.asarray(wanted, float), rtol=rtol, atol=atol)


def close_part(got: Tensor, file: Mapping[str, np.ndarray], key: str) -> None:
    """A module's output, whole or as stored for large ones: moments and every n-th number."""
    if key in file:
        close(got, file[key])
        return
    flat = got.detach().double().numpy().ravel()
    stat = file[f"{key}.stat"]
    assert flat.size == stat[3]
    close(np.array([flat.mean(), flat.std(), abs(flat).max()]), stat[:3])
    close(flat[:: max(1, flat.size // 4096)][:4096], file[f"{key}.sub"])


def close_gradients(
    parameters: Mapping[str, Tensor], order: Sequence[str], wanted: np.ndarray
) -> None:
    """Norms by name; those below 1e-4 of the largest are true zeros and not compared."""
    assert len(order) == len(wanted)
    least = 1e-4 * wanted.max()
    compared = 0
    for name, norm in zip(order, wanted, strict=True):
        gradient = parameters[name].grad
        if norm < 0:
            assert gradient is None, name
        elif norm >= least:
            assert gradient is not None, name
            np.testing.assert_allclose(float(gradient.double().norm()), norm, 1e-3, err_msg=name)
            compared += 1
    assert compared > len(order) // 2
