"""Observation <-> navsim's AgentInput: the same four frames at 2 Hz, in the present ego frame.

| navsim | drivelab |
|---|---|
| `ego_statuses[i].ego_pose` (3,) float32, last one 0 | `ego_poses[i]` |
| `ego_velocity`, `ego_acceleration` (2,) float32 | `ego_velocities[i]`, `ego_accelerations[i]` |
| `driving_command` (4,) int64: left, straight, right, unknown | `command` |
| `cameras[i].cam_f0` ..., `sensor2lidar_*` (lidar = ego) | `images["CAM_F0"]`, `ego_from_cam_*` |
| `lidars[i].lidar_pc` (6, n) float32 | `lidar[i]` (n, 6) |

An observation knows the present command only: past frames of an AgentInput made here repeat it. An
AgentInput knows neither token nor time: observations made here are numbered, at time 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from drivelab.bridges.navsim.interface import Interface
from drivelab.data.navsim.frame import parse_command
from drivelab.errors import ConfigError, DataError
from drivelab.geometry.poses import relative
from drivelab.types import CameraFrame, Command, Observation, Privilege, SensorRig

HISTORY = 4  # frames of an AgentInput
SPACING = 0.5  # between them [s]
CAMERAS = ("CAM_F0", "CAM_L0", "CAM_L1", "CAM_L2", "CAM_R0", "CAM_R1", "CAM_R2", "CAM_B0")
LIDAR = "lidar_pc"
LIDAR_ROWS = 6  # x, y, z [m], intensity, ring, lidar id


def rig_from(config: Any) -> SensorRig:
    """What a navsim agent's SensorConfig asks for, as far back as it asks for any sensor."""
    asked = [frozenset(config.get_sensors_at_iteration(index)) for index in range(HISTORY)]
    every = frozenset().union(*asked)
    first = next((index for index, names in enumerate(asked) if names), HISTORY - 1)
    return SensorRig(
        cameras=tuple(name for name in CAMERAS if name.lower() in every),
        lidar=LIDAR in every,
        history=HISTORY,
        sensor_frames=HISTORY - first,
    )


def sensor_config_from(rig: SensorRig, interface: Interface) -> Any:
    """The SensorConfig that loads what a rig asks for.

    Raises:
        ConfigError: the rig asks for what no AgentInput holds.
    """
    if rig.privilege is not Privilege.NONE:
        raise ConfigError(
            f"the agent asks for privilege={rig.privilege} (map, boxes or the future), which "
            "navsim's AgentInput does not hold; offer an agent that needs sensors and ego status"
        )
    strange = [name for name in rig.cameras if name not in CAMERAS]
    if strange:
        raise ConfigError(
            f"the agent asks for camera {strange[0]!r}; navsim has {', '.join(CAMERAS)}"
        )
    for name, count in (("history", rig.history), ("sensor_frames", rig.sensor_frames)):
        if count > HISTORY:
            raise ConfigError(
                f"the agent's rig has {name}={count}; navsim has {HISTORY} frames {SPACING} s apart"
            )
    frames = list(range(HISTORY - max(rig.sensor_frames, 1), HISTORY))
    cameras = {name.lower(): frames if name in rig.cameras else False for name in CAMERAS}
    return interface.SensorConfig(**cameras, lidar_pc=frames if rig.lidar else False)


def agent_input_from(observation: Observation, config: Any, interface: Interface) -> Any:
    """An AgentInput with the sensors of a SensorConfig; the others are empty, as navsim has it.

    Raises:
        DataError: the observation has not four frames.
    """
    if len(observation.ego_poses) != HISTORY:
        raise DataError(
            f"a history of {len(observation.ego_poses)} frames, navsim's agents expect {HISTORY}",
            where=f"scene {observation.scene_id}",
        )
    asked = [frozenset(config.get_sensors_at_iteration(index)) for index in range(HISTORY)]
    command = np.zeros(len(Command), np.int64)
    command[int(observation.command)] = 1
    statuses = [
        interface.EgoStatus(
            ego_pose=np.asarray(observation.ego_poses[index], np.float32),
            ego_velocity=np.asarray(observation.ego_velocities[index], np.float32),
            ego_acceleration=np.asarray(observation.ego_accelerations[index], np.float32),
            driving_command=command.copy(),
        )
        for index in range(HISTORY)
    ]
    cameras = [_cameras(observation, index, asked[index], interface) for index in range(HISTORY)]
    lidars = [
        interface.Lidar(lidar_pc=_by_row(observation.lidar[index - HISTORY]))
        if LIDAR in asked[index]
        else interface.Lidar()
        for index in range(HISTORY)
    ]
    return interface.AgentInput(statuses, cameras, lidars)


