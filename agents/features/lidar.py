"""The lidar histogram: how many echoes stand up from the ground, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from drivelab.agents.features.options import LidarOptions
from drivelab.errors import DataError


def lidar_feature(
    sweeps: Sequence[np.ndarray], options: LidarOptions, *, scene: str = ""
) -> UInt8[np.ndarray, "c m m"]:
    """Echoes of the latest sweep by cell, at most `most` of each (TransFuser's lidar feature).

    Rows grow forward, columns to the left. A cell holds its lower edges; the last one its upper
    edge, too, as numpy's histogram has it. Heights are compared with bounds left out: an echo at
    `split` is ground, one at `highest` is left out.

    Args:
        sweeps: (n, 3 or more) x, y, z [m] in the ego frame; the last one is the present.
        options: sizes.
        scene: for messages.

    Raises:
        DataError: there is no sweep, no echo, or a sweep of another shape.
    """
    points = _points(sweeps, scene)
    height = points[:, 2]
    counted = height < options.highest
    things = _histogram(points, counted & (height > options.split), options)
    if not options.ground:
        return things[None]
    return np.stack([_histogram(points, counted & (height <= options.split), options), things])


def _histogram(
    points: np.ndarray, chosen: Bool[np.ndarray, " n"], options: LidarOptions
) -> UInt8[np.ndarray, "m m"]:
    edges = np.linspace(-options.reach, options.reach, options.cells + 1)
    row, column = (_cells(points[chosen, axis], edges) for axis in (0, 1))
    inside = (row >= 0) & (row < options.cells) & (column >= 0) & (column < options.cells)
    flat = row[inside] * options.cells + column[inside]
    counts = np.bincount(flat, minlength=options.cells**2)
    shape = (options.cells, options.cells)
    return np.minimum(counts, options.most).astype(np.uint8).reshape(shape)


def _cells(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Cell of every value; -1 and one past the last where there is none."""
    found = np.searchsorted(edges, values, side="right") - 1
    return found - (values == edges[-1])


def _points(sweeps: Sequence[np.ndarray], scene: str) -> np.ndarray:
    where = f"scene {scene}" if scene else ""
    if not len(sweeps):
        raise DataError(
            "no lidar sweep; the agent needs one: choose a bench or a rig with lidar, or a network "
            "without (agent.latent=true)",
            where=where,
        )
    points = np.asarray(sweeps[-1])
    if points.ndim != 2 or points.shape[1] < 3:
        raise DataError(
            f"the lidar sweep is of shape {points.shape}; expected (n, 3 or more): x, y, z by row",
            where=where,
        )
    if not len(points):
        raise DataError(
            "the lidar sweep is empty; look at the sensor's file or at the faults of the rig "
            "(sensor_faults), or choose a network without lidar (agent.latent=true)",
            where=where,
        )
    return points
