"""Checkpoints of gsplat's `simple_trainer`: `{"step", "splats": {means, quats, scales, ...}}`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.sim.splats.formats.parts import gaussians, table
from drivelab.sim.splats.scene import Splats, SplatScene

KEYS = {"means": "means", "quats": "quats", "scales": "scales", "opacities": "opacities",
        "dc": "sh0", "rest": "shN"}  # fmt: skip


def fits(held: Any) -> bool:
    """Whether a checkpoint's content is one of gsplat's."""
    return isinstance(held, Mapping) and isinstance(held.get("splats"), Mapping)


def scene_of(held: Any, file: Path) -> SplatScene:
    """A scene of nothing but static, unlabelled Gaussians.

    Raises:
        DataError: something is missing, of another shape or not finite; colours lie in a network.
    """
    splats = table(held, "splats", file=file, where="checkpoint")
    if "sh0" not in splats and "features" in splats:
        raise DataError("was trained with app_opt: its colours lie in a network; train without, or "
                        "export a PLY", file=file, where="splats")  # fmt: skip
    found = gaussians(splats, KEYS, file=file, where="splats")
    info: dict[str, Any] = {"from": "gsplat"}
    if type(held.get("step")) is int:
        info["step"] = held["step"]
    static = Splats(found, np.zeros(len(found), np.uint8))
    return SplatScene(file.stem, static, convention="gsplat", info=info)
