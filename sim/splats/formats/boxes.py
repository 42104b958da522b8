"""Actors of checkpoints: Gaussians about the middle of a box -> actors on the box's floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor, Splats

SMALLEST = 0.05  # edge that a box has at least [m]


def box_actor(
    name: str,
    found: Gaussians,
    size: Float[np.ndarray, "3"],
    *,
    poses: Float[np.ndarray, "t 4 4"] | None = None,
    valid: Bool[np.ndarray, " t"] | None = None,
) -> Actor:
    """A vehicle of Gaussians that lie about the middle of its box, x forward, z up.

    Args:
        name: its id.
        found: its Gaussians.
        size: length, width, height [m].
        poses: scene_from_box of the box's middle, at the scene's times.
        valid: whether it is there.
    """
    length, width, height = (max(float(edge), SMALLEST) for edge in size)
    up = np.array([0.0, 0.0, height / 2], np.float32)
    lifted = replace(found, means=found.means + up)
    splats = Splats(lifted, np.full(len(found), NUMBER["vehicle"], np.uint8))
    if poses is not None:
        poses = poses.copy()
        poses[:, :3, 3] -= poses[:, :3, 2] * (height / 2)
    return Actor(name, "vehicle", (length, width, height), splats, poses, valid)


def extent(found: Gaussians) -> Float[np.ndarray, "3"]:
    """Edges of the box about the origin that 98 % of the Gaussians' centres lie in, by axis [m]."""
    edges: np.ndarray = 2.0 * np.percentile(np.abs(np.asarray(found.means, float)), 98, axis=0)
    return edges
