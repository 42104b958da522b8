"""All features of an observation, all targets of a scene, and how both are kept small."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivelab.agents.features.camera import camera_feature
from drivelab.agents.features.lidar import lidar_feature
from drivelab.agents.features.options import FULL, FeatureOptions
from drivelab.agents.features.road_users import agent_targets, boxes_now
from drivelab.agents.features.semantic import semantic_target
from drivelab.agents.features.status import status_feature
from drivelab.agents.features.trajectory import trajectory_target
from drivelab.types import Observation, Scene, SensorRig

VERSION = 1  # of the builders' values: caches of another one are not read
FEATURES = ("camera_feature", "lidar_feature", "status_feature")
TARGETS = ("trajectory", "agent_states", "agent_labels", "bev_semantic_map")

Arrays = dict[str, np.ndarray]


def rig_of(options: FeatureOptions = FULL) -> SensorRig:
    """What an agent has to ask for so that its features can be built."""
    camera, lidar = options.camera, options.lidar is not None
    if camera is None:
        return SensorRig(lidar=lidar, history=1)
    pixels = (camera.width, camera.height)
    return SensorRig(cameras=camera.names, lidar=lidar, history=1, pixels=pixels)


def features_of(observation: Observation, options: FeatureOptions = FULL) -> Arrays:
    """What a network is fed, without a batch axis.

    Returns:
        `camera_feature` (3, h, w) float32 in 0..1, `lidar_feature` (c, n, n) float32 in 0..1,
        `status_feature` (8,) float32; the first two where the options have them.

    Raises:
        DataError: what is missing or wrong in the observation, and what to do.
    """
    return expand(compact_features(observation, options), options)


def compact_features(observation: Observation, options: FeatureOptions = FULL) -> Arrays:
    """The same features with pictures and histograms as bytes, as they are cached."""
    name = observation.scene_id
    found: Arrays = {}
    if options.camera is not None:
        found["camera_feature"] = camera_feature(observation.images, options.camera, scene=name)
    if options.lidar is not None:
        found["lidar_feature"] = lidar_feature(observation.lidar, options.lidar, scene=name)
    found["status_feature"] = status_feature(observation)
    return found


def expand(arrays: Mapping[str, np.ndarray], options: FeatureOptions = FULL) -> Arrays:
    """Bytes as float32: pictures over 255, histograms over the most that counts.

    Arrays may have leading batch axes; what is not kept as bytes is passed on.
    """
    found = dict(arrays)
    if "camera_feature" in found:
        found["camera_feature"] = found["camera_feature"].astype(np.float32) / np.float32(255)
    if "lidar_feature" in found and options.lidar is not None:
        share = np.arange(options.lidar.most + 1) / options.lidar.most
        found["lidar_feature"] = share.astype(np.float32)[found["lidar_feature"]]
    return found


def targets_of(scene: Scene, options: FeatureOptions = FULL) -> Arrays:
    """What a network is taught, without a batch axis.

    Returns:
        `trajectory` (t, 3) float32, `agent_states` (k, 5) float32 x, y, heading, length, width,
        `agent_labels` (k,) bool, `bev_semantic_map` (rows, columns) uint8 of `SemanticClass`.

    Raises:
        DataError: the record ends too early.
    """
    boxes, kinds = boxes_now(scene)
    states, labels = agent_targets(boxes, kinds, most=options.agents, reach=options.agent_reach)
    return {
        "trajectory": trajectory_target(scene, poses=options.poses, dt=options.dt),
        "agent_states": states,
        "agent_labels": labels,
        "bev_semantic_map": semantic_target(scene, options.semantic),
    }
