"""The window of a picture: which part of the map it shows, ego forward up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.poses import compose, relative
from drivelab.reports.shapes import SIDE
from drivelab.types import Scene

_LOOK_AHEAD = 22.0  # [m] shown in front of an ego that stands
_BORDER = 18.0  # [m] added to what must be seen
_SMALLEST, _LARGEST = 48.0, 130.0  # [m]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A square of `side` metres; `map_from_ego` points up in the picture."""

    map_from_ego: Float[np.ndarray, "3"]
    centre: tuple[float, float]  # forward, left of the ego [m]
    side: float  # [m]
    fineness: float = 1.0  # marks of a fixed size are drawn so many times smaller

    @property
    def scale(self) -> float:
        """Picture units per metre."""
        return SIDE / self.side

    def points(self, xy: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Map points in picture units (x right, y down)."""
        xy = np.asarray(xy, float)
        poses = np.concatenate([xy[..., :2], np.zeros((*xy.shape[:-1], 1))], -1)
        return self.ego_points(relative(self.map_from_ego, poses)[..., :2])

    def ego_points(self, xy: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Ego-frame points in picture units."""
        right = (self.centre[1] - xy[..., 1]) * self.scale + SIDE / 2
        down = (self.centre[0] - xy[..., 0]) * self.scale + SIDE / 2
        return np.stack([right, down], -1)

    def geometry(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """A map geometry in picture units."""
        return shapely.transform(geometry, self.points)

    def map_window(self) -> shapely.Polygon:
        """The window as a polygon in the map frame, a little enlarged."""
        half = self.side / 2 + 2.0
        corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half + np.array(self.centre)
        poses = np.column_stack([corners, np.zeros(4)])
        return shapely.Polygon(compose(self.map_from_ego, poses)[:, :2])


def fit_view(scene: Scene, ego_frame_paths: Iterable[Float[np.ndarray, "n 2"]]) -> View:
    """The smallest square that shows the ego, its recorded future and the given paths."""
    pose = scene.ego.poses[scene.now]
    recorded = relative(pose, scene.ego.poses[scene.now :])[:, :2]
    content = [np.array([[0.0, 0.0], [_LOOK_AHEAD, 0.0]]), recorded]
    content += [path[:, :2] for path in ego_frame_paths if len(path)]
    points = np.concatenate(content)
    points = np.clip(points[np.isfinite(points).all(1)], -_LARGEST, _LARGEST)
    low, high = points.min(0), points.max(0)
    side = float(np.clip((high - low).max() + _BORDER, _SMALLEST, _LARGEST))
    centre = (low + high) / 2
    return View(np.asarray(pose, float), (float(centre[0]), float(centre[1])), side)
