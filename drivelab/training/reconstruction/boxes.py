"""Tracked boxes become nodes: lidar points inside of them move with them, the others stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.training.reconstruction.capture import Track
from drivelab.training.reconstruction.views import Nodes

MARGIN = 0.15  # so far beyond its sides a point still belongs to a box [m]
LOW = 0.12  # what lies lower above its floor is the ground [m]
MOST, LEAST = 3000, 4  # points that a node begins with


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Tracked boxes at m moments.

    Attributes:
        ids: of the k tracks.
        kinds: of `types.KINDS`.
        sizes: (k, 3) length, width, height [m].
        poses: (k, m, 4, 4) scene_from_box; origin in the middle of the floor, x forward.
        valid: (k, m) whether it is there.
    """

    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    sizes: Float[np.ndarray, "k 3"]
    poses: Float[np.ndarray, "k m 4 4"]
    valid: Bool[np.ndarray, "k m"]


def split_boxes(
    boxes: Boxes, sweeps: Sequence[Float[np.ndarray, "n c"]], seed: int
) -> tuple[tuple[Track, ...], Nodes, list[Float[np.ndarray, "n c"]]]:
    """Take sweeps (one a moment, in the scene's frame) apart.

    Args:
        boxes: at the moments of the sweeps.
        sweeps: places [m], or places and colours 0..1 (six columns); without, colours are random.
        seed: of what is drawn.

    Returns:
        Tracks that lidar met at least four times, their nodes at the moments, and what is left of
        each sweep.
    """
    left = [np.ones(len(sweep), bool) for sweep in sweeps]
    rng = np.random.default_rng(seed)
    tracks, chosen = [], []
    for k, (name, kind, size) in enumerate(zip(boxes.ids, boxes.kinds, boxes.sizes, strict=True)):
        found = []
        for m in np.flatnonzero(boxes.valid[k]).tolist():
            own = inside(sweeps[m][:, :3], size, boxes.poses[k, m])
            local = _local(sweeps[m][own, :3], boxes.poses[k, m])
            found.append(np.concatenate([local, sweeps[m][own, 3:]], 1))
            left[m][own] = False
        points = np.concatenate(found) if found else np.zeros((0, 3))
        if len(points) < LEAST:
            continue
        if len(points) > MOST:
            points = points[rng.choice(len(points), MOST, replace=False)]
        length, width, height = (float(value) for value in size)
        colours = points[:, 3:] if points.shape[1] == 6 else rng.random(points.shape)
        tracks.append(Track(name, kind, (length, width, height), points[:, :3], colours))
        chosen.append(k)
    kept = [sweep[own] for sweep, own in zip(sweeps, left, strict=True)]
    return tuple(tracks), Nodes(boxes.poses[chosen], boxes.valid[chosen]), kept


def inside(
    points: Float[np.ndarray, "n 3"], size: Float[np.ndarray, "3"], pose: Float[np.ndarray, "4 4"]
) -> Int[np.ndarray, " k"]:
    """Numbers of the points that belong to a box: inside it or by its sides, above the ground."""
    reach = float(np.linalg.norm(size[:2])) / 2 + 2 * MARGIN
    near = np.flatnonzero((np.abs(points[:, :2] - pose[:2, 3]) <= reach).all(1))
    local = _local(points[near], pose)
    found = (np.abs(local[:, :2]) <= size[:2] / 2 + MARGIN).all(1)
    found &= (local[:, 2] >= LOW) & (local[:, 2] <= size[2] + MARGIN)
    return near[found]


def _local(
    points: Float[np.ndarray, "n 3"], pose: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "n 3"]:
    """Points in the frame of a rigid pose."""
    return np.asarray((points - pose[:3, 3]) @ pose[:3, :3])
