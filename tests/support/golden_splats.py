"""The golden cases of `gs/`: scenes, cameras, options, and the pictures they give."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.kernels.splat import Cameras, Gaussians, Settings

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parents[1] / "golden")) / "gs"
OTHERS = ("dynamic", "tiles", "sh_basis")  # cases of another form
NAMES = sorted(file.stem for file in ROOT.glob("*.npz") if file.stem not in OTHERS)
GRADIENTS = [name for name in NAMES if name.startswith("grad_")]
FIELDS = ("means", "quats", "scales", "opacities", "sh")
_OPTIONS = {
    "aa": "antialiased",
    "amax": "alpha_max",
    "rclip": "min_radius_px",
    "bg": "background",
    "eps2d": "blur",
    "near": "near",
    "far": "far",
    "deg": "sh_degree",
}


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(ROOT / f"{name}.npz") as file:
        return dict(file)


def settings_of(case: dict[str, Any]) -> Settings:
    options = json.loads(case["options"].item())
    options.pop("cam", None)
    if "bg" in options:
        options["bg"] = tuple(options["bg"])
    return Settings(**{_OPTIONS[key]: value for key, value in options.items()})


def cameras_of(case: dict[str, Any]) -> Cameras:
    model = json.loads(case["options"].item()).get("cam", "pinhole")
    width, height = (int(n) for n in case["size"])
    return Cameras(case["viewmats"], case["Ks"], width, height, model)


def gaussians_of(case: dict[str, Any]) -> Gaussians:
    return Gaussians(*(case[field] for field in FIELDS))
