"""Which lane each actor is on, for all actors at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.kernels.world.arrays import (
    ABSENT,
    CELL,
    DRIVE,
    END_SLACK,
    LANE_SLACK,
    OFF_LANES,
    WRONG_WAY,
    Roads,
    State,
)
from drivelab.kernels.world.locate import AGAINST, DRIVERS, TURN_COST


def locate_actors(roads: Roads, state: State) -> None:
    """As `drivelab.kernels.world.locate.locate_actors`."""
    used = np.arange(state.mode.shape[1]) < state.count[:, None]
    there = used & (state.mode != ABSENT)
    driver = there & (state.mode == DRIVE) & (state.lane >= 0)
    at_home = driver & (np.abs(state.lane_d) < 0.5 * roads.lane_width[state.lane])
    where = np.nonzero(there & ~at_home)
    lane, along, aside, against = _lanes_under(roads, state, where)
    flags = state.flags.astype(np.int64)
    flags[used] &= ~(WRONG_WAY | OFF_LANES)
    drives = np.isin(state.kind[where], DRIVERS)
    flags[where] |= np.where(lane < 0, OFF_LANES, 0) | np.where(against & drives, WRONG_WAY, 0)
    state.flags[...] = flags
    gone = used & ~there
    for array, value in ((state.lane, -1), (state.lane_s, 0.0), (state.lane_d, 0.0)):
        array[gone] = value
    told = ~driver[where]
    moved = (where[0][told], where[1][told])
    state.lane[moved] = lane[told]
    state.lane_s[moved], state.lane_d[moved] = along[told], aside[told]


def _lanes_under(
    roads: Roads, state: State, where: tuple[np.ndarray, ...]
) -> tuple[
    Int[np.ndarray, " k"], Float[np.ndarray, " k"], Float[np.ndarray, " k"], Bool[np.ndarray, " k"]
]:
    """Lane, distance along and to its left, and whether all lanes there run against the actor."""
    x, y = state.x[where], state.y[where]
    cos, sin = state.cos[where], state.sin[where]
    actor, piece = _pieces_near(roads, state.map[where[0]], x, y)
    vertex, lane = roads.near_item[piece], roads.near_lane[piece]
    a = np.stack([roads.x[vertex], roads.y[vertex]])
    d = np.stack([roads.x[vertex + 1], roads.y[vertex + 1]]) - a
    r = np.stack([x[actor], y[actor]]) - a
    squared = d[0] * d[0] + d[1] * d[1]
    raw = (r[0] * d[0] + r[1] * d[1]) / squared
    t = np.clip(raw, 0.0, 1.0)
    g = r - t * d
    distance = np.sqrt(g[0] * g[0] + g[1] * g[1])
    beyond = np.abs(raw - t) * np.sqrt(squared)
    first = vertex == roads.lane_first[lane]
    last = vertex == roads.lane_first[lane + 1] - 2
    past_end = (beyond > END_SLACK) & np.where(raw < 0.0, first, last)
    under = (distance <= 0.5 * roads.lane_width[lane] + LANE_SLACK) & ~past_end
    facing = (d[0] * cos[actor] + d[1] * sin[actor]) / np.sqrt(squared)
    cost = np.where(under, distance + TURN_COST * (1.0 - facing), np.inf)
    order = np.lexsort((np.arange(len(cost)), cost, actor))
    found = np.zeros(len(x), bool)
    found[actor[under]] = True
    along_me = np.zeros(len(x), bool)
    along_me[actor[under & (facing > AGAINST)]] = True
    out_lane = np.full(len(x), -1)
    along, aside = np.zeros(len(x)), np.zeros(len(x))
    best = order[np.searchsorted(actor[order], np.flatnonzero(found))]
    out_lane[found] = lane[best]
    along[found] = (vertex[best] - roads.lane_first[lane[best]] + t[best]) * roads.lane_step[
        lane[best]
    ]
    left = d[0, best] * r[1, best] - d[1, best] * r[0, best] >= 0.0
    aside[found] = np.where(left, distance[best], -distance[best])
    return out_lane, along, aside, found & ~along_me


def _pieces_near(
    roads: Roads, m: Int[np.ndarray, " k"], x: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Pairs of actor and entry of its cell's list of lane pieces."""
    row = cell_rows(roads, m, x, y)
    start = np.where(row < 0, 0, roads.near_first[row])
    count = np.where(row < 0, 0, roads.near_first[row + 1] - start)
    actor = np.repeat(np.arange(len(x)), count)
    before = np.cumsum(count) - count
    return actor, start[actor] + np.arange(len(actor)) - before[actor]


def cell_rows(
    roads: Roads, m: Int[np.ndarray, " k"], x: Float[np.ndarray, " k"], y: Float[np.ndarray, " k"]
) -> Int[np.ndarray, " k"]:
    """Table row of the cell under each point, -1 where there is none."""
    column = np.floor((x - roads.grid_x[m]) / CELL)
    line = np.floor((y - roads.grid_y[m]) / CELL)
    inside = (column >= 0) & (column < roads.cells_x[m]) & (line >= 0) & (line < roads.cells_y[m])
    cell = roads.cell_first[m] + np.where(inside, line * roads.cells_x[m] + column, 0).astype(int)
    return np.where(inside, roads.cell_row[cell], -1)
