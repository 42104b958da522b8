"""The vehicles about the ego that a network is taught to find."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32

from drivelab.geometry.poses import relative
from drivelab.types import Scene


def boxes_now(scene: Scene) -> tuple[Float[np.ndarray, "n 5"], tuple[str, ...]]:
    """Boxes (x, y, yaw, length, width) seen at the present in the ego frame, and their kinds."""
    tracks = scene.tracks
    there = np.flatnonzero(tracks.valid[scene.now])
    poses = relative(scene.ego.poses[scene.now], tracks.poses[scene.now, there])
    return np.hstack([poses, tracks.sizes[there]]), tuple(tracks.kinds[n] for n in there)


def agent_targets(
    boxes: Float[np.ndarray, "n 5"], kinds: tuple[str, ...], *, most: int = 30, reach: float = 32.0
) -> tuple[Float32[np.ndarray, "k 5"], Bool[np.ndarray, " k"]]:
    """The nearest vehicles, nearest first, and which rows hold one (TransFuser's agent targets).

    Args:
        boxes: x, y [m], yaw [rad], length, width [m] in the ego frame.
        kinds: of the boxes; only `vehicle` counts.
        most: rows; those beyond the last vehicle are 0.
        reach: centres up to there to each side count [m], the bound included.
    """
    cars = np.array([kind == "vehicle" for kind in kinds], bool)
    near = (np.abs(boxes[:, :2]) <= reach).all(axis=1)
    found = boxes[cars & near].astype(np.float32)
    order = np.argsort(np.linalg.norm(found[:, :2], axis=-1), kind="stable")[:most]
    states, labels = np.zeros((most, 5), np.float32), np.zeros(most, bool)
    states[: len(order)], labels[: len(order)] = found[order], True
    return states, labels
