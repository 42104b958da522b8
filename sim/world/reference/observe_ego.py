"""What the driver in slot 0 sees, environment by environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from drivelab.geometry.poses import relative
from drivelab.kernels.world.arrays import (
    ABSENT,
    BORDER_SEGMENT,
    GAP_LIMIT,
    NO_SIGN,
    STOP_SIGN_AHEAD,
    Roads,
    State,
)
from drivelab.kernels.world.observe_ego import (
    ACCELERATION,
    ACTORS,
    AHEAD,
    ASIDE,
    BORDERS,
    EGO_LAYOUT,
    HALF,
    LANES,
    LENGTH,
    POINT_STEP,
    POINTS,
    REACH,
    SIDE_SPEED,
    SPEED,
    STEERING,
    WAY_LEFT,
    WIDTH,
    WORST,
    YAW_RATE,
)
from drivelab.sim.world.reference.locate import cell_rows


def observe_ego(roads: Roads, state: State, out: Float32[np.ndarray, "E F"]) -> None:
    """As `drivelab.kernels.world.observe_ego.observe_ego`."""
    out[...] = 0.0
    for e in range(len(out)):
        if state.mode[e, 0] == ABSENT:
            continue
        parts: dict[str, Any] = {
            "ego": _ego(roads, state, e),
            "progress": _progress(state, e),
            "signals": _signals(roads, state, e),
            "way": _way(state, e),
            "actors": _actors(state, e),
            "lanes": _segments(roads, state, e, LANES, borders=False),
            "borders": _segments(roads, state, e, BORDERS, borders=True),
        }
        for name, start, stop, *_ in EGO_LAYOUT:
            values = np.concatenate([np.ravel(parts[name]), np.zeros(stop - start)])
            out[e, start:stop] = np.clip(values[: stop - start], -WORST, WORST)


def _rear_axle(state: State, e: int) -> Float[np.ndarray, "3"]:
    back = state.rear[e, 0]
    x, y = state.x[e, 0] - back * state.cos[e, 0], state.y[e, 0] - back * state.sin[e, 0]
    return np.array([x, y, state.yaw[e, 0]])


def _ego(roads: Roads, state: State, e: int) -> list[float]:
    lane = state.lane[e, 0]
    on_lane = [0.0] * 6
    if lane >= 0:
        first, last = roads.lane_first[lane], roads.lane_first[lane + 1] - 1
        vertex = min(first + int(state.lane_s[e, 0] / roads.lane_step[lane]), last - 1)
        turn = state.yaw[e, 0] - roads.yaw[vertex]
        on_lane = [1.0, state.lane_d[e, 0] / ASIDE, np.cos(turn), np.sin(turn),
                   roads.lane_limit[lane] / SPEED, roads.speed[vertex] / SPEED]  # fmt: skip
    return [
        state.speed[e, 0] / SPEED,
        state.acceleration[e, 0] / ACCELERATION,
        state.steering[e, 0] / STEERING,
        state.yaw_rate[e, 0] / YAW_RATE,
        state.side_speed[e, 0] / SIDE_SPEED,
        2.0 * state.half_length[e, 0] / LENGTH,
        2.0 * state.half_width[e, 0] / WIDTH,
        state.wheel_base[e, 0] / LENGTH,
        state.rear[e, 0] / LENGTH,
        state.border_gap[e, 0] / GAP_LIMIT,
        *on_lane,
    ]


def _ego_way(state: State, e: int) -> Float[np.ndarray, "n 4"]:
    first = state.way_first[e, 0]
    return state.way[e, first : first + state.way_count[e, 0]]


def _progress(state: State, e: int) -> list[float]:
    way = _ego_way(state, e)
    if not len(way):
        return []
    turn = state.way_heading[e, 0]
    left = (way[-1, 3] - state.way_at[e, 0]) / WAY_LEFT
    return [left, state.way_off[e, 0] / ASIDE, np.cos(turn), np.sin(turn)]


def _signals(roads: Roads, state: State, e: int) -> list[float]:
    light, sign = [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0]
    route = [int(lane) for lane in state.route[e, 0] if lane >= 0]
    gaps = _gaps_to_ends(roads, state, e, route)
    for lane, following, gap in reversed(gaps):  # the nearest one stays
        if not -1.0 < gap <= AHEAD:
            continue
        if roads.lane_control[lane] != NO_SIGN:
            stop = roads.lane_control[lane] == STOP_SIGN_AHEAD
            sign = [gap / AHEAD, float(stop), float(not stop)]
        if following >= 0 and roads.lane_group[following] >= 0:
            shown = state.light[e, roads.lane_group[following]]
            light = [gap / AHEAD, *(float(shown == k) for k in range(3))]
    return light + sign


def _gaps_to_ends(
    roads: Roads, state: State, e: int, route: list[int]
) -> list[tuple[int, int, float]]:
    """(lane, the next one or -1, metres from the front to its end) along the route ahead."""
    lane = state.lane[e, 0]

    def beside(a: int, b: int) -> bool:
        return bool(b in (roads.lane_left[a], roads.lane_right[a]))

    if lane in route:
        at = route.index(lane)
    else:
        near = [k for k, other in enumerate(route) if lane >= 0 and beside(other, lane)]
        if not near:
            return []
        at = near[0]
    out = []
    gap = roads.lane_length[route[at]] - state.lane_s[e, 0] - state.half_length[e, 0]
    for k in range(at, len(route)):
        mine, following = route[k], route[k + 1] if k + 1 < len(route) else -1
        if k > at and not beside(route[k - 1], mine):
            gap += roads.lane_length[mine]
        elif k > at:
            gap += roads.lane_length[mine] - roads.lane_length[route[k - 1]]
        if following < 0 or not beside(mine, following):
            out.append((mine, following, float(gap)))
    return out


def _way(state: State, e: int) -> Float[np.ndarray, "p 4"]:
    way = _ego_way(state, e)
    if len(way) < 2:
        return np.zeros((0, 4))
    want = state.way_at[e, 0] + POINT_STEP * np.arange(1, POINTS + 1)
    k = np.clip(np.searchsorted(way[:, 3], want, side="left") - 1, 0, len(way) - 2)
    delta = way[k + 1, :2] - way[k, :2]
    x, y = (np.interp(want, way[:, 3], way[:, column]) for column in (0, 1))
    poses = np.column_stack([x, y, np.arctan2(delta[:, 1], delta[:, 0])])
    seen = relative(_rear_axle(state, e), poses)
    return np.column_stack(
        [seen[:, 0] / REACH, seen[:, 1] / REACH, np.cos(seen[:, 2]), np.sin(seen[:, 2])]
    )


def _actors(state: State, e: int) -> Float[np.ndarray, "k 13"]:
    others = np.arange(1, state.count[e])
    gap = np.hypot(state.x[e, others] - state.x[e, 0], state.y[e, others] - state.y[e, 0])
    seen = (state.mode[e, others] != ABSENT) & (gap < REACH)
    n = others[seen][np.argsort(gap[seen], kind="stable")][:ACTORS]
    poses = np.column_stack([state.x[e, n], state.y[e, n], state.yaw[e, n]])
    x, y, yaw = relative(_rear_axle(state, e), poses).T
    cos, sin = np.cos(yaw), np.sin(yaw)
    kind = np.minimum(state.kind[e, n], 3)[:, None] == np.arange(4)
    return np.column_stack(
        [
            np.ones(len(n)),
            x / REACH,
            y / REACH,
            cos,
            sin,
            state.speed[e, n] * cos / SPEED,
            state.speed[e, n] * sin / SPEED,
            2.0 * state.half_length[e, n] / LENGTH,
            2.0 * state.half_width[e, n] / WIDTH,
            kind,
        ]
    )


def _segments(
    roads: Roads, state: State, e: int, most: int, *, borders: bool
) -> Float[np.ndarray, "k 5"]:
    place = _rear_axle(state, e)
    row = cell_rows(roads, state.map[e : e + 1], place[:1], place[1:2])[0]
    item: Int[np.ndarray, " v"] = roads.view_item[row] if row >= 0 else np.zeros(0, int)
    segment = roads.segment[item[item >= 0]].astype(float)
    segment = segment[(segment[:, 6] == BORDER_SEGMENT) == borders][:most]
    yaw = np.arctan2(segment[:, 4], segment[:, 3])
    x, y, yaw = relative(place, np.column_stack([segment[:, :2], yaw])).T
    return np.column_stack([x / REACH, y / REACH, segment[:, 2] / HALF, np.cos(yaw), np.sin(yaw)])
