"""What the driver in slot 0 sees, as one row of floats.

`EGO_LAYOUT` says where the parts of the row stand, `EGO_COLUMNS` what they hold.

Frame: the ego's rear axle (x forward, y left). Everything is divided by its scale, so that usual
values lie in [-1, 1]; none leaves [-4, 4]. Rows of what is not there are 0. What lies on the route
(lights, signs) is found from the lane the ego is on; off its route there is none.
"""

from __future__ import annotations

from math import cos, sin, sqrt

import numpy as np
from jaxtyping import Float, Float32, Int
from numba import njit

from drivelab.kernels.world.arrays import (
    ABSENT,
    BORDER_SEGMENT,
    GAP_LIMIT,
    NO_SIGN,
    STOP_SIGN_AHEAD,
    VIEW,
    Roads,
    State,
)
from drivelab.kernels.world.cells import cell_at, grid_of
from drivelab.kernels.world.fetch import fetch_views
from drivelab.kernels.world.free_way import way_segment

POINTS, POINT_STEP = 30, 2.0  # of the way ahead, and their spacing [m]
ACTORS, LANES, BORDERS = 16, 16, 16  # how many of the nearest are seen
REACH = 60.0  # actors farther than this are not seen [m]
AHEAD = 100.0  # how far lights and signs are seen [m]
SPEED, ACCELERATION, STEERING, YAW_RATE, SIDE_SPEED = 30.0, 10.0, 1.0, 1.0, 3.0
LENGTH, WIDTH, ASIDE, WAY_LEFT, HALF = 10.0, 3.0, 5.0, 200.0, 4.0
WORST = 4.0  # values are held to +- this

POINT_FLOATS, ACTOR_FLOATS, LANE_FLOATS, BORDER_FLOATS = 4, 13, 5, 5

# The parts of the observation: name, rows, ((column, unit, what its value is divided by), ...)
EGO_COLUMNS = (
    (
        "ego",
        1,
        (
            ("speed", "m/s", SPEED),
            ("acceleration", "m/s^2", ACCELERATION),
            ("steering", "rad", STEERING),
            ("yaw_rate", "rad/s", YAW_RATE),
            ("side_speed", "m/s", SIDE_SPEED),
            ("length", "m", LENGTH),
            ("width", "m", WIDTH),
            ("wheel_base", "m", LENGTH),
            ("rear_to_centre", "m", LENGTH),
            ("border_gap", "m", GAP_LIMIT),
            ("on_lane", "0 or 1", 1.0),
            ("lane_offset", "m", ASIDE),  # to the left of the centreline
            ("lane_heading_cos", "", 1.0),  # of the ego relative to the lane
            ("lane_heading_sin", "", 1.0),
            ("speed_limit", "m/s", SPEED),
            ("bend_speed", "m/s", SPEED),  # what limit and bends of the lane allow here
        ),
    ),
    (
        "progress",
        1,
        (
            ("way_left", "m", WAY_LEFT),
            ("way_offset", "m", ASIDE),  # to the left of the way
            ("way_heading_cos", "", 1.0),  # of the ego relative to the way
            ("way_heading_sin", "", 1.0),
        ),
    ),
    (
        "signals",
        1,
        (
            ("light_distance", "m", AHEAD),  # from the front to the stop line; 1 = none in sight
            ("light_green", "0 or 1", 1.0),
            ("light_yellow", "0 or 1", 1.0),
            ("light_red", "0 or 1", 1.0),
            ("sign_distance", "m", AHEAD),
            ("sign_stop", "0 or 1", 1.0),
            ("sign_yield", "0 or 1", 1.0),
        ),
    ),
    ("way", POINTS, (("x", "m", REACH), ("y", "m", REACH), ("cos", "", 1.0), ("sin", "", 1.0))),
    (
        "actors",
        ACTORS,
        (
            ("present", "0 or 1", 1.0),
            ("x", "m", REACH),
            ("y", "m", REACH),
            ("cos", "", 1.0),
            ("sin", "", 1.0),
            ("vx", "m/s", SPEED),  # its velocity over ground, in the ego's axes
            ("vy", "m/s", SPEED),
            ("length", "m", LENGTH),
            ("width", "m", WIDTH),
            ("vehicle", "0 or 1", 1.0),
            ("pedestrian", "0 or 1", 1.0),
            ("bicycle", "0 or 1", 1.0),
            ("obstacle", "0 or 1", 1.0),
        ),
    ),
    (
        "lanes",
        LANES,
        (("x", "m", REACH), ("y", "m", REACH), ("half_length", "m", HALF), ("cos", "", 1.0),
         ("sin", "", 1.0)),
    ),
    (
        "borders",
        BORDERS,
        (("x", "m", REACH), ("y", "m", REACH), ("half_length", "m", HALF), ("cos", "", 1.0),
         ("sin", "", 1.0)),
    ),
)  # fmt: skip


