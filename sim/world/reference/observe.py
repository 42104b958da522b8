"""What every policy-driven vehicle sees, for all of them at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int

from drivelab.kernels.world.arrays import ABSENT, VIEW, Roads, State
from drivelab.kernels.world.observe import (
    ACCELERATION,
    EGO_FLOATS,
    HALF,
    LANE_WIDTH,
    LENGTH,
    PARTNER_FLOATS,
    RADIUS,
    SPEED,
    STEERING,
    TYPE,
    WAY_AHEAD,
    WIDTH,
)
from drivelab.sim.world.reference.locate import cell_rows

MOST = 4.0


def observe_agents(
    roads: Roads, state: State, policy: Int[np.ndarray, "E A"], out: Float32[np.ndarray, "E A F"]
) -> None:
    """As `drivelab.kernels.world.observe.observe_agents`."""
    slots = state.mode.shape[1]
    present = (state.mode != ABSENT) & (np.arange(slots) < state.count[:, None])
    e, a = np.nonzero((policy >= 0) & np.take_along_axis(present, np.maximum(policy, 0), axis=1))
    me = policy[e, a]
    out[...] = 0.0
    middle = EGO_FLOATS + PARTNER_FLOATS * (slots - 1)
    rows = np.zeros((len(e), out.shape[2]), np.float32)
    _see_itself(state, e, me, rows[:, :EGO_FLOATS])
    _see_partners(state, present, e, me, rows[:, EGO_FLOATS:middle])
    _see_roads(roads, state, e, me, rows[:, middle:])
    out[e, a] = rows


def _see_itself(
    state: State, e: Int[np.ndarray, " k"], n: Int[np.ndarray, " k"], out: np.ndarray
) -> None:
    out[:, 0] = state.speed[e, n] / SPEED
    out[:, 1] = state.acceleration[e, n] / ACCELERATION
    out[:, 2] = state.steering[e, n] / STEERING
    out[:, 3] = 2.0 * state.half_length[e, n] / LENGTH
    out[:, 4] = 2.0 * state.half_width[e, n] / WIDTH
    np.clip(out, -MOST, MOST, out=out)
    for k in np.flatnonzero(state.way_count[e, n]):
        out[k, 5:7] = _way_point(state, int(e[k]), int(n[k]))


def _way_point(state: State, e: int, n: int) -> Float[np.ndarray, "2"]:
    first = state.way_first[e, n]
    way = state.way[e, first : first + state.way_count[e, n]]
    want = state.way_at[e, n] + WAY_AHEAD
    dx = np.interp(want, way[:, 3], way[:, 0]) - state.x[e, n]
    dy = np.interp(want, way[:, 3], way[:, 1]) - state.y[e, n]
    cos, sin = state.cos[e, n], state.sin[e, n]
    ahead = np.array([dx * cos + dy * sin, dy * cos - dx * sin])
    return ahead / max(RADIUS, np.hypot(dx, dy) / MOST)


def _see_partners(
    state: State,
    present: np.ndarray,
    e: Int[np.ndarray, " k"],
    me: Int[np.ndarray, " k"],
    out: np.ndarray,
) -> None:
    slots = state.mode.shape[1]
    other = np.arange(slots - 1)[None] + (np.arange(slots - 1)[None] >= me[:, None])
    e, me = e[:, None], me[:, None]
    # float32 as the compiled function: who is just within the radius is seen by both
    x, y, cos, sin = (
        array.astype(np.float32) for array in (state.x, state.y, state.cos, state.sin)
    )
    dx, dy = x[e, other] - x[e, me], y[e, other] - y[e, me]
    c, s = cos[e, me], sin[e, me]
    seen = present[e, other] & (dx * dx + dy * dy <= np.float32(RADIUS**2))
    rows = np.stack(
        [
            (dx * c + dy * s) / RADIUS,
            (dy * c - dx * s) / RADIUS,
            cos[e, other] * c + sin[e, other] * s,
            sin[e, other] * c - cos[e, other] * s,
            np.clip(state.speed[e, other] / SPEED, -MOST, MOST),
            np.minimum(2.0 * state.half_length[e, other] / LENGTH, MOST),
            np.minimum(2.0 * state.half_width[e, other] / WIDTH, MOST),
        ],
        -1,
    )
    out[...] = np.where(seen[..., None], rows, 0.0).reshape(len(e), -1)


def _see_roads(
    roads: Roads,
    state: State,
    e: Int[np.ndarray, " k"],
    n: Int[np.ndarray, " k"],
    out: np.ndarray,
) -> None:
    x, y, cos, sin = state.x[e, n], state.y[e, n], state.cos[e, n], state.sin[e, n]
    row = cell_rows(roads, state.map[e], x, y)
    item = np.where(row[:, None] < 0, -1, roads.view_item[row])
    segment = roads.segment[item]
    x, y, cos, sin = (array.astype(np.float32)[:, None] for array in (x, y, cos, sin))
    dx, dy = segment[..., 0] - x, segment[..., 1] - y
    seen = (item >= 0) & (dx * dx + dy * dy <= np.float32(RADIUS**2))
    rows = np.empty((len(e), VIEW, 7), np.float32)
    rows[..., 0] = (dx * cos + dy * sin) / np.float32(RADIUS)
    rows[..., 1] = (dy * cos - dx * sin) / np.float32(RADIUS)
    rows[..., 2] = segment[..., 2] / np.float32(HALF)
    rows[..., 3] = segment[..., 3] * cos + segment[..., 4] * sin
    rows[..., 4] = segment[..., 4] * cos - segment[..., 3] * sin
    rows[..., 5] = segment[..., 5] / np.float32(LANE_WIDTH)
    rows[..., 6] = segment[..., 6] / np.float32(TYPE)
    rows[~seen] = 0.0
    out[...] = rows.reshape(len(e), -1)
