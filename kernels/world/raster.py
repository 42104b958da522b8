"""The surroundings of the ego as a small picture: one byte a pixel and channel.

The rear axle of slot 0 lies between the four pixels in the middle; it looks up, so row 0 is ahead
and column 0 to the left. Pixel (r, c) shows the point x = (47.5 - r) PIXEL, y = (47.5 - c) PIXEL.

| channel | content |
|---|---|
| 0 | drivable area: 255 |
| 1 | centrelines: 255 for lanes, 128 for connectors |
| 2 | the way of the ego: 255, three pixels wide |
| 3 | other actors: vehicles 255, bicycles 192, pedestrians 128, obstacles 64 |
| 4 | the same a second ago, had they kept their present velocity |
| 5 | connectors with a signal: red 255, yellow 170, green 85 |
"""

from __future__ import annotations

from math import ceil, floor, hypot
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit

from drivelab.kernels.world.arrays import ABSENT, GREEN, YELLOW, Roads, State
from drivelab.kernels.world.inner import inner

SIZE = 96  # rows and columns
PIXEL = 0.75  # [m]
MIDDLE = (SIZE - 1) / 2
REACH = 0.75 * SIZE * PIXEL  # nothing farther from the ego is in the picture [m]
SMALLEST = 0.71 * PIXEL  # half sizes of actors are drawn at least so large, to hit a pixel [m]
ROUTE_ASIDE = 0.75  # the way is drawn so far to both sides of its line [m]
BEFORE = 1.0  # how long ago the second picture of the actors is [s]
CHANNELS = ("drivable", "centrelines", "way", "actors", "actors_before", "lights")
KIND_SHADES = (255, 128, 192, 64)  # vehicle, pedestrian, bicycle, all others
LANE_SHADE, CONNECTOR_SHADE, WAY_SHADE, DRIVABLE_SHADE = 255, 128, 255, 255
RED_SHADE, YELLOW_SHADE, GREEN_SHADE = 255, 170, 85


class View(NamedTuple):
    """Where the picture is taken from: rear axle [m] and heading."""

    x: float
    y: float
    cos: float
    sin: float


@njit(cache=True)
def raster_ego(roads: Roads, state: State, out: UInt8[np.ndarray, "E 6 96 96"]) -> None:
    """Draw the surroundings of slot 0 of every environment into `out`; black where it is absent."""
    modes, kinds, xs, ys, speeds = state.mode, state.kind, state.x, state.y, state.speed
    cosines, sines, rears = state.cos, state.sin, state.rear
    half_length, half_width = state.half_length, state.half_width
    ways, way_first, way_count = state.way, state.way_first, state.way_count
    map_border, map_lane, border = roads.map_border, roads.map_lane, roads.border
    for e in range(out.shape[0]):
        picture = out[e]
        picture[:] = 0
        if modes[e, 0] == ABSENT:
            continue
        c, s = cosines[e, 0], sines[e, 0]
        x, y = xs[e, 0] - rears[e, 0] * c, ys[e, 0] - rears[e, 0] * s
        view, m = View(x, y, c, s), state.map[e]
        _fill_inside(border, map_border[m], map_border[m + 1], view, picture[0])
        _draw_lanes(
            roads.lane_first, roads.lane_length, roads.lane_connector, roads.lane_group,
            roads.x, roads.y, state.light[e], map_lane[m], map_lane[m + 1],
            view, picture[1], picture[5],
        )  # fmt: skip
        way = ways[e]
        for k in range(way_first[e, 0], way_first[e, 0] + way_count[e, 0] - 1):
            dx, dy = way[k + 1, 0] - way[k, 0], way[k + 1, 1] - way[k, 1]
            length = hypot(dx, dy)
            if length == 0.0 or hypot(way[k, 0] - x, way[k, 1] - y) > REACH + length:
                continue
            for side in range(-1, 2):
                ox, oy = -dy / length * side * ROUTE_ASIDE, dx / length * side * ROUTE_ASIDE
                _draw_line(
                    way[k, 0] + ox, way[k, 1] + oy, way[k + 1, 0] + ox, way[k + 1, 1] + oy,
                    view, WAY_SHADE, picture[2],
                )  # fmt: skip
        for n in range(1, state.count[e]):
            if modes[e, n] == ABSENT:
                continue
            shade = KIND_SHADES[min(kinds[e, n], 3)]
            for channel in range(3, 5):
                back = BEFORE * speeds[e, n] if channel == 4 else 0.0
                ox, oy = xs[e, n] - back * cosines[e, n], ys[e, n] - back * sines[e, n]
                _fill_box(
                    ox, oy, cosines[e, n], sines[e, n], half_length[e, n], half_width[e, n],
                    view, shade, picture[channel],
                )  # fmt: skip


@inner
def _pixel(view: View, px: float, py: float) -> tuple[float, float]:
    """Row and column of a point, as fractions."""
    dx, dy = px - view.x, py - view.y
    row = MIDDLE - (dx * view.cos + dy * view.sin) / PIXEL
    return row, MIDDLE - (dy * view.cos - dx * view.sin) / PIXEL


