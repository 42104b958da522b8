"""The 15 proposals of PDM-Closed: three lateral offsets of the centreline, five speed targets."""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, offset, project
from drivelab.kernels.idm_rollout import roll_out
from drivelab.metrics.navsim.pdm_closed.forecast import HELD, Forecast
from drivelab.metrics.navsim.rules import STATES
from drivelab.types import VehicleParameters

OFFSETS = (0.0, -1.0, 1.0)  # [m], positive = left
SPEED_SHARES = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
DEFAULT_LIMIT = 15.0  # where the map knows no speed limit [m/s]
CORRIDOR_SECONDS = 5.0  # length of the final trajectory [s]


def make_proposals(
    centreline: Float[np.ndarray, "n 3"],
    state: Float[np.ndarray, "11"],
    speed_limit: float | None,
    forecast: Forecast,
    vehicle: VehicleParameters,
) -> Float[np.ndarray, "15 41 3"]:
    """Poses at 10 Hz, path by path; everything relative to one origin."""
    targets = SPEED_SHARES * (DEFAULT_LIMIT if speed_limit is None else speed_limit)
    trees = [shapely.STRtree(row) for row in forecast.shapes[: STATES // HELD + 1]]
    rings, ring_start = _rings(forecast.shapes)
    ego = np.array([vehicle.length / 2, vehicle.width / 2, vehicle.rear_axle_to_center])
    batches = []
    for shift in OFFSETS:
        path = offset(centreline, shift)
        path[:, 2] = np.unwrap(path[:, 2])
        arc = arc_lengths(path)
        begin = project(path, state[:2])[0]
        corridor = _corridor(path, arc, begin, targets[-1], vehicle.width / 2)
        hits, along, hit_start = _corridor_hits(corridor, path, trees, forecast)
        batches.append(
            roll_out(
                path,
                arc,
                begin,
                state[3],
                targets,
                ego,
                hits,
                along,
                hit_start,
                rings,
                ring_start,
                forecast.yaws,
                forecast.speeds,
                forecast.is_static,
                forecast.is_light,
            )
        )
    return np.concatenate(batches)


def _corridor(
    path: Float[np.ndarray, "n 3"],
    arc: Float[np.ndarray, " n"],
    begin: float,
    top_speed: float,
    half_width: float,
) -> shapely.Polygon:
    """The stretch of the path the ego could cover, as wide as the ego.

    Made of whole vertices; the ends are not interpolated unless fewer than two lie inside.
    """
    end = min(max(begin + CORRIDOR_SECONDS * top_speed, 0.0), arc[-1])
    inside = path[(arc >= begin) & (arc <= end), :2]
    if len(inside) < 2:
        inside = np.column_stack(
            [np.interp((begin, end), arc, path[:, column]) for column in range(2)]
        )
    line = shapely.LineString(inside)
    return line.buffer(half_width, cap_style="square", join_style="round")


def _corridor_hits(
    corridor: shapely.Polygon,
    path: Float[np.ndarray, "n 3"],
    trees: list[shapely.STRtree],
    forecast: Forecast,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Objects that meet the corridor by forecast, in the tree's query order, which decides ties."""
    line = shapely.LineString(path[:, :2])
    hits: list[np.ndarray] = []
    for tree in trees:
        found = tree.query(corridor, predicate="intersects")
        hits.append(found[~forecast.ignored[found]])
    start = np.concatenate([[0], np.cumsum([len(found) for found in hits])])
    centroids = [forecast.centroids[k, found] for k, found in enumerate(hits)]
    flat = np.concatenate(centroids) if centroids else np.zeros((0, 2))
    along = shapely.line_locate_point(line, shapely.points(flat)) if len(flat) else np.zeros(0)
    return np.concatenate(hits).astype(np.int64), along, start.astype(np.int64)


def _rings(shapes: np.ndarray) -> tuple[Float[np.ndarray, "p 2"], np.ndarray]:
    """Exterior rings of all shapes, flat, without the repeated closing vertex."""
    exteriors = shapely.get_exterior_ring(shapes.ravel())
    points, owner = shapely.get_coordinates(exteriors, return_index=True)
    keep = np.append(owner[1:] == owner[:-1], False) if len(owner) else np.zeros(0, bool)
    points, owner = points[keep], owner[keep]
    start = np.searchsorted(owner, np.arange(shapes.size + 1))
    return np.ascontiguousarray(points), start.astype(np.int64)
