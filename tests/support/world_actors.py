"""Actors of the native world placed by hand or at random, and roads to place them on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.arrays import Roads, State
from drivelab.sim.world.state import Capacity, allocate
from drivelab.types import Area, AreaKind, Lane, LaneMap


def put(boxes: Sequence[Sequence[float]], *, environments: int = 1) -> State:
    """Policy-driven actors with boxes (x, y, yaw, length, width), the same in every environment."""
    rows = np.array(boxes, float).reshape(-1, 5)
    state = allocate(environments, Capacity(actors=max(len(rows), 1)))
    state.count[:] = len(rows)
    state.mode[:] = a.POLICY
    state.x[:], state.y[:], state.yaw[:] = rows[:, 0], rows[:, 1], rows[:, 2]
    state.half_length[:], state.half_width[:] = rows[:, 3] / 2, rows[:, 4] / 2
    state.cos[:], state.sin[:] = np.cos(state.yaw), np.sin(state.yaw)
    return state


def scatter(
    roads: Roads, rng: np.random.Generator, *, environments: int, actors: int, aside: float = 3.0
) -> State:
    """Actors of all sizes about lanes of map 0, some of them absent, slots unused."""
    state = allocate(environments, Capacity(actors=actors))
    shape = state.x.shape
    vertex = rng.integers(len(roads.x), size=shape)
    state.count[:] = rng.integers(actors // 2, actors + 1, environments)
    state.mode[:] = rng.choice([a.POLICY, a.REPLAY, a.WALK, a.ABSENT], size=shape)
    state.kind[:] = rng.integers(0, 4, shape)
    state.x[:] = roads.x[vertex] + rng.normal(0.0, aside, shape)
    state.y[:] = roads.y[vertex] + rng.normal(0.0, aside, shape)
    state.yaw[:] = roads.yaw[vertex] + rng.normal(0.0, 1.5, shape)
    state.cos[:], state.sin[:] = np.cos(state.yaw), np.sin(state.yaw)
    state.speed[:] = rng.normal(5.0, 20.0, shape)
    state.acceleration[:] = rng.normal(0.0, 3.0, shape)
    state.half_length[:] = rng.uniform(0.2, 9.0, shape)
    state.half_width[:] = rng.uniform(0.2, 1.3, shape)
    state.flags[:] = rng.integers(0, 256, shape)
    return state


def lane(
    name: str,
    line: Sequence[Sequence[float]],
    *,
    width: float = 3.5,
    successors: tuple[str, ...] = (),
    predecessors: tuple[str, ...] = (),
    connector: bool = False,
    limit: float | None = None,
) -> Lane:
    """A lane of constant width about a polyline (x, y)."""
    points = np.array(line, float)
    delta = np.diff(points, axis=0)
    yaw = np.arctan2(delta[:, 1], delta[:, 0])
    return Lane(
        id=name,
        centreline=np.column_stack([points, np.append(yaw, yaw[-1])]),
        polygon=shapely.LineString(points).buffer(width / 2, cap_style="flat", join_style="mitre"),
        connector=connector,
        successors=successors,
        predecessors=predecessors,
        speed_limit=limit,
    )


def road_map(*lanes: Lane, areas: Sequence[shapely.Polygon] = ()) -> LaneMap:
    """A map of lanes and drivable areas."""
    kinds = tuple(Area(f"a{k}", AreaKind.DRIVABLE, area) for k, area in enumerate(areas))
    return LaneMap("hand", {lane.id: lane for lane in lanes}, {}, kinds)
