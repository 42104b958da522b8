"""Excerpts of `Roads` and `State`: the few arrays that a rule needs, to be handed on together.

Calls with few arrays compile sooner and run faster than calls with all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from drivelab.kernels.world.cells import Grid, grid_of
from drivelab.kernels.world.inner import wide


class Graph(NamedTuple):
    """How lanes hang together; fields of `Roads`."""

    after_first: Int[np.ndarray, " L+1"]
    after: Int[np.ndarray, " s"]
    before_first: Int[np.ndarray, " L+1"]
    before: Int[np.ndarray, " s"]
    left: Int[np.ndarray, " L"]
    right: Int[np.ndarray, " L"]
    length: Float[np.ndarray, " L"]
    connector: Bool[np.ndarray, " L"]


class Course(NamedTuple):
    """Where lanes run and how fast; fields of `Roads`."""

    first: Int[np.ndarray, " L+1"]
    step: Float[np.ndarray, " L"]
    x: Float[np.ndarray, " P"]
    y: Float[np.ndarray, " P"]
    speed: Float[np.ndarray, " P"]


class Lanes(NamedTuple):
    """What ways along lanes need; fields of `Roads`."""

    first: Int[np.ndarray, " L+1"]
    step: Float[np.ndarray, " L"]
    length: Float[np.ndarray, " L"]
    width: Float[np.ndarray, " L"]
    left: Int[np.ndarray, " L"]
    right: Int[np.ndarray, " L"]
    connector: Bool[np.ndarray, " L"]
    group: Int[np.ndarray, " L"]
    map: Int[np.ndarray, " L"]
    after_first: Int[np.ndarray, " L+1"]
    after: Int[np.ndarray, " s"]
    x: Float[np.ndarray, " P"]
    y: Float[np.ndarray, " P"]
    yaw: Float[np.ndarray, " P"]
    speed: Float[np.ndarray, " P"]


class Ground(NamedTuple):
    """Which lane pieces lie near the points of one map; fields of `Roads`."""

    grid: Grid
    cell_row: Int[np.ndarray, " C"]
    near_first: Int[np.ndarray, " rows+1"]
    near_item: Int[np.ndarray, " n"]
    near_lane: Int[np.ndarray, " n"]


class Plans(NamedTuple):
    """Where actors want to go; fields of `State`."""

    route: Int[np.ndarray, "E N R"]
    seed: Int[np.ndarray, " E"]
    way: Float[np.ndarray, "E W 4"]
    way_first: Int[np.ndarray, "E N"]
    way_count: Int[np.ndarray, "E N"]
    way_at: Float[np.ndarray, "E N"]


class Bodies(NamedTuple):
    """All actors of one environment; rows of `State`."""

    mode: Int[np.ndarray, " N"]
    kind: Int[np.ndarray, " N"]
    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    cos: Float[np.ndarray, " N"]
    sin: Float[np.ndarray, " N"]
    speed: Float[np.ndarray, " N"]
    half_length: Float[np.ndarray, " N"]
    half_width: Float[np.ndarray, " N"]
    lane: Int[np.ndarray, " N"]
    lane_s: Float[np.ndarray, " N"]
    actors: int


@njit(cache=True, inline="always")
def graph_of(roads):  # type: ignore[no-untyped-def]
    """How the lanes of all maps hang together."""
    return Graph(
        roads.successor_first, roads.successor, roads.predecessor_first, roads.predecessor,
        roads.lane_left, roads.lane_right, roads.lane_length, roads.lane_connector,
    )  # fmt: skip


@njit(cache=True, inline="always")
def course_of(roads):  # type: ignore[no-untyped-def]
    """Where the lanes of all maps run."""
    return Course(roads.lane_first, roads.lane_step, roads.x, roads.y, roads.speed)


@njit(cache=True, inline="always")
def lanes_of(roads):  # type: ignore[no-untyped-def]
    """The lanes of all maps."""
    return Lanes(
        roads.lane_first, roads.lane_step, roads.lane_length, roads.lane_width, roads.lane_left,
        roads.lane_right, roads.lane_connector, roads.lane_group, roads.lane_map,
        roads.successor_first, roads.successor, roads.x, roads.y, roads.yaw, roads.speed,
    )  # fmt: skip


@njit(cache=True, inline="always")
def ground_of(roads, m):  # type: ignore[no-untyped-def]
    """The ground of map `m`."""
    return Ground(
        grid_of(roads, m), roads.cell_row, roads.near_first, roads.near_item, roads.near_lane
    )


@njit(cache=True, inline="always")
def plans_of(state):  # type: ignore[no-untyped-def]
    """Where all actors want to go."""
    return Plans(state.route, state.seed, state.way, state.way_first, state.way_count, state.way_at)


@njit(cache=True, inline="always")
def bodies_of(state, e):  # type: ignore[no-untyped-def]
    """The actors of one environment."""
    return Bodies(
        state.mode[e], state.kind[e], state.x[e], state.y[e], state.cos[e], state.sin[e],
        state.speed[e], state.half_length[e], state.half_width[e], state.lane[e], state.lane_s[e],
        wide(state.count[e]),
    )  # fmt: skip
