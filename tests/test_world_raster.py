"""The picture of the ego's surroundings, pixel by pixel against shapely."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest
import shapely
from world_actors import lane, put, road_map, scatter

from drivelab.geometry.boxes import box_polygons
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.arrays import State
from drivelab.kernels.world.raster import CHANNELS, PIXEL, SIZE, SMALLEST, raster_ego
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.world.roads import RoadTables, road_tables


def picture(tables: RoadTables, state: State, e: int = 0) -> dict[str, np.ndarray]:
    out = np.full((len(state.map), len(CHANNELS), SIZE, SIZE), 7, np.uint8)
    raster_ego(tables.roads, state, out)
    return dict(zip(CHANNELS, out[e], strict=True))


def pixel_points(state: State, e: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places of all pixels in the local frame of the map."""
    ahead = (47.5 - np.arange(SIZE))[:, None] * PIXEL
    left = (47.5 - np.arange(SIZE))[None] * PIXEL
    c, s, rear = state.cos[e, 0], state.sin[e, 0], state.rear[e, 0]
    x, y = state.x[e, 0] - rear * c, state.y[e, 0] - rear * s
    return x + c * ahead - s * left, y + s * ahead + c * left


@pytest.mark.parametrize("family", ["roundabout", "four_way", "parked_cars"])
def test_the_drivable_channel_says_which_pixels_are_drivable(family: str) -> None:
    tables = road_tables(FAMILIES[family](np.random.default_rng(3)).map)
    state = scatter(tables.roads, np.random.default_rng(1), environments=6, actors=4, aside=8.0)
    state.mode[:, 0], state.rear[:, 0] = a.POLICY, 1.4
    for e in range(6):
        inside = shapely.contains_xy(tables.drivable, *pixel_points(state, e))
        np.testing.assert_array_equal(picture(tables, state, e)["drivable"], 255 * inside)


def test_actors_fill_the_pixels_under_their_boxes() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)])))
    state = put(
        [(0, 0, 0.4, 4, 2), (9, 3, 1.0, 12, 2.5), (-14, 6, 0.2, 4, 2), (5, -7, 0, 0.4, 0.3)]
    )
    state.kind[0] = (0, 0, 2, 1)
    state.speed[0] = (3.0, 10.0, -4.0, 0.0)
    mine = picture(tables, state)
    points = pixel_points(state)
    for channel, seconds in (("actors", 0.0), ("actors_before", 1.0)):
        expected = np.zeros((SIZE, SIZE), int)
        for n, shade in ((3, 128), (2, 192), (1, 255)):
            back = seconds * state.speed[0, n]
            size = 2 * np.maximum([state.half_length[0, n], state.half_width[0, n]], SMALLEST)
            pose = [state.x[0, n] - back * state.cos[0, n], state.y[0, n] - back * state.sin[0, n]]
            box = box_polygons(np.array([[*pose, state.yaw[0, n], *size]]))[0]
            expected[shapely.contains_xy(box, *points)] = shade
        np.testing.assert_array_equal(mine[channel], expected)
        assert (expected == 128).any()  # a pedestrian is never too small to be seen


def test_lanes_way_and_lights_are_drawn_along_their_lines() -> None:
    lane_map = road_map(
        lane("in", [(-60, 0), (0, 0)], successors=("c",)),
        lane("c", [(0, 0), (8, 1), (12, 5)], connector=True, predecessors=("in",)),
    )
    tables = road_tables(lane_map, groups=(("c",),))
    state = put([(-4 - tables.origin[0], 1 - tables.origin[1], 0.3, 4, 2)])
    way = np.array([[-30.0, 2.0, 0, 0], [12.0, 2.0, 0, 42.0], [12.0, 60.0, 0, 100.0]])
    way[:, :2] -= tables.origin
    state = state._replace(way=way[None])
    state.way_count[0, 0] = 3
    x, y = pixel_points(state)
    pixels = shapely.points(x, y)
    lines = {
        name: shapely.LineString(lane_map.lanes[name].centreline[:, :2] - tables.origin)
        for name in ("in", "c")
    }
    for shown, shade in ((a.GREEN, 85), (a.YELLOW, 170), (a.RED, 255)):
        state.light[0, 0] = shown
        mine = picture(tables, state)
        assert_drawn(mine["lights"] == shade, pixels, lines["c"], 0.75 * PIXEL)
    assert_drawn(mine["centrelines"] == 255, pixels, lines["in"], 0.75 * PIXEL)
    assert_drawn(
        mine["centrelines"] > 0, pixels, shapely.union_all([*lines.values()]), 0.75 * PIXEL
    )
    assert (mine["centrelines"] == 128).any()
    assert_drawn(mine["way"] == 255, pixels, shapely.LineString(way[:, :2]), 0.75 + 0.75 * PIXEL)


def assert_drawn(drawn: np.ndarray, pixels: np.ndarray, line: object, reach: float) -> None:
    """All that is drawn is near the line, and all pixels that the line passes closely are drawn."""
    gap = shapely.distance(pixels, line)
    assert drawn.any()
    assert gap[drawn].max() <= reach + 0.02
    close = gap < 0.2 * PIXEL
    assert drawn[close].all()


def test_ahead_is_up_and_left_is_left() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)])))
    yaw = 2.0
    ahead, left = (cos(yaw), sin(yaw)), (cos(yaw + pi / 2), sin(yaw + pi / 2))
    for (dx, dy), (row, column) in ((ahead, (20.0, 47.5)), (left, (47.5, 20.0))):
        away = 27.5 * PIXEL
        state = put([(0, 0, yaw, 4, 2), (away * dx, away * dy, 0, 2, 2)])
        rows, columns = np.nonzero(picture(tables, state)["actors"])
        assert rows.mean() == pytest.approx(row, abs=0.5)
        assert columns.mean() == pytest.approx(column, abs=0.5)


def test_an_absent_ego_sees_nothing() -> None:
    tables = road_tables(road_map(lane("l", [(-100, 0), (100, 0)])))
    state = put([(0, 0, 0, 4, 2), (5, 0, 0, 4, 2)])
    state.mode[0, 0] = a.ABSENT
    assert not any(channel.any() for channel in picture(tables, state).values())
