"""The grid of a map as arrays: rows of what lies near each cell that is near a road."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32, Int

from drivelab.kernels.world.arrays import (
    BORDER_REACH,
    CELL,
    LANE_SLACK,
    SEGMENT_X,
    SEGMENT_Y,
    VIEW,
    VIEW_RADIUS,
    Roads,
)
from drivelab.kernels.world.grid import (
    HALF_DIAGONAL,
    cells_near_points,
    centres_inside,
    nearest_segments,
    segments_near_cells,
    smallest_distance,
)

MARGIN = 30.0  # cells whose centre is so near to a road segment have tables [m]
TOO_NEAR = 1e-6  # no border may pass a cell's centre so closely: it would be neither in nor out [m]
NUDGE = 0.0137  # by how much the grid is moved then [m]


def grid_arrays(
    lanes: Mapping[str, np.ndarray],
    borders: Float[np.ndarray, "b 4"],
    segment: Float32[np.ndarray, "s 7"],
) -> dict[str, np.ndarray]:
    """The fields of `Roads` from grid_x to view, for a bank of one map."""
    middle = segment[:, [SEGMENT_X, SEGMENT_Y]].astype(float)
    origin, nx, ny = _place_grid(middle, borders)
    marked = cells_near_points(middle, origin, nx, ny, MARGIN)
    row = np.where(marked, np.cumsum(marked) - 1, -1).astype(np.int32)
    rows = int(marked.sum())
    reach = np.full(len(borders), BORDER_REACH)
    at, item, away = segments_near_cells(borders, reach, origin, nx, ny, row)
    order = np.lexsort((away, at))
    near = _near_arrays(lanes, origin, nx, ny, row)
    return {
        "grid_x": origin[:1],
        "grid_y": origin[1:],
        "cells_x": np.array([nx], np.int32),
        "cells_y": np.array([ny], np.int32),
        "cell_first": np.zeros(1, np.int32),
        "cell_row": row,
        "cell_inside": centres_inside(borders, origin, nx, ny),
        "border_first": _first(at, rows),
        "border_item": item[order],
        "border_away": away[order],
        **near,
        "view_item": nearest_segments(middle, origin, nx, ny, row, rows, VIEW, VIEW_RADIUS),
    }


def without_views(roads: Roads) -> Roads:
    """The tables of one map without `view_item`, most of what they take."""
    return roads._replace(view_item=roads.view_item[:0].copy())


def with_views(roads: Roads) -> Roads:
    """What `without_views` left out, found again."""
    rows = int(roads.cell_row.max()) + 1
    if len(roads.view_item) == rows:
        return roads
    middle = roads.segment[:, [SEGMENT_X, SEGMENT_Y]].astype(float)
    origin = np.concatenate([roads.grid_x, roads.grid_y])
    nx, ny = int(roads.cells_x[0]), int(roads.cells_y[0])
    found = nearest_segments(middle, origin, nx, ny, roads.cell_row, rows, VIEW, VIEW_RADIUS)
    return roads._replace(view_item=found)


def _place_grid(
    middle: Float[np.ndarray, "s 2"], borders: Float[np.ndarray, "b 4"]
) -> tuple[Float[np.ndarray, "2"], int, int]:
    """Lower left corner and size of a grid none of whose centres lies on a border."""
    origin = middle.min(axis=0) - MARGIN - CELL
    nx, ny = (int(n) for n in np.ceil((middle.max(axis=0) + MARGIN - origin) / CELL) + 1)
    while smallest_distance(borders, origin, nx, ny) < TOO_NEAR:
        origin = origin + NUDGE
    return origin, nx, ny


def _near_arrays(
    lanes: Mapping[str, np.ndarray],
    origin: Float[np.ndarray, "2"],
    nx: int,
    ny: int,
    row: Int[np.ndarray, " C"],
) -> dict[str, np.ndarray]:
    """Lane pieces by cell: those whose strip may contain a point of the cell."""
    start = lanes["lane_first"]
    lane = np.repeat(np.arange(len(start) - 1), np.diff(start))
    vertex = np.flatnonzero(lane[1:] == lane[:-1])  # the first vertex of every piece
    x, y = lanes["x"], lanes["y"]
    ends = np.column_stack([x[vertex], y[vertex], x[vertex + 1], y[vertex + 1]])
    reach = lanes["lane_width"][lane[vertex]] / 2 + LANE_SLACK + HALF_DIAGONAL
    at, item, _ = segments_near_cells(ends, reach, origin, nx, ny, row)
    order = np.argsort(at, kind="stable")
    item = vertex[item[order]]
    return {
        "near_first": _first(at, int(row.max()) + 1),
        "near_item": item.astype(np.int32),
        "near_lane": lane[item].astype(np.int32),
    }


def _first(rows: Int[np.ndarray, " k"], count: int) -> Int[np.ndarray, " n"]:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int32)
