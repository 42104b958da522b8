"""The recorded ego of a scene on the rollout's 10 Hz grid."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.drive import DT
from drivelab.types import Rollout, Scene


def expert_poses(
    scene: Scene, rollout: Rollout, origin: Float[np.ndarray, "2"], *, until: float | None = None
) -> Float[np.ndarray, "k 3"]:
    """Rear-axle poses at 0, 0.1, ... s relative to `origin`, to the end or to `until` [s].

    Taken from `rollout.info["expert"]`, else interpolated from the scene's recorded future.
    """
    recorded = rollout.info.get("expert")
    poses = _from_scene(scene) if recorded is None else np.array(recorded, float)
    if poses.ndim != 2 or poses.shape[1] != 3 or not len(poses) or not np.isfinite(poses).all():
        raise DataError(
            f"the expert has shape {poses.shape} or numbers that are not finite; expected (k, 3) "
            "rear-axle poses",
            where=f"rollout of {rollout.scene_id}",
        )
    if until is not None:
        poses = poses[: round(until / DT) + 1]
    return poses - np.array([*origin, 0.0])


def _from_scene(scene: Scene) -> Float[np.ndarray, "k 3"]:
    times = (scene.ego.times[scene.now :] - scene.time) * 1e-6
    poses = scene.ego.poses[scene.now :]
    grid = np.arange(round(float(times[-1]) / DT) + 1) * DT
    yaw = np.unwrap(poses[:, 2])
    columns = (poses[:, 0], poses[:, 1], yaw)
    return np.column_stack([np.interp(grid, times, column) for column in columns])