def observation_from(agent_input: Any, rig: SensorRig, scene_id: str) -> Observation:
    """What an agent with this rig sees of an AgentInput.

    Raises:
        DataError: a frame, picture or point cloud that the rig asks for is not there.
    """
    statuses = list(agent_input.ego_statuses)
    count = max(rig.history, 1)
    if len(statuses) < count:
        raise DataError(
            f"holds {len(statuses)} frames, the agent asks for {count}", where=f"{scene_id}"
        )
    poses = np.array([status.ego_pose for status in statuses], float)
    chosen = statuses[-count:]
    frames = range(-max(rig.sensor_frames, 1), 0)
    return Observation(
        scene_id=scene_id,
        time=0,
        command=_command(statuses[-1].driving_command, scene_id),
        ego_times=SPACING * np.arange(1 - count, 1),
        ego_poses=relative(poses[-1], poses[-count:]),
        ego_velocities=np.array([status.ego_velocity for status in chosen], float),
        ego_accelerations=np.array([status.ego_acceleration for status in chosen], float),
        images={
            name: [_picture(agent_input.cameras, name, index, scene_id) for index in frames]
            for name in rig.cameras
        },
        lidar=[_cloud(agent_input.lidars, i, scene_id) for i in frames] if rig.lidar else (),
    )


def _command(one_hot: Any, scene_id: str) -> Command:
    try:
        return parse_command(np.asarray(one_hot, float))
    except ValueError as error:
        raise DataError(f"driving_command {error}", where=scene_id) from None


def _cameras(
    observation: Observation, index: int, asked: frozenset[str], interface: Interface
) -> Any:
    return interface.Cameras(
        **{
            name.lower(): _camera(observation.images[name][index - HISTORY], interface)
            if name.lower() in asked
            else interface.Camera()
            for name in CAMERAS
        }
    )


def _camera(frame: CameraFrame, interface: Interface) -> Any:
    return interface.Camera(
        image=frame.image,
        sensor2lidar_rotation=frame.ego_from_cam_rotation,
        sensor2lidar_translation=frame.ego_from_cam_translation,
        intrinsics=frame.intrinsic,
        distortion=frame.distortion,
    )


def _by_row(cloud: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(cloud, np.float32).T)


def _picture(cameras: Sequence[Any], name: str, index: int, scene_id: str) -> CameraFrame:
    camera = getattr(cameras[index], name.lower())
    if camera.image is None:
        raise DataError(
            f"camera {name} was not loaded; take the sensor config from this agent", where=scene_id
        )
    return CameraFrame(
        np.asarray(camera.image),
        np.asarray(camera.sensor2lidar_rotation, float),
        np.asarray(camera.sensor2lidar_translation, float),
        np.asarray(camera.intrinsics, float),
        np.asarray(camera.distortion, float),
    )


def _cloud(lidars: Sequence[Any], index: int, scene_id: str) -> np.ndarray:
    points = lidars[index].lidar_pc
    if points is None:
        raise DataError(
            "the lidar was not loaded; take the sensor config from this agent", where=scene_id
        )
    points = np.asarray(points, np.float32)
    if points.ndim != 2 or len(points) != LIDAR_ROWS:
        raise DataError(
            f"a point cloud of shape {points.shape}, expected ({LIDAR_ROWS}, n)", where=scene_id
        )
    return np.ascontiguousarray(points.T)
