"""The cell of a map's grid that holds a point."""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from drivelab.kernels.world.arrays import CELL
from drivelab.kernels.world.inner import spliced


class Grid(NamedTuple):
    """Where the cells of one map lie, and where they stand in the tables of the bank."""

    x: float  # lower left corner [m]
    y: float
    nx: int  # number of cells
    ny: int
    first: int  # number of the first cell


@njit(cache=True, inline="always")
def grid_of(roads, m):  # type: ignore[no-untyped-def]
    """The grid of map `m`."""
    return Grid(
        roads.grid_x[m], roads.grid_y[m], roads.cells_x[m], roads.cells_y[m], roads.cell_first[m]
    )


@spliced
def column_and_row(grid: Grid, x: float, y: float) -> tuple[int, int]:
    """Column and row of the cell that holds a point, -1 beyond the grid or where it is none."""
    at_x, at_y = (x - grid.x) / CELL, (y - grid.y) / CELL
    column, row = -1, -1
    if 0.0 <= at_x < grid.nx and 0.0 <= at_y < grid.ny:  # never for NaN
        column, row = int(at_x), int(at_y)
    return column, row


@spliced
def cell_at(grid: Grid, x: float, y: float) -> int:
    """Number of the cell that holds a point, -1 as for `column_and_row`."""
    at_x, at_y = (x - grid.x) / CELL, (y - grid.y) / CELL
    cell = -1
    if 0.0 <= at_x < grid.nx and 0.0 <= at_y < grid.ny:
        cell = grid.first + int(at_y) * grid.nx + int(at_x)
    return cell
