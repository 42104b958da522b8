"""Constant-velocity forecast of the objects of the current frame, as PDM-Closed sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Bool, Float

from drivelab.geometry.boxes import box_corners
from drivelab.geometry.poses import wrap_angle
from drivelab.metrics.navsim.observation import ObjectFrames
from drivelab.types import LaneMap, Scene

FRAMES = 51  # 0 .. 5.0 s at 10 Hz
HELD = 2  # frames that share one forecast: it is made every 0.2 s
REACH = 100.0  # objects further from the ego centre are left out [m]
CAPS = (("static", 50), ("vehicle", 50), ("pedestrian", 25), ("bicycle", 10))


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Objects, then red lights; coordinates relative to an origin.

    Rows of all fields but `objects` are both; `shapes` are the polygons at 0, 0.2, .. 5.0 s.
    """

    objects: ObjectFrames  # boxes only, for the collision rules
    is_light: Bool[np.ndarray, " m"]
    is_static: Bool[np.ndarray, " m"]
    speeds: Float[np.ndarray, " m"]
    yaws: Float[np.ndarray, " m"]  # box headings, never flipped
    shapes: np.ndarray  # (k, m) shapely polygons
    centroids: Float[np.ndarray, "k m 2"]
    ignored: Bool[np.ndarray, " m"]


def forecast_objects(
    scene: Scene,
    origin: Float[np.ndarray, "2"],
    ego_center: Float[np.ndarray, "2"],
    ego_box: shapely.Polygon,
    red_connectors: list[str],
) -> Forecast:
    """Slide every box along its own axis; red connectors of the route become objects too.

    `ego_center` and `ego_box` are relative to the origin. Objects that touch the ego box now are
    ignored; a red light only when the whole ego box lies within it.
    """
    order = _chosen(scene, origin + ego_center)
    objects, yaws, boxes = _sliding_objects(scene, order, origin)
    lights = _light_shapes(scene.map, red_connectors, origin)
    keep = np.zeros(len(lights))  # what lights lack: speed and heading
    shapes = shapely.polygons(box_corners(boxes[::HELD]))
    held = (len(shapes), len(lights))
    centres = shapely.get_coordinates(shapely.centroid(lights)).reshape(-1, 2)
    shapes = np.concatenate([shapes, np.broadcast_to(lights, held)], 1)
    is_light = np.arange(shapes.shape[1]) >= len(order)
    ignored = np.where(
        is_light, shapely.within(ego_box, shapes[0]), shapely.intersects(ego_box, shapes[0])
    )
    return Forecast(
        objects=objects,
        is_light=is_light,
        is_static=np.concatenate([~objects.is_agent, keep.astype(bool)]),
        speeds=np.concatenate([objects.speeds, keep]),
        yaws=np.concatenate([yaws, keep]),
        shapes=shapes,
        centroids=np.concatenate([boxes[::HELD, :, :2], np.broadcast_to(centres, (*held, 2))], 1),
        ignored=ignored.astype(bool),
    )


def _sliding_objects(
    scene: Scene, order: np.ndarray, origin: Float[np.ndarray, "2"]
) -> tuple[ObjectFrames, Float[np.ndarray, " n"], Float[np.ndarray, "51 n 5"]]:
    """The chosen objects as the collision rules take them, their headings, and their boxes."""
    tracks = scene.tracks
    poses = tracks.poses[scene.now, order] - np.array([*origin, 0.0])
    velocity = tracks.velocities[scene.now, order]
    static = np.array([_group(tracks.kinds[i]) == "static" for i in order], bool)
    speeds = np.where(static, 0.0, np.hypot(velocity[:, 0], velocity[:, 1]))
    boxes = _slid_boxes(poses, velocity, speeds, tracks.sizes[order])
    names = tuple(tracks.ids[i] for i in order)
    return ObjectFrames(names, ~static, speeds, _box_rows(boxes)), poses[:, 2], boxes


def _group(kind: str) -> str:
    return kind if kind in ("vehicle", "pedestrian", "bicycle") else "static"


def _chosen(scene: Scene, center: Float[np.ndarray, "2"]) -> np.ndarray:
    """Indices of the objects within reach: by group, each nearest first and capped."""
    tracks = scene.tracks
    here = np.flatnonzero(tracks.valid[scene.now])
    gap = np.hypot(*(tracks.poses[scene.now, here, :2] - center).T)
    near = here[gap <= REACH]
    gap = gap[gap <= REACH]
    order: list[int] = []
    for group, cap in CAPS:
        members = np.array([_group(tracks.kinds[i]) == group for i in near], bool)
        ranked = near[members][np.argsort(gap[members], kind="stable")]
        order += [int(i) for i in ranked[:cap]]
    return np.array(order, int)


def _slid_boxes(
    poses: Float[np.ndarray, "n 3"],
    velocity: Float[np.ndarray, "n 2"],
    speeds: Float[np.ndarray, " n"],
    sizes: Float[np.ndarray, "n 2"],
) -> Float[np.ndarray, "51 n 5"]:
    course = np.arctan2(velocity[:, 1], velocity[:, 0])
    forward = np.abs(wrap_angle(poses[:, 2] - course)) < np.pi / 2
    yaw = poses[:, 2] + np.where(forward, 0.0, np.pi)
    times = 0.1 * HELD * (np.arange(FRAMES) // HELD)
    boxes = np.empty((FRAMES, len(poses), 5))
    boxes[..., 0] = poses[:, 0] + times[:, None] * speeds * np.cos(yaw)
    boxes[..., 1] = poses[:, 1] + times[:, None] * speeds * np.sin(yaw)
    boxes[..., 2] = poses[:, 2]
    boxes[..., 3:] = sizes
    return boxes


def _box_rows(boxes: Float[np.ndarray, "f n 5"]) -> Float[np.ndarray, "f n 6"]:
    return np.stack(
        [
            boxes[..., 0],
            boxes[..., 1],
            np.cos(boxes[..., 2]),
            np.sin(boxes[..., 2]),
            boxes[..., 3] / 2,
            boxes[..., 4] / 2,
        ],
        -1,
    )


def _light_shapes(
    lane_map: LaneMap, connectors: list[str], origin: Float[np.ndarray, "2"]
) -> np.ndarray:
    shapes = np.array([lane_map.lanes[name].polygon for name in connectors], object)
    if not len(shapes):
        return shapes
    return shapely.transform(shapes, lambda points: points - origin)
