"""An actor that looks as a file of Gaussians says, such as a scanned vehicle."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from drivelab.errors import DataError
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.scene import Actor, Splats

SEEN = 0.1  # opacity of a Gaussian that counts as part of the body
OUTSIDE = 0.02  # share of the body's Gaussians that may float beyond it, at each end
LOADED = 16  # files that a process remembers


def shown_by_file(file: str, id: str, kind: str, size: tuple[float, float]) -> Actor:
    """An actor of a file, standing on its lowest Gaussians, its middle above the box's.

    Args:
        file: Gaussians of one object in a frame with x forward, y left, z up.
        id: of the track.
        kind: one of `types.KINDS`.
        size: length and width of its box [m]; the Gaussians keep the size that they have.

    Raises:
        DataError: the file cannot be read, or shows nothing.
    """
    splats, height = _standing(file, Path(file).stat().st_mtime_ns)
    return Actor(id, kind, (size[0], size[1], height), splats)


@lru_cache(maxsize=LOADED)
def _standing(file: str, _stamp: int) -> tuple[Splats, float]:
    """The Gaussians above the middle of their box's floor, and its height [m]."""
    splats = load_scene(file).static
    body = splats.gaussians.means[splats.gaussians.opacities > SEEN]
    if not len(body):
        raise DataError(
            f"none of its {len(splats)} Gaussians is to be seen (opacity above {SEEN:g})", file=file
        )
    low, high = np.quantile(body, (OUTSIDE, 1.0 - OUTSIDE), axis=0)
    floor = np.array([*(low + high)[:2] / 2, low[2]], np.float32)
    moved = replace(splats.gaussians, means=splats.gaussians.means - floor)
    return replace(splats, gaussians=moved), float(high[2] - low[2])
