"""What a camera sees of a street is what the map says: road and paint, pixel by pixel.

The truth is drawn without Gaussians: a ray through each pixel's middle meets the plane z = 0 in a
point that lies in a polygon or does not. Pixels in which something stands are left out. From above
the whole street around the ego is compared, 80 m x 40 m in pixels of 5 cm. From the car lines of
0.15 m are thinner than a pixel where they are far, so there paint is compared within 20 m of the
camera and at 960 x 544, road within 30 m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import shapely
from splat_views import HEIGHT, camera, classes, rays

from drivelab.kernels.splat import Cameras
from drivelab.sim.radlab import PAST, clip_scene
from drivelab.sim.splats.labels import LABELS, NUMBER
from drivelab.sim.splats.scene import SplatScene
from drivelab.sim.splats.street import build_street, marking_polygons, road_polygon

PAINT = [NUMBER["marking"], NUMBER["crosswalk"]]
ROAD = [NUMBER["road"]]
BESIDE = [NUMBER[name] for name in ("kerb", "pavement", "terrain")]
STANDING = [n for n in range(len(LABELS)) if n not in (*PAINT, *ROAD, *BESIDE)]


CLIPS = ["test-0000-straight", "test-0003-lane_drop", "test-0004-four_way", "test-0007-parked_cars"]
GROUPS = [ROAD, PAINT, BESIDE, STANDING]


@dataclass(frozen=True)
class Ground:
    """A street, and what the map says of its ground."""

    street: SplatScene
    route: np.ndarray
    road: shapely.Geometry
    paint: shapely.STRtree

    def overlaps(self, seen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Pixels in both and in either of picture and map, of road (with paint) and of paint."""
        on_road = shapely.contains_xy(self.road, points[:, 0], points[:, 1])
        painted = np.zeros(len(points), bool)
        painted[self.paint.query(shapely.points(points), "intersects")[0]] = True
        pairs = (((seen == 0) | (seen == 1), on_road), (seen == 1, painted))
        return np.array([((found & true).sum(), (found | true).sum()) for found, true in pairs])


@pytest.fixture(
    scope="module",
    params=[*CLIPS[::2], *(pytest.param(c, marks=pytest.mark.slow) for c in CLIPS[1::2])],
)
def ground(request: pytest.FixtureRequest) -> Ground:
    scene = clip_scene(request.param)
    route = scene.ego.poses[PAST : PAST + 81]
    street = build_street(scene.map, route=route, seed=1)
    road = road_polygon(scene.map, route=route)
    shapely.prepare(road)
    paint = shapely.STRtree(marking_polygons(scene.map, route=route)[0])
    return Ground(street, route, road, paint)


def test_road_and_paint_from_above_are_the_map(ground: Ground) -> None:
    origin, counts = ground.street.map_from_scene[:2, 3], np.zeros((2, 2))
    for x, y, yaw in ground.route[[40]]:
        middle = np.array([x + 20.0 * np.cos(yaw), y + 20.0 * np.sin(yaw)])
        cameras = above(middle - origin, yaw, (1600, 800), metre=20.0)
        seen = classes(ground.street.static, cameras, GROUPS)
        points = below(cameras)[..., :2] + origin
        asked = (seen >= 0) & (seen != 3)
        assert asked.mean() > 0.5
        counts += ground.overlaps(seen[asked], points[asked])
    road, paint = counts[:, 0] / counts[:, 1]
    assert road >= 0.98
    assert paint >= 0.85


def test_road_and_paint_from_the_car_lie_where_the_map_says(ground: Ground) -> None:
    origin, road, paint = ground.street.map_from_scene[:2, 3], np.zeros(2), np.zeros(2)
    for x, y, yaw in ground.route[[0, 40, 80]]:
        cameras = camera((x - origin[0], y - origin[1], yaw), (960, 544))
        seen = classes(ground.street.static, cameras, GROUPS)
        points, away = on_ground(rays(cameras))
        points += np.array([x, y])
        for reach, row, counts in ((30.0, 0, road), (20.0, 1, paint)):
            asked = (away < reach) & (seen != 3)
            counts += ground.overlaps(seen[asked], points[asked])[row]
    assert road[0] / road[1] >= 0.98
    assert paint[0] / paint[1] >= 0.85


def above(middle: np.ndarray, yaw: float, size: tuple[int, int], *, metre: float) -> Cameras:
    """A picture of the ground from straight above, along yaw to the right; `metre` in pixels."""
    forward, right = (np.cos(yaw), np.sin(yaw), 0.0), (np.sin(yaw), -np.cos(yaw), 0.0)
    view = np.eye(4)
    view[:3, :3] = [forward, right, (0.0, 0.0, -1.0)]
    view[:3, 3] = -view[:3, :3] @ [*middle, 60.0]
    lens = np.array([[metre, 0, 0.5 * size[0]], [0, metre, 0.5 * size[1]], [0, 0, 1]])
    return Cameras(view[None], lens[None], *size, "ortho")


def below(cameras: Cameras) -> np.ndarray:
    """(h, w, 3) where the pixels of a picture from above lie in the scene frame."""
    lens, view = cameras.intrinsics[0], cameras.views[0]
    u, v = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    local = np.stack([(u - lens[0, 2]) / lens[0, 0], (v - lens[1, 2]) / lens[1, 1], 0 * u], -1)
    return (local - view[:3, 3]) @ view[:3, :3]


def on_ground(ways: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays from `HEIGHT` meet the plane z = 0, and how far that is; inf where never."""
    down = np.minimum(ways[..., 2], -1e-4)
    points = ways[..., :2] * (HEIGHT / -down)[..., None]
    away = np.where(ways[..., 2] < -1e-3, np.hypot(points[..., 0], points[..., 1]), np.inf)
    return points, away