def _layout() -> tuple[tuple[str, int, int, str, float, float], ...]:
    rows, at = [], 0
    for name, count, columns in EGO_COLUMNS:
        stop = at + count * len(columns)
        rows.append((name, at, stop, "see EGO_COLUMNS", -WORST, WORST))
        at = stop
    return tuple(rows)


# (name, first float, first float after it, unit, lowest, highest)
EGO_LAYOUT = _layout()
EGO_FLOATS = EGO_LAYOUT[-1][2]

_PROGRESS, _SIGNALS, _WAY, _ACTORS, _LANES, _BORDERS = (part[1] for part in EGO_LAYOUT[1:])


@njit(cache=True)
def observe_ego(roads: Roads, state: State, out: Float32[np.ndarray, "E F"]) -> None:
    """Write the observation of slot 0 of every environment into `out`."""
    modes, cosines, sines, rears = state.mode, state.cos, state.sin, state.rear
    lanes, lane_s, half_length = state.lane, state.lane_s, state.half_length
    ways, way_first, way_count, way_at = state.way, state.way_first, state.way_count, state.way_at
    routes, lights = state.route, state.light
    nearest, order = np.empty(ACTORS), np.empty(ACTORS, np.int64)
    fetch_views(roads, state)
    for e in range(out.shape[0]):
        row = out[e]
        if modes[e, 0] == ABSENT:
            row[:] = 0.0
            continue
        c, s, rear = cosines[e, 0], sines[e, 0], rears[e, 0]
        x, y = state.x[e, 0] - rear * c, state.y[e, 0] - rear * s
        _see_itself(roads, state, e, row)
        _see_signals(
            routes[e, 0], lights[e], lanes[e, 0], lane_s[e, 0] + half_length[e, 0],
            roads.lane_left, roads.lane_right, roads.lane_length, roads.lane_group,
            roads.lane_control, row,
        )  # fmt: skip
        _see_way(
            ways[e], way_first[e, 0], way_count[e, 0], way_at[e, 0], x, y, c, s, row
        )  # fmt: skip
        _see_actors(state, e, x, y, c, s, nearest, order, row)
        _see_roads(roads, state.map[e], x, y, c, s, row)


@njit(cache=True, inline="always")
def _held(value: float) -> float:
    return min(max(value, -WORST), WORST)


@njit(cache=True, inline="always")
def _see_itself(roads: Roads, state: State, e: int, row: Float32[np.ndarray, " F"]) -> None:
    row[0] = _held(state.speed[e, 0] / SPEED)
    row[1] = _held(state.acceleration[e, 0] / ACCELERATION)
    row[2] = _held(state.steering[e, 0] / STEERING)
    row[3] = _held(state.yaw_rate[e, 0] / YAW_RATE)
    row[4] = _held(state.side_speed[e, 0] / SIDE_SPEED)
    row[5] = _held(2.0 * state.half_length[e, 0] / LENGTH)
    row[6] = _held(2.0 * state.half_width[e, 0] / WIDTH)
    row[7] = _held(state.wheel_base[e, 0] / LENGTH)
    row[8] = _held(state.rear[e, 0] / LENGTH)
    row[9] = state.border_gap[e, 0] / GAP_LIMIT
    for k in range(10, _SIGNALS):
        row[k] = 0.0
    lane = state.lane[e, 0]
    if lane >= 0:
        first, last = roads.lane_first[lane], roads.lane_first[lane + 1] - 1
        k = min(first + max(int(state.lane_s[e, 0] / roads.lane_step[lane]), 0), last - 1)
        turn = state.yaw[e, 0] - roads.yaw[k]
        row[10] = 1.0
        row[11] = _held(state.lane_d[e, 0] / ASIDE)
        row[12], row[13] = cos(turn), sin(turn)
        row[14] = _held(roads.lane_limit[lane] / SPEED)
        row[15] = _held(roads.speed[k] / SPEED)
    first, count = state.way_first[e, 0], state.way_count[e, 0]
    if count > 0:
        row[_PROGRESS] = _held((state.way[e, first + count - 1, 3] - state.way_at[e, 0]) / WAY_LEFT)
        row[_PROGRESS + 1] = _held(state.way_off[e, 0] / ASIDE)
        turn = state.way_heading[e, 0]
        row[_PROGRESS + 2], row[_PROGRESS + 3] = cos(turn), sin(turn)


