"""Lidar sweeps of a log in the scene's frame: cleaned, moved to a picture's moment, coloured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.data.camera_log import LoggedSweep
from drivelab.kernels.splat import Cameras
from drivelab.training.reconstruction.boxes import inside
from drivelab.training.reconstruction.points import on_image
from drivelab.types import VehicleParameters

BESIDE = 0.3  # what lies so near to the own vehicle is taken for a part of it [m]
AROUND = 8.0  # points this near to the ego tell how high the ground is [m]
GREY = 0.5  # of points that no picture shows


def swept(
    sweep: LoggedSweep, vehicle: VehicleParameters, scene_from_map: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "n 3"]:
    """Points of a sweep in the scene's frame [m], without those on the own vehicle; float32."""
    points = sweep.read()
    points = points[np.isfinite(points).all(1) & ~on_vehicle(points, vehicle)]
    place = scene_from_map @ sweep.map_from_ego
    return np.asarray(points @ place[:3, :3].T + place[:3, 3], np.float32)


def on_vehicle(
    points: Float[np.ndarray, "n 3"], vehicle: VehicleParameters
) -> Bool[np.ndarray, " n"]:
    """Whether points in the ego's frame lie on the vehicle that carries the sensors."""
    x, y = points[:, 0], points[:, 1]
    ahead = (x < vehicle.front_length + BESIDE) & (x > -vehicle.rear_length - BESIDE)
    return np.asarray(ahead & (np.abs(y) < vehicle.width / 2 + BESIDE))


def ground_below(points: Float[np.ndarray, "n 3"], vehicle: VehicleParameters) -> float:
    """Height of the ground in the ego's frame [m]: the usual one of low points near the vehicle.

    Formats put the ego's origin on the axle or below it. 0 where no point is near.
    """
    near = np.hypot(points[:, 0], points[:, 1]) < AROUND
    heights = points[near & ~on_vehicle(points, vehicle) & np.isfinite(points).all(1), 2]
    if not len(heights):
        return 0.0
    return float(np.median(heights[heights <= np.quantile(heights, 0.5)]))


def members(
    points: Float[np.ndarray, "n 3"],
    sizes: Float[np.ndarray, "k 3"],
    poses: Float[np.ndarray, "k 4 4"],
    valid: Bool[np.ndarray, " k"],
) -> Int[np.ndarray, " n"]:
    """Number of the box that each point lies in, -1 for none; poses are scene_from_box."""
    found = np.full(len(points), -1)
    for k in np.flatnonzero(valid).tolist():
        found[inside(points, sizes[k], poses[k])] = k
    return found


def moved_points(
    points: Float[np.ndarray, "n 3"],
    owners: Int[np.ndarray, " n"],
    before: Float[np.ndarray, "k 4 4"],
    after: Float[np.ndarray, "k 4 4"],
    valid: Bool[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """Points where they are when boxes have gone from one pose to another; who is still there.

    Args:
        points: at the first moment.
        owners: number of each one's box, -1: it stands.
        before: scene_from_box at the first moment.
        after: at the other.
        valid: whether the box is there at the other.
    """
    found, there = np.array(points, float), np.ones(len(points), bool)
    for k in np.unique(owners[owners >= 0]).tolist():
        own = owners == k
        step = after[k] @ np.linalg.inv(before[k])
        found[own] = found[own] @ step[:3, :3].T + step[:3, 3]
        there[own] = valid[k]
    return found, there


def add_colours(
    colours: Float[np.ndarray, "n 3"],
    points: Float[np.ndarray, "n 3"],
    images: Float[np.ndarray, "v h w 3"],
    cameras: Cameras,
    number: int,
) -> None:
    """Give those points that have no colour yet (NaN) that of their pixel in a view."""
    seen, at, _ = on_image(points, cameras, number)
    new = np.isnan(colours[seen, 0])
    colours[seen[new]] = images[number][at[new, 0], at[new, 1]]


def nearest_in_time(times: Sequence[int] | np.ndarray, wanted: int) -> int:
    """Number of the time that lies nearest."""
    return int(np.abs(np.asarray(times, np.int64) - wanted).argmin())
