"""Checkpoints of Street Gaussians: a background, objects about their own middle, a sky cube.

Where objects drive is not in the file (only corrections to the tracks of the data set are), so they
come as actors without poses, to be driven by a world. Their first colour is a series over time
(cosines and sines); what is kept is its constant term, the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.sim.splats.formats.boxes import box_actor, extent
from drivelab.sim.splats.formats.gl_cube import sky_of_gl_cube
from drivelab.sim.splats.formats.parts import gaussians, numbers, table
from drivelab.sim.splats.scene import Actor, Splats, SplatScene

KEYS = {"means": "xyz", "quats": "rotation", "scales": "scaling", "opacities": "opacity",
        "dc": "feature_dc", "rest": "feature_rest"}  # fmt: skip
PREFIX = "obj_"


def fits(held: Any) -> bool:
    """Whether a checkpoint's content is one of Street Gaussians'."""
    part = held.get("background") if isinstance(held, Mapping) else None
    return isinstance(part, Mapping) and "xyz" in part


def scene_of(held: Any, file: Path) -> SplatScene:
    """A scene with its objects as actors that a world drives, and its sky where there is one.

    Raises:
        DataError: something is missing, of another shape or not finite.
    """
    background = table(held, "background", file=file, where="checkpoint")
    found = gaussians(background, KEYS, file=file, where="background")
    names = sorted(str(name) for name in held if str(name).startswith(PREFIX))
    actors = {name: _actor(name, held, file) for name in names}
    sky = None
    if isinstance(held.get("sky_cubemap"), Mapping):
        params = table(held["sky_cubemap"], "params", file=file, where="sky_cubemap")
        sky = sky_of_gl_cube(params, "sky_cube_map", np.eye(3), file=file, where="sky_cubemap")
    return SplatScene(
        file.stem, Splats(found, np.zeros(len(found), np.uint8)), actors, sky=sky,
        convention="inria", info={"from": "street_gaussians"},
    )  # fmt: skip


def _actor(name: str, held: Mapping[Any, Any], file: Path) -> Actor:
    part = dict(table(held, name, file=file, where="checkpoint"))
    series = numbers(part, "feature_dc", (None, None, 3), file=file, where=name)
    found = gaussians({**part, "feature_dc": series[:, :1]}, KEYS, file=file, where=name)
    return box_actor(name, found, extent(found))
