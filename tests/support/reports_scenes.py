"""A scene by hand for the report tests, and the states of an ego that drives through it."""

from __future__ import annotations

import numpy as np
import shapely

from drivelab.types import (
    Area,
    AreaKind,
    Block,
    EgoTrajectory,
    Lane,
    LaneMap,
    Scene,
    Tracks,
)


def straight_scene(scene_id: str = "hand", speed: float = 8.0) -> Scene:
    """Two lanes along +x, the ego at the origin of the right one, a car 20 m ahead in the left."""
    x = np.linspace(-60, 120, 19)
    lanes, names = {}, ("right", "left")
    for index, name in enumerate(names):
        y = 3.5 * index
        centre = np.column_stack([x, np.full_like(x, y), np.zeros_like(x)])
        lanes[name] = Lane(name, centre, shapely.box(-60, y - 1.75, 120, y + 1.75), block="road")
    block = Block("road", names, shapely.box(-60, -1.75, 120, 5.25))
    carpark = Area("park", AreaKind.CARPARK, shapely.box(10, -12, 30, -1.75))
    times = np.arange(-3, 9) * 500_000
    seconds = times * 1e-6
    poses = np.column_stack([speed * seconds, np.zeros((12, 2))])
    velocities = np.column_stack([np.full(12, speed), np.zeros(12)])
    tracks = np.full((12, 3, 3), np.nan)
    tracks[:, 0] = np.column_stack([20 + 4 * seconds, np.full(12, 3.5), np.zeros(12)])
    tracks[:, 1] = (15.0, -4.0, np.pi / 2)
    tracks[:, 2] = (12.0, -6.0, 0.3)
    return Scene(
        id=scene_id,
        source="test",
        log="hand",
        map=LaneMap("hand", lanes, {"road": block}, (carpark,)),
        ego=EgoTrajectory(times, poses, velocities, np.zeros((12, 2))),
        now=3,
        tracks=Tracks(
            ("car", "walker", "cone"),
            ("vehicle", "pedestrian", "traffic_cone"),
            np.array([[4.6, 1.9], [0.6, 0.6], [0.5, 0.5]]),
            tracks,
            np.zeros((12, 3, 2)),
            np.ones((12, 3), bool),
            0.5,
        ),
        route=("road",),
        family="straight",
    )


def straight_states(speed: float = 8.0) -> np.ndarray:
    """The ego of `straight_scene` driven at constant speed for 4 s."""
    states = np.zeros((41, 11))
    states[:, 0] = speed * 0.1 * np.arange(41)
    states[:, 3] = speed
    return states
