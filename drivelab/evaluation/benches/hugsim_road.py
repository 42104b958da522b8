"""The road of a HUGSIM scene: its ground Gaussians as an area, the recorded way as its one lane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely
from jaxtyping import Bool, Float
from scipy.ndimage import binary_closing

from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import compose
from drivelab.sim.generator.map_builder import MapBuilder, strip
from drivelab.types import Area, AreaKind, LaneMap

LANE, LIMIT = "way/0", 13.9  # id of the lane, its speed limit [m/s]
CELL = 0.4  # of the grid that ground is counted in [m]
SPACING = 1.0  # between vertices of the lane [m]
NEAR = 40.0  # ground farther than this from the way is left out [m]
BEYOND = 10.0  # that the lane goes on at both ends of the way [m]
SMALLEST = 4.0  # patches of ground below this are left out [m^2]


def road_map(name: str, way: Float[np.ndarray, "m 3"], ground: Float[np.ndarray, "n 2"]) -> LaneMap:
    """A map of one lane on an area that scores count as drivable.

    Args:
        name: of the map.
        way: poses along the recorded drive.
        ground: centres of Gaussians that are road.
    """
    builder = MapBuilder(np.zeros(3), rounded=False)
    builder.block(LANE.partition("/")[0], [strip(_lengthened(resampled(way)))], speed_limit=LIMIT)
    areas = [Area(f"ground_{n}", AreaKind.DRIVABLE, polygon)
             for n, polygon in enumerate(ground_polygons(way, ground))]  # fmt: skip
    return replace(builder.build(name), areas=tuple(areas), cache={})


def resampled(way: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "k 3"]:
    """The way at even spacing, headings along it; what stands still is left out."""
    steps = np.hypot(*np.diff(way[:, :2], axis=0).T)
    kept = way[np.concatenate([[True], steps > 1e-3])]
    along = arc_lengths(kept[:, :2])
    at = np.linspace(0.0, along[-1], max(2, round(along[-1] / SPACING) + 1))
    x, y = (np.interp(at, along, kept[:, k]) for k in range(2))
    yaw = np.interp(at, along, np.unwrap(kept[:, 2]))
    return np.stack([x, y, yaw], 1)


def _lengthened(way: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "k 3"]:
    """The way with straight ends: whoever starts on its first pose has its rear axle behind it."""
    before = compose(way[0], np.array([[-BEYOND, 0.0, 0.0]]))
    behind = compose(way[-1], np.array([[BEYOND, 0.0, 0.0]]))
    return np.concatenate([before, way, behind])


def ground_polygons(
    way: Float[np.ndarray, "m 3"], ground: Float[np.ndarray, "n 2"]
) -> list[shapely.Polygon]:
    """Areas in which each cell, or its neighbours on both sides, holds some ground."""
    low, high = way[:, :2].min(0) - NEAR, way[:, :2].max(0) + NEAR
    ground = ground[((ground >= low) & (ground <= high)).all(1)]
    if not len(ground):
        return []
    cells = np.floor((ground - low) / CELL).astype(int)
    grid = np.zeros(cells.max(0) + 3, bool)
    grid[cells[:, 0] + 1, cells[:, 1] + 1] = True
    runs = _runs(binary_closing(grid, iterations=1) | grid)
    corners = np.tile(low - CELL, 2) + CELL * runs
    whole = shapely.union_all(shapely.box(*corners.T))
    parts = shapely.get_parts(whole.simplify(CELL / 2))
    return [part for part in parts if part.area >= SMALLEST]


def _runs(grid: Bool[np.ndarray, "r c"]) -> Float[np.ndarray, "k 4"]:
    """Rectangles of filled cells, one for each stretch of a row: first and last corners [cells]."""
    edges = np.diff(np.pad(grid.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, begins = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return np.stack([rows, begins, rows + 1, ends], 1).astype(float)
