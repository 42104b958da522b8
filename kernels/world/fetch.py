"""What a look needs of the maps, brought into the caches before it looks.

A policy that decides between two steps, or whoever else works on the processor meanwhile, leaves
little of the maps there. To find what lies about an actor is to read five tables, each where the
one before says: actor by actor, every read would wait for the one before. Here all actors read
one table before any reads the next, so that the processor waits for many reads at once.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numba import njit

from drivelab.kernels.prefetch import prefetch
from drivelab.kernels.world.arrays import ABSENT, Roads, State
from drivelab.kernels.world.cells import cell_at, grid_of

LANES, BORDERS = 16, 8  # of a cell's list that are fetched: few look at more
LOOKED_AT = 48  # entries of a cell's view that are fetched


@njit(cache=True)
def fetch_cells(roads: Roads, state: State) -> None:
    """Fetch what the cells under all present actors list first: lanes and borders.

    `locate_actors` looks at the cell of an actor's centre; `check_actors` there, and at the one of
    the middle of its front.
    """
    centres, fronts = _rows_under(roads, state)
    _fetch_lanes(roads, centres)
    _fetch_borders(roads, centres)
    _fetch_borders(roads, fronts)


@njit(cache=True)
def fetch_views(roads: Roads, state: State) -> None:
    """Fetch the road segments that slot 0 of all environments sees first."""
    view, segment, cell_row = roads.view_item, roads.segment, roads.cell_row
    rows, used = np.empty(state.map.shape[0], np.int32), 0
    for e in range(rows.shape[0]):
        rear = state.rear[e, 0]
        x, y = state.x[e, 0] - rear * state.cos[e, 0], state.y[e, 0] - rear * state.sin[e, 0]
        cell = cell_at(grid_of(roads, state.map[e]), x, y)
        row = cell_row[cell] if cell >= 0 else -1
        if row >= 0:
            rows[used] = row
            used += 1
    for row in rows[:used]:
        for k in range(LOOKED_AT):
            prefetch(segment, view[row, k] * segment.shape[1])


@njit(cache=True)
def _rows_under(roads: Roads, state: State) -> tuple[Int[np.ndarray, " c"], Int[np.ndarray, " f"]]:
    """Rows of the cells under all centres and under all fronts, of those that have one."""
    modes, counts, maps = state.mode, state.count, state.map
    xs, ys, coss, sins, lengths = state.x, state.y, state.cos, state.sin, state.half_length
    cells, used = np.empty((2, modes.size), np.int32), 0
    for e in range(modes.shape[0]):
        grid = grid_of(roads, maps[e])
        for n in range(counts[e]):
            if modes[e, n] == ABSENT:
                continue
            x, y, ahead = xs[e, n], ys[e, n], lengths[e, n]
            cells[0, used] = cell_at(grid, x, y)
            cells[1, used] = cell_at(grid, x + coss[e, n] * ahead, y + sins[e, n] * ahead)
            prefetch(roads.cell_inside, cells[1, used])
            used += 1
    return _rows_of(roads, cells[0, :used]), _rows_of(roads, cells[1, :used])


@njit(cache=True)
def _rows_of(roads: Roads, cells: Int[np.ndarray, " p"]) -> Int[np.ndarray, " k"]:
    """Rows of cells, in their place; -1 is beyond the grid."""
    cell_row, found = roads.cell_row, 0
    for i in range(cells.shape[0]):
        row = cell_row[cells[i]] if cells[i] >= 0 else -1
        if row >= 0:
            cells[found] = row
            found += 1
    return cells[:found]


@njit(cache=True)
def _fetch_lanes(roads: Roads, rows: Int[np.ndarray, " p"]) -> None:
    first, item, lane = roads.near_first, roads.near_item, roads.near_lane
    for row in rows:
        for i in range(0, LANES, LANES - 1):  # both ends: a line of the cache, or two
            prefetch(item, first[row] + i)
            prefetch(lane, first[row] + i)
    for row in rows:
        for i in range(first[row], min(first[row] + LANES, first[row + 1])):
            prefetch(roads.x, item[i])
            prefetch(roads.y, item[i])


@njit(cache=True)
def _fetch_borders(roads: Roads, rows: Int[np.ndarray, " p"]) -> None:
    first, item, away = roads.border_first, roads.border_item, roads.border_away
    segment = roads.border
    for row in rows:
        prefetch(item, first[row])
        for i in range(0, BORDERS, BORDERS - 1):
            prefetch(away, first[row] + i)
    for row in rows:
        for i in range(first[row], min(first[row] + BORDERS, first[row + 1])):
            prefetch(segment, item[i] * segment.shape[1])
