"""What `render()` returns: the ego's surroundings from above, heading up."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from drivelab.errors import ConfigError
from drivelab.geometry.boxes import box_corners
from drivelab.geometry.poses import relative
from drivelab.kernels.world.arrays import ABSENT, COLLISION
from drivelab.sim.world.native import NativeWorld

SIZE, SMOOTH = 384, 2  # pixels of the picture; drawn so much larger, then scaled down
METRES, BEHIND = 80.0, 26.0  # shown along each side; of these behind the ego
GRASS, ROAD, PAINT, ROUTE = (232, 236, 228), (196, 200, 204), (255, 255, 255), (120, 190, 140)
EGO, OTHER, PERSON = (31, 94, 160), (90, 96, 104), (196, 110, 20)
THING, HIT = (140, 120, 90), (200, 30, 40)
_COLOURS = {"vehicle": OTHER, "pedestrian": PERSON, "bicycle": PERSON}
_SCALE = SIZE * SMOOTH / METRES  # pixels per metre


def check_render_mode(render_mode: str | None) -> str | None:
    """The render mode as it is.

    Raises:
        ConfigError: there is no such mode.
    """
    if render_mode not in (None, "rgb_array"):
        raise ConfigError(f"render_mode={render_mode!r}: expected None or 'rgb_array'")
    return render_mode


def picture(world: NativeWorld, environment: int) -> UInt8[np.ndarray, "384 384 3"]:
    """Draw map, route and road users about the ego of one environment."""
    image = Image.new("RGB", (SIZE * SMOOTH, SIZE * SMOOTH), GRASS)
    draw = ImageDraw.Draw(image)
    pose, start = world.ego_pose(environment), world.starts[environment]
    shown = start.episode.map
    lanes = [lane for lane in shown.lanes.values() if _near(lane.polygon, pose)]
    areas = [area.polygon for area in shown.areas if _near(area.polygon, pose)]
    for polygon in (*_polygons(areas), *(lane.polygon for lane in lanes)):
        draw.polygon(_pixels(np.asarray(polygon.exterior.coords)[:, :2], pose), fill=ROAD)
    for lane in lanes:
        for line in (lane.left_boundary, lane.right_boundary):
            if line is not None:
                draw.line(_pixels(line, pose), fill=PAINT, width=SMOOTH)
    route = np.asarray(start.episode.route_line, float)
    draw.line(_pixels(route[:, :2], pose), fill=ROUTE, width=3 * SMOOTH)
    for corners, colour in _boxes(world, environment):
        draw.polygon(_pixels(corners, pose), fill=colour)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX))


def _boxes(
    world: NativeWorld, environment: int
) -> Iterable[tuple[Float[np.ndarray, "4 2"], tuple[int, int, int]]]:
    """Corners in the map frame and colours, the ego last."""
    state, e = world.state, environment
    origin = world.bank.origins[state.map[e]]
    actors = world.starts[e].episode.actors
    for slot in reversed(range(len(actors) + 1)):
        if state.mode[e, slot] == ABSENT:
            continue
        box = np.array(
            [
                state.x[e, slot] + origin[0],
                state.y[e, slot] + origin[1],
                state.yaw[e, slot],
                2.0 * state.half_length[e, slot],
                2.0 * state.half_width[e, slot],
            ]
        )
        colour = EGO if slot == 0 else _COLOURS.get(actors[slot - 1].kind, THING)
        yield box_corners(box), HIT if state.flags[e, slot] & COLLISION else colour


def _near(polygon: shapely.Polygon | shapely.MultiPolygon, pose: Float[np.ndarray, "3"]) -> bool:
    low_x, low_y, high_x, high_y = polygon.bounds
    x, y = pose[:2]
    return low_x < x + METRES and high_x > x - METRES and low_y < y + METRES and high_y > y - METRES


def _polygons(
    areas: Iterable[shapely.Polygon | shapely.MultiPolygon],
) -> Iterable[shapely.Polygon]:
    for area in areas:
        yield from getattr(area, "geoms", (area,))


def _pixels(
    points: Float[np.ndarray, "n 2"], pose: Float[np.ndarray, "3"]
) -> list[tuple[float, float]]:
    """Map points as picture points: forward is up, left is left."""
    local = relative(pose, np.column_stack([points, np.zeros(len(points))]))
    across = SIZE * SMOOTH / 2 - _SCALE * local[:, 1]
    down = SIZE * SMOOTH - _SCALE * (local[:, 0] + BEHIND)
    return list(zip(across.tolist(), down.tolist(), strict=True))