@inner
def _fill_inside(
    border: Float[np.ndarray, "B 4"],
    first: int,
    stop: int,
    view: View,
    out: UInt8[np.ndarray, "96 96"],
) -> None:
    """Even-odd rule along every row: each border segment that a row crosses turns what follows."""
    for b in range(first, stop):
        row_a, column_a = _pixel(view, border[b, 0], border[b, 1])
        row_b, column_b = _pixel(view, border[b, 2], border[b, 3])
        low, high = min(row_a, row_b), max(row_a, row_b)
        if high < 0.0 or low > SIZE or min(column_a, column_b) > SIZE:
            continue
        for row in range(max(0, ceil(low)), min(SIZE, ceil(high))):
            column = column_a + (row - row_a) / (row_b - row_a) * (column_b - column_a)
            if column <= SIZE - 1:
                out[row, max(0, ceil(column))] ^= 1
    for row in range(SIZE):
        inside = 0
        for column in range(SIZE):
            inside ^= out[row, column]
            out[row, column] = DRIVABLE_SHADE * inside


@inner
def _draw_lanes(
    lane_first: Int[np.ndarray, " L+1"],
    lane_length: Float[np.ndarray, " L"],
    lane_connector: np.ndarray,
    lane_group: Int[np.ndarray, " L"],
    xs: Float[np.ndarray, " P"],
    ys: Float[np.ndarray, " P"],
    light: Int[np.ndarray, " G"],
    first: int,
    stop: int,
    view: View,
    lanes: UInt8[np.ndarray, "96 96"],
    lights: UInt8[np.ndarray, "96 96"],
) -> None:
    for lane in range(first, stop):
        start = lane_first[lane]
        if hypot(xs[start] - view.x, ys[start] - view.y) > REACH + lane_length[lane]:
            continue
        shade = CONNECTOR_SHADE if lane_connector[lane] else LANE_SHADE
        signal = 0
        if lane_group[lane] >= 0:
            shown = light[lane_group[lane]]
            signal = RED_SHADE
            if shown == GREEN:
                signal = GREEN_SHADE
            elif shown == YELLOW:
                signal = YELLOW_SHADE
        for v in range(start, lane_first[lane + 1] - 1):
            _draw_line(xs[v], ys[v], xs[v + 1], ys[v + 1], view, shade, lanes)
            if signal > 0:
                _draw_line(xs[v], ys[v], xs[v + 1], ys[v + 1], view, signal, lights)


@inner
def _draw_line(
    ax: float,
    ay: float,
    bx: float,
    by: float,
    view: View,
    shade: int,
    out: UInt8[np.ndarray, "96 96"],
) -> None:
    """Colour the pixels under points every half pixel; the brighter of two lines stays."""
    row, column = _pixel(view, ax, ay)
    c, s = view.cos, view.sin
    rows = -((bx - ax) * c + (by - ay) * s) / PIXEL
    columns = -((by - ay) * c - (bx - ax) * s) / PIXEL
    if max(row, row + rows) < -0.5 or min(row, row + rows) > SIZE:
        return
    if max(column, column + columns) < -0.5 or min(column, column + columns) > SIZE:
        return
    count = 2 * ceil(hypot(rows, columns)) + 1
    for k in range(count + 1):
        r, q = floor(row + k / count * rows + 0.5), floor(column + k / count * columns + 0.5)
        if 0 <= r < SIZE and 0 <= q < SIZE:
            out[r, q] = max(out[r, q], shade)


@inner
def _fill_box(
    box_x: float,
    box_y: float,
    box_cos: float,
    box_sin: float,
    half_length: float,
    half_width: float,
    view: View,
    shade: int,
    out: UInt8[np.ndarray, "96 96"],
) -> None:
    """Colour the pixels whose points lie in a box; the brighter of two actors stays."""
    dx, dy, c, s = box_x - view.x, box_y - view.y, view.cos, view.sin
    ahead, left = dx * c + dy * s, dy * c - dx * s
    cos, sin = box_cos * c + box_sin * s, box_sin * c - box_cos * s
    length, width = max(half_length, SMALLEST), max(half_width, SMALLEST)
    tall = abs(cos) * length + abs(sin) * width
    wide = abs(sin) * length + abs(cos) * width
    top, bottom = ceil(MIDDLE - (ahead + tall) / PIXEL), floor(MIDDLE - (ahead - tall) / PIXEL)
    first, last = ceil(MIDDLE - (left + wide) / PIXEL), floor(MIDDLE - (left - wide) / PIXEL)
    for row in range(max(top, 0), min(bottom, SIZE - 1) + 1):
        for column in range(max(first, 0), min(last, SIZE - 1) + 1):
            px, py = (MIDDLE - row) * PIXEL - ahead, (MIDDLE - column) * PIXEL - left
            if abs(px * cos + py * sin) <= length and abs(py * cos - px * sin) <= width:
                out[row, column] = max(out[row, column], shade)
