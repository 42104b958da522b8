"""Oriented boxes (x [m], y [m], yaw [rad], length [m], width [m]) as corners and polygons."""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.types.ego import VehicleParameters


def box_corners(boxes: Float[np.ndarray, "*batch 5"]) -> Float[np.ndarray, "*batch 4 2"]:
    """Corners in the order front-left, rear-left, rear-right, front-right."""
    x, y, yaw, length, width = np.moveaxis(np.asarray(boxes, float), -1, 0)
    cos, sin = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    lon = length[..., None] / 2 * np.array([1, -1, -1, 1])
    lat = width[..., None] / 2 * np.array([1, 1, -1, -1])
    return np.stack(
        [x[..., None] + cos * lon - sin * lat, y[..., None] + sin * lon + cos * lat], -1
    )


def box_polygon(box: Float[np.ndarray, "5"]) -> shapely.Polygon:
    """Shapely polygon of one box."""
    return shapely.Polygon(box_corners(box))


def box_polygons(boxes: Float[np.ndarray, "n *batch 5"]) -> np.ndarray:
    """Shapely polygons of an array of boxes."""
    return shapely.polygons(box_corners(boxes))


def ego_boxes(
    poses: Float[np.ndarray, "*batch 3"], vehicle: VehicleParameters
) -> Float[np.ndarray, "*batch 5"]:
    """Boxes of an ego whose rear axle is at `poses`."""
    out = np.empty((*np.shape(poses)[:-1], 5))
    out[..., 0] = poses[..., 0] + vehicle.rear_axle_to_center * np.cos(poses[..., 2])
    out[..., 1] = poses[..., 1] + vehicle.rear_axle_to_center * np.sin(poses[..., 2])
    out[..., 2] = poses[..., 2]
    out[..., 3], out[..., 4] = vehicle.length, vehicle.width
    return out
