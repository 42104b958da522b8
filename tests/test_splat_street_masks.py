"""What a camera sees of a street is what the map says: road and paint, pixel by pixel.

The truth is drawn without Gaussians: a ray through each pixel's middle meets the plane z = 0 in a
point that lies in a polygon or does not. Pixels in which something stands are left out. Lines are
0.15 m wide and far ones thinner than a pixel, so paint is compared within 20 m of the camera and
at 960 x 544, road within 30 m.
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from splat_views import HEIGHT, camera, classes, rays

from drivelab.sim.radlab import PAST, clip_scene
from drivelab.sim.splats.labels import LABELS, NUMBER
from drivelab.sim.splats.street import build_street, marking_polygons, road_polygon

PAINT = [NUMBER["marking"], NUMBER["crosswalk"]]
ROAD = [NUMBER["road"]]
BESIDE = [NUMBER[name] for name in ("kerb", "pavement", "terrain")]
STANDING = [n for n in range(len(LABELS)) if n not in (*PAINT, *ROAD, *BESIDE)]


@pytest.mark.parametrize(
    "clip",
    ["test-0000-straight", "test-0003-lane_drop", "test-0004-four_way", "test-0007-parked_cars"],
)
def test_road_and_paint_lie_where_the_map_says(clip: str) -> None:
    scene = clip_scene(clip)
    route = scene.ego.poses[PAST : PAST + 81]
    street = build_street(scene.map, route=route, seed=1)
    road = road_polygon(scene.map, route=route)
    shapely.prepare(road)
    paint = shapely.STRtree(marking_polygons(scene.map, route=route)[0])
    origin = street.map_from_scene[:2, 3]
    counts = np.zeros((2, 2))
    for x, y, yaw in route[[0, 40, 80]]:
        cam = camera((x - origin[0], y - origin[1], yaw), (960, 544))
        seen = classes(street.static, cam, [ROAD, PAINT, BESIDE, STANDING])
        points, away = on_ground(rays(cam))
        points += np.array([x, y])
        for row, (reach, found) in enumerate(((30.0, seen < 2), (20.0, seen == 1))):
            asked = (away < reach) & (seen != 3)
            if row == 0:
                truth = shapely.contains_xy(road, points[asked][:, 0], points[asked][:, 1])
            else:
                truth = np.zeros(int(asked.sum()), bool)
                truth[paint.query(shapely.points(points[asked]), "intersects")[0]] = True
            got = found[asked] & (seen[asked] >= 0)
            counts[row] += (got & truth).sum(), (got | truth).sum()
    road_share, paint_share = counts[:, 0] / counts[:, 1]
    assert road_share >= 0.98
    assert paint_share >= 0.85


def on_ground(ways: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays from `HEIGHT` meet the plane z = 0, and how far that is; inf where never."""
    down = np.minimum(ways[..., 2], -1e-4)
    points = ways[..., :2] * (HEIGHT / -down)[..., None]
    away = np.where(ways[..., 2] < -1e-3, np.hypot(points[..., 0], points[..., 1]), np.inf)
    return points, away