@njit(cache=True)
def _see_signals(
    route: Int[np.ndarray, " R"],
    light: Int[np.ndarray, " G"],
    lane: int,
    front: float,
    lane_left: Int[np.ndarray, " L"],
    lane_right: Int[np.ndarray, " L"],
    lane_length: Float[np.ndarray, " L"],
    lane_group: Int[np.ndarray, " L"],
    lane_control: Int[np.ndarray, " L"],
    row: Float32[np.ndarray, " F"],
) -> None:
    """The next light and the next sign on the route, from the lane the ego is on or one beside."""
    for k in range(_SIGNALS, _WAY):
        row[k] = 0.0
    row[_SIGNALS], row[_SIGNALS + 4] = 1.0, 1.0
    at = -1
    for k in range(route.shape[0]):
        if route[k] < 0 or lane < 0:
            break
        if route[k] == lane:
            at = k
            break
        if at < 0 and (lane_left[route[k]] == lane or lane_right[route[k]] == lane):
            at = k  # beside the route: what holds for its lane
    if at < 0:
        return
    gap = lane_length[route[at]] - front
    light_seen, sign_seen = False, False
    for k in range(at, route.shape[0]):
        lane = route[k]
        if lane < 0:
            return
        if k > at:
            gap += lane_length[lane]
        following = route[k + 1] if k + 1 < route.shape[0] else -1
        if following >= 0 and (lane_left[lane] == following or lane_right[lane] == following):
            gap -= lane_length[following]  # a lane change: the next one runs beside
            continue
        control = lane_control[lane]
        if not sign_seen and control != NO_SIGN and -1.0 < gap <= AHEAD:
            sign_seen = True
            row[_SIGNALS + 4] = gap / AHEAD
            row[_SIGNALS + (5 if control == STOP_SIGN_AHEAD else 6)] = 1.0
        if not light_seen and following >= 0 and lane_group[following] >= 0 and -1.0 < gap <= AHEAD:
            light_seen = True
            row[_SIGNALS] = gap / AHEAD
            row[_SIGNALS + 1 + light[lane_group[following]]] = 1.0
        if gap > AHEAD or (light_seen and sign_seen):
            return


@njit(cache=True)
def _see_way(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    progress: float,
    x: float,
    y: float,
    c: float,
    s: float,
    row: Float32[np.ndarray, " F"],
) -> None:
    """Points POINT_STEP, 2 POINT_STEP, ... ahead on the way; the last one repeats."""
    at = _WAY
    if count < 2:
        row[at : at + POINTS * POINT_FLOATS] = 0.0
        return
    last = first + count - 1
    k = way_segment(way, first, count, progress)
    for p in range(POINTS):
        want = progress + (p + 1) * POINT_STEP
        while k + 2 <= last and way[k + 1, 3] < want:
            k += 1
        t = min(max((want - way[k, 3]) / max(way[k + 1, 3] - way[k, 3], 1e-9), 0.0), 1.0)
        dx = way[k, 0] + t * (way[k + 1, 0] - way[k, 0]) - x
        dy = way[k, 1] + t * (way[k + 1, 1] - way[k, 1]) - y
        ux, uy = way[k + 1, 0] - way[k, 0], way[k + 1, 1] - way[k, 1]
        length = max(sqrt(ux * ux + uy * uy), 1e-9)
        row[at] = _held((dx * c + dy * s) / REACH)
        row[at + 1] = _held((dy * c - dx * s) / REACH)
        row[at + 2] = (ux * c + uy * s) / length
        row[at + 3] = (uy * c - ux * s) / length
        at += POINT_FLOATS


