"""Scene + sensor rig -> observation: what an agent sees, and nothing it did not ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.geometry.poses import relative
from drivelab.types import (
    CameraFrame,
    EgoTrajectory,
    Lane,
    Observation,
    Privilege,
    Scene,
    SensorRig,
    Tracks,
)

SPACING = 0.5  # time between the rows of the ego history [s]
TOLERANCE = 0.1  # a recorded frame may stand this far from its row's time [s]


def history_frames(scene: Scene, count: int) -> np.ndarray:
    """Indices of the recorded frames that stand nearest to now - k * 0.5 s, oldest first."""
    times = (scene.ego.times[: scene.now + 1] - scene.time) * 1e-6
    wanted = -SPACING * np.arange(count - 1, -1, -1)
    chosen = np.abs(times[None, :] - wanted[:, None]).argmin(axis=1)
    off = np.abs(times[chosen] - wanted)
    if (off > TOLERANCE).any():
        row = int(np.argmax(off > TOLERANCE))
        raise DataError(
            f"no recorded ego frame within {TOLERANCE} s of {wanted[row]:+.1f} s (nearest: "
            f"{times[chosen[row]]:+.3f} s), but the agent asks for a history of {count} frames "
            f"{SPACING} s apart",
            where=f"scene {scene.id}",
        )
    return chosen


def build_observation(scene: Scene, rig: SensorRig) -> Observation:
    """What an agent with this rig sees of the scene at its current moment."""
    frames = history_frames(scene, max(rig.history, 1))
    ego = scene.ego
    sensor_frames = history_frames(scene, max(rig.sensor_frames, 1))
    return Observation(
        scene_id=scene.id,
        time=scene.time,
        command=scene.command,
        ego_times=(ego.times[frames] - scene.time) * 1e-6,
        ego_poses=relative(ego.poses[scene.now], ego.poses[frames]),
        ego_velocities=ego.velocities[frames],
        ego_accelerations=ego.accelerations[frames],
        images=_images(scene, rig, sensor_frames),
        lidar=_lidar(scene, rig, sensor_frames),
        scene=_privileged(scene, rig.privilege),
    )


def check_rig(scene: Scene, rig: SensorRig, *, bench: str, who_has: str) -> None:
    """Refuse a rig whose sensors this scene's source lacks.

    Args:
        scene: any scene of the source.
        rig: what the agent asks for.
        bench: the bench as the user named it.
        who_has: sentence that says which bench has sensors.
    """
    cameras = scene.sensors.cameras if scene.sensors else ()
    for name in rig.cameras:
        if name not in cameras:
            there = f"its cameras: {', '.join(cameras)}" if cameras else "it has no cameras"
            raise ConfigError(
                f"the agent asks for camera {name!r}, which {bench} lacks ({there}"
                f"{nearest_name(name, cameras)}). {who_has}"
            )
    if rig.lidar and not (scene.sensors and scene.sensors.has_lidar):
        raise ConfigError(f"the agent asks for lidar, which {bench} lacks. {who_has}")


def _privileged(scene: Scene, privilege: Privilege) -> Scene | None:
    if privilege is Privilege.NONE:
        return None
    _write_protect(scene)
    if privilege is Privilege.FUTURE:
        return scene
    # The sensors go too: they would hand out later frames. What the rig asked for is beside it.
    seen = replace(scene.without_future(), sensors=None)
    _write_protect(seen)
    return seen


def _write_protect(scene: Scene) -> None:
    """Make the scene's arrays read-only: the plan is scored on what the agent was handed."""
    parts: tuple[EgoTrajectory | Tracks | Lane, ...]
    parts = (scene.ego, scene.tracks, *scene.map.lanes.values())
    for part in parts:
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


def _images(
    scene: Scene, rig: SensorRig, frames: np.ndarray
) -> Mapping[str, Sequence[CameraFrame]]:
    if not rig.cameras:
        return {}
    sensors = scene.sensors
    if sensors is None:
        raise DataError("the scene has no cameras", where=f"scene {scene.id}")
    return {name: [sensors.camera(name, int(i)) for i in frames] for name in rig.cameras}


def _lidar(scene: Scene, rig: SensorRig, frames: np.ndarray) -> Sequence[np.ndarray]:
    if not rig.lidar:
        return ()
    if scene.sensors is None:
        raise DataError("the scene has no lidar", where=f"scene {scene.id}")
    return [scene.sensors.lidar(int(i)) for i in frames]
