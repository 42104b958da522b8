"""A whole scene moved and turned: map, ego, tracks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from drivelab.geometry.poses import compose, rotate, wrap_angle
from drivelab.types import EgoTrajectory, LaneMap, Scene, Tracks


def moved_geometry(geometry: shapely.Geometry, motion: np.ndarray) -> shapely.Geometry:
    return shapely.transform(geometry, lambda points: rotate(points, motion[2]) + motion[:2])


def moved_map(lane_map: LaneMap, motion: np.ndarray) -> LaneMap:
    lanes = {
        name: replace(
            lane,
            centreline=compose(motion, lane.centreline),
            polygon=moved_geometry(lane.polygon, motion),
        )
        for name, lane in lane_map.lanes.items()
    }
    blocks = {
        name: replace(block, polygon=moved_geometry(block.polygon, motion))
        for name, block in lane_map.blocks.items()
    }
    areas = tuple(
        replace(area, polygon=moved_geometry(area.polygon, motion)) for area in lane_map.areas
    )
    return LaneMap(lane_map.name, lanes, blocks, areas, lane_map.window)


def moved_scene(scene: Scene, motion: np.ndarray) -> Scene:
    """Apply map_new_from_map = (x, y, yaw) to everything."""
    ego, tracks = scene.ego, scene.tracks
    poses = compose(motion, tracks.poses)
    poses[..., 2] = wrap_angle(poses[..., 2])
    return replace(
        scene,
        map=moved_map(scene.map, motion),
        ego=EgoTrajectory(ego.times, compose(motion, ego.poses), ego.velocities, ego.accelerations),
        tracks=Tracks(
            tracks.ids,
            tracks.kinds,
            tracks.sizes,
            poses,
            rotate(tracks.velocities, motion[2]),
            tracks.valid,
            tracks.dt,
        ),
    )
