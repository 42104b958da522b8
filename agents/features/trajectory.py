"""What the human did next: the poses that a network is taught."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from drivelab.errors import DataError
from drivelab.geometry.poses import relative
from drivelab.types import Scene

TOLERANCE = 0.1  # a recorded frame may stand this far from the pose's time [s]


def trajectory_target(
    scene: Scene, *, poses: int = 8, dt: float = 0.5
) -> Float32[np.ndarray, "t 3"]:
    """The next recorded poses x, y [m], heading [rad] of the rear axle in the present ego frame.

    Args:
        scene: with its future.
        poses: how many.
        dt: between them [s]; the first is dt from now.

    Raises:
        DataError: the record ends too early, or has a hole.
    """
    seconds = (scene.ego.times[scene.now :] - scene.time) * 1e-6
    wanted = dt * np.arange(1, poses + 1)
    frames = np.abs(seconds[None, :] - wanted[:, None]).argmin(axis=1)
    off = np.abs(seconds[frames] - wanted)
    if (off > TOLERANCE).any():
        raise DataError(
            f"no recorded pose at {wanted[int(np.argmax(off > TOLERANCE))]:.1f} s from now (the "
            f"record ends at {seconds[-1]:.1f} s); {poses} poses {dt} s apart are taught: leave "
            "the scene out of training",
            where=f"scene {scene.id}",
        )
    found = relative(scene.ego.poses[scene.now], scene.ego.poses[scene.now + frames])
    return found.astype(np.float32)
