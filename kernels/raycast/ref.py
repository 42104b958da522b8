"""Rays against boxes, the obvious way: the definition that the compiled path is held against."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from drivelab.kernels.raycast.world import Boxes


def cast_boxes_ref(
    origin: Float[np.ndarray, "3"], directions: Float[np.ndarray, "n 3"], boxes: Boxes
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Distances [m] (infinity = nothing), numbers (-1) and cosines, every ray with every box."""
    if not len(boxes):
        return (
            np.full(len(directions), np.inf),
            np.full(len(directions), -1),
            np.ones(len(directions)),
        )
    turn = boxes.poses[:, :3, :3]
    start = np.einsum("bij,bi->bj", turn, origin - boxes.poses[:, :3, 3])[:, None]
    slope = np.einsum("bij,ni->bnj", turn, directions)
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack(
            [(-boxes.halves[:, None] - start) / slope, (boxes.halves[:, None] - start) / slope]
        )
    near, far = np.fmin(*sides), np.fmax(*sides)
    beside = (slope == 0) & (np.abs(start) > boxes.halves[:, None])
    first, last = near.max(-1), far.min(-1)
    inside = first < 0
    distance = np.where(inside, last, first)
    missed = (first > last) | (last < 0) | beside.any(-1)
    distance = np.where(missed, np.inf, distance)
    axis = np.where(inside, far.argmin(-1), near.argmax(-1))
    cosine = np.abs(np.take_along_axis(slope, axis[..., None], -1))[..., 0]
    best, each = distance.argmin(0), np.arange(len(directions))
    hit = np.isfinite(distance[best, each])
    return (
        distance[best, each], np.where(hit, best, -1), np.where(hit, cosine[best, each], 1.0)
    )  # fmt: skip