@njit(cache=True)
def _see_actors(
    state: State,
    e: int,
    x: float,
    y: float,
    c: float,
    s: float,
    nearest: Float[np.ndarray, " k"],
    order: np.ndarray,
    row: Float32[np.ndarray, " F"],
) -> None:
    """The nearest actors by the distance of their centres from the ego's, nearest first."""
    modes, kinds, xs, ys = state.mode[e], state.kind[e], state.x[e], state.y[e]
    coss, sins, speeds = state.cos[e], state.sin[e], state.speed[e]
    half_length, half_width = state.half_length[e], state.half_width[e]
    found, worst = 0, REACH * REACH
    for n in range(1, state.count[e]):
        dx, dy = xs[n] - xs[0], ys[n] - ys[0]
        squared = dx * dx + dy * dy
        if modes[n] == ABSENT or not squared < worst:
            continue
        k = min(found, ACTORS - 1)
        while k > 0 and nearest[k - 1] > squared:
            nearest[k], order[k] = nearest[k - 1], order[k - 1]
            k -= 1
        nearest[k], order[k] = squared, n
        found = min(found + 1, ACTORS)
        if found == ACTORS:
            worst = nearest[ACTORS - 1]
    at = _ACTORS
    for k in range(found):
        n = order[k]
        dx, dy = xs[n] - x, ys[n] - y
        ahead, aside = coss[n] * c + sins[n] * s, sins[n] * c - coss[n] * s
        row[at] = 1.0
        row[at + 1] = (dx * c + dy * s) / REACH
        row[at + 2] = (dy * c - dx * s) / REACH
        row[at + 3], row[at + 4] = ahead, aside
        row[at + 5] = _held(speeds[n] * ahead / SPEED)
        row[at + 6] = _held(speeds[n] * aside / SPEED)
        row[at + 7] = _held(2.0 * half_length[n] / LENGTH)
        row[at + 8] = _held(2.0 * half_width[n] / WIDTH)
        row[at + 9], row[at + 10], row[at + 11], row[at + 12] = 0.0, 0.0, 0.0, 0.0
        row[at + 9 + min(kinds[n], 3)] = 1.0
        at += ACTOR_FLOATS
    row[at:_LANES] = 0.0


@njit(cache=True)
def _see_roads(
    roads: Roads, m: int, x: float, y: float, c: float, s: float, row: Float32[np.ndarray, " F"]
) -> None:
    """The road segments nearest to the cell of the rear axle: lanes and connectors, and borders."""
    view, segment = roads.view_item, roads.segment
    lane_at, border_at, end = _LANES, _BORDERS, _BORDERS + BORDERS * BORDER_FLOATS
    cell = cell_at(grid_of(roads, m), x, y)
    listed = roads.cell_row[cell] if cell >= 0 else -1
    if listed >= 0:
        for k in range(VIEW):
            i = view[listed, k]
            if i < 0 or (lane_at == _BORDERS and border_at == end):
                break
            if segment[i, 6] == BORDER_SEGMENT:
                if border_at == end:
                    continue
                at, border_at = border_at, border_at + BORDER_FLOATS
            else:
                if lane_at == _BORDERS:
                    continue
                at, lane_at = lane_at, lane_at + LANE_FLOATS
            dx, dy = segment[i, 0] - x, segment[i, 1] - y
            row[at] = (dx * c + dy * s) / REACH
            row[at + 1] = (dy * c - dx * s) / REACH
            row[at + 2] = segment[i, 2] / HALF
            row[at + 3] = segment[i, 3] * c + segment[i, 4] * s
            row[at + 4] = segment[i, 4] * c - segment[i, 3] * s
    row[lane_at:_BORDERS] = 0.0
    row[border_at:end] = 0.0
