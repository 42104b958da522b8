"""nuPlan maps: what the official map code returned for the files of the synthetic set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from drivelab.data.geopackage import layer_names
from drivelab.data.nuplan.baseline import curvature_at, nearest_pose
from drivelab.data.nuplan.layers import find_city
from drivelab.data.nuplan.map import STOP_KINDS, load_nuplan_map
from drivelab.data.nuplan.raster import load_raster
from drivelab.data.sqlite import open_readonly
from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import wrap_angle
from drivelab.maps.index import (
    Layer,
    nearest_object,
    objects_at,
    objects_near,
)
from drivelab.types import AreaKind, LaneMap

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "nuplan_format"
MAPS = ROOT / "data" / "maps"
EXPECTED = json.loads((ROOT / "expected" / "map_expected.json").read_text())
OBJECTS = EXPECTED["objects"]
METRES = 1e-3  # the expected numbers are rounded to 1e-4
RADIANS = 1e-5
LAYERS = {
    "LANE": Layer.LANE,
    "LANE_CONNECTOR": Layer.LANE_CONNECTOR,
    "ROADBLOCK": Layer.ROADBLOCK,
    "ROADBLOCK_CONNECTOR": Layer.ROADBLOCK_CONNECTOR,
    "INTERSECTION": Layer.INTERSECTION,
    "STOP_LINE": Layer.STOP,
    "CROSSWALK": Layer.CROSSWALK,
    "WALKWAYS": Layer.WALKWAY,
    "CARPARK_AREA": Layer.CARPARK,
}
AREA_LAYERS = [name for name, layer in LAYERS.items() if layer.value in AreaKind._value2member_map_]
DRIVABLE = (AreaKind.ROAD_SEGMENT, AreaKind.INTERSECTION, AreaKind.GENERIC, AreaKind.CARPARK)


@pytest.fixture(scope="module")
def city() -> LaneMap:
    return load_nuplan_map(MAPS, EXPECTED["location"])


def cases(*layers: str) -> list[Any]:
    return [
        pytest.param(layer, name, id=f"{layer}-{name}")
        for layer in layers
        for name in OBJECTS[layer]
    ]


def assert_same_polygon(polygon: Any, expected: dict[str, Any]) -> None:
    np.testing.assert_allclose(
        shapely.get_coordinates(polygon.exterior), expected["exterior"], rtol=0, atol=METRES
    )
    assert len(polygon.interiors) == len(expected["holes"])
    for ring, hole in zip(polygon.interiors, expected["holes"], strict=True):
        np.testing.assert_allclose(shapely.get_coordinates(ring), hole, rtol=0, atol=METRES)


def test_the_file_lists_the_expected_layers() -> None:
    file, _ = find_city(MAPS, EXPECTED["location"])
    with open_readonly(file) as connection:
        assert set(layer_names(connection)) == set(EXPECTED["layers_in_file"])


def test_every_layer_holds_the_expected_ids(city: LaneMap) -> None:
    lanes = {
        "LANE": [lane.id for lane in city.lanes.values() if not lane.connector],
        "LANE_CONNECTOR": [lane.id for lane in city.lanes.values() if lane.connector],
        "ROADBLOCK": [block.id for block in city.blocks.values() if not block.connector],
        "ROADBLOCK_CONNECTOR": [block.id for block in city.blocks.values() if block.connector],
    }
    for layer in OBJECTS:
        kind = LAYERS[layer].value
        found = lanes.get(layer) or [area.id for area in city.areas if area.kind == kind]
        assert sorted(found) == sorted(OBJECTS[layer]), layer


@pytest.mark.parametrize(("layer", "name"), cases("LANE", "LANE_CONNECTOR"))
def test_lane_equals_the_official_one(city: LaneMap, layer: str, name: str) -> None:
    expected, lane = OBJECTS[layer][name], city.lanes[name]
    assert_same_polygon(lane.polygon, expected["polygon"])
    assert lane.connector == (layer == "LANE_CONNECTOR")
    assert lane.block == expected["roadblock"] == expected["parent"]
    assert lane.speed_limit == expected["speed_limit_mps"]
    assert sorted(lane.predecessors) == expected["incoming"]
    assert sorted(lane.successors) == expected["outgoing"]
    discrete = np.array(expected["baseline"]["discrete"])
    np.testing.assert_allclose(lane.centreline[:, :2], discrete[:, :2], rtol=0, atol=METRES)
    np.testing.assert_allclose(
        wrap_angle(lane.centreline[:, 2] - discrete[:, 2]), 0, rtol=0, atol=RADIANS
    )
    length = arc_lengths(lane.centreline)[-1]
    assert length == pytest.approx(expected["baseline"]["length"], abs=METRES)
    assert curvature_at(lane.centreline, length / 2) == pytest.approx(
        expected["baseline"]["curvature_mid"], abs=1e-5
    )


@pytest.mark.parametrize(("layer", "name"), cases("LANE", "LANE_CONNECTOR"))
def test_boundaries_equal_the_official_ones_and_run_along_the_lane(
    city: LaneMap, layer: str, name: str
) -> None:
    expected, lane = OBJECTS[layer][name], city.lanes[name]
    for side, line in (("left", lane.left_boundary), ("right", lane.right_boundary)):
        points = np.array(expected[f"{side}_boundary"]["points"])
        assert line is not None
        turned = np.hypot(*(line[0] - points[0])) > METRES
        np.testing.assert_allclose(line, points[::-1] if turned else points, rtol=0, atol=METRES)
        assert (line[-1] - line[0]) @ (lane.centreline[-1, :2] - lane.centreline[0, :2]) > 0
        offset = (line[0] - lane.centreline[0, :2]) @ np.array(
            [-np.sin(lane.centreline[0, 2]), np.cos(lane.centreline[0, 2])]
        )
        assert (offset > 0) == (side == "left")


@pytest.mark.parametrize(("layer", "name"), cases("LANE", "LANE_CONNECTOR"))
def test_nearest_pose_equals_the_official_one(city: LaneMap, layer: str, name: str) -> None:
    probe = OBJECTS[layer][name]["nearest_pose_probe"]
    s, pose = nearest_pose(city.lanes[name].centreline, np.array(probe["point"]))
    assert s == pytest.approx(probe["arc_length"], abs=METRES)
    np.testing.assert_allclose(pose[:2], probe["pose"][:2], rtol=0, atol=METRES)
    assert wrap_angle(pose[2] - probe["pose"][2]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("layer", "name"), cases("LANE"))
def test_lane_neighbours_equal_the_official_ones(city: LaneMap, layer: str, name: str) -> None:
    expected, lane = OBJECTS[layer][name], city.lanes[name]
    assert lane.index == expected["index"]
    assert lane.left == expected["left_neighbour"]
    assert lane.right == expected["right_neighbour"]


@pytest.mark.parametrize(("layer", "name"), cases("LANE_CONNECTOR"))
def test_connector_lights_and_turn_equal_the_official_ones(
    city: LaneMap, layer: str, name: str
) -> None:
    expected, lane = OBJECTS[layer][name], city.lanes[name]
    assert lane.has_traffic_lights == expected["has_traffic_lights"]
    assert sorted(lane.stop_lines) == sorted(expected["stop_lines"])
    turns = ("straight", "left", "right", "u_turn", "unknown")
    assert lane.turn == turns[expected["turn_type_fid"]]
    assert lane.left is None
    assert lane.right is None


@pytest.mark.parametrize(("layer", "name"), cases("ROADBLOCK", "ROADBLOCK_CONNECTOR"))
def test_block_equals_the_official_one(city: LaneMap, layer: str, name: str) -> None:
    expected, block = OBJECTS[layer][name], city.blocks[name]
    assert_same_polygon(block.polygon, expected["polygon"])
    assert block.connector == (layer == "ROADBLOCK_CONNECTOR")
    assert sorted(block.lanes) == sorted(expected["interior"])
    assert sorted(block.predecessors) == sorted(expected["incoming"])
    assert sorted(block.successors) == sorted(expected["outgoing"])
    assert block.intersection == expected.get("intersection")


@pytest.mark.parametrize(("layer", "name"), cases(*AREA_LAYERS))
def test_area_equals_the_official_one(city: LaneMap, layer: str, name: str) -> None:
    kind = LAYERS[layer].value
    area = next(a for a in city.areas if a.id == name and a.kind == kind)
    assert_same_polygon(area.polygon, OBJECTS[layer][name]["polygon"])
    if layer == "STOP_LINE":
        assert area.detail == STOP_KINDS[OBJECTS[layer][name]["stop_line_type"]]


def test_drivable_area_is_the_sum_of_four_kinds(city: LaneMap) -> None:
    expected = EXPECTED["drivable_area_vector"]
    areas = [area for area in city.areas if area.kind in DRIVABLE]
    assert len(areas) == expected["n"]
    assert sorted(area.id for area in areas) == sorted(expected["fids"])
    assert sum(area.polygon.area for area in areas) == pytest.approx(expected["area_m2"], abs=1e-2)


def test_raster_equals_the_official_one() -> None:
    expected = EXPECTED["drivable_area_raster"]
    raster = load_raster(MAPS, EXPECTED["location"])
    assert list(raster.data.shape) == expected["shape"]
    assert raster.precision == pytest.approx(expected["precision"])
    assert int(raster.data.sum()) == expected["sum"]
    np.testing.assert_array_equal(raster.pixel_from_map, expected["transform"])


@pytest.mark.parametrize("query", EXPECTED["point_queries"], ids=lambda q: str(q["point"]))
def test_point_query_equals_the_official_one(city: LaneMap, query: dict[str, Any]) -> None:
    point = np.array(query["point"])
    for layer, expected in query["inside"].items():
        assert sorted(objects_at(city, LAYERS[layer], point)) == sorted(expected), layer
    for layer, (name, distance) in query["nearest"].items():
        found = nearest_object(city, LAYERS[layer], point)
        assert found is not None
        assert found[1] == pytest.approx(distance, abs=METRES)
        if distance > METRES:  # overlapping polygons tie at distance 0
            assert found[0] == name, layer
    raster = load_raster(MAPS, EXPECTED["location"])
    assert bool(raster.at(point[None])[0]) == query["drivable"]


@pytest.mark.parametrize(
    "query", EXPECTED["proximal_queries"], ids=lambda q: f"{q['point']}-{q['radius']}"
)
def test_window_query_equals_the_official_one(city: LaneMap, query: dict[str, Any]) -> None:
    for layer, expected in query["ids"].items():
        found = objects_near(city, LAYERS[layer], np.array(query["point"]), query["radius"])
        assert sorted(found) == sorted(expected), layer


def test_map_order_is_the_order_of_the_official_drivable_map(city: LaneMap) -> None:
    """Ties between overlapping polygons are decided by this order."""
    scenes = json.loads((ROOT / "expected" / "pdms_v11_expected.json").read_text())["scenes"]
    navsim = json.loads((ROOT / "expected" / "navsim_expected.json").read_text())["scenes"]
    poses = {s["token"]: s["ego_global"][s["metadata"]["num_history_frames"] - 1] for s in navsim}
    for scene in scenes:
        x, y, yaw = poses[scene["token"]]
        centre = np.array([x + 1.461 * np.cos(yaw), y + 1.461 * np.sin(yaw)])
        blocks = objects_near(city, Layer.ROADBLOCK, centre, 100.0)
        links = objects_near(city, Layer.ROADBLOCK_CONNECTOR, centre, 100.0)
        area = [[name, "ROADBLOCK"] for name in blocks]
        area += [[lane, "LANE"] for name in blocks for lane in city.blocks[name].lanes]
        area += [[lane, "LANE_CONNECTOR"] for name in links for lane in city.blocks[name].lanes]
        for layer in ("INTERSECTION", "CARPARK_AREA"):
            area += [[name, layer] for name in objects_near(city, LAYERS[layer], centre, 100.0)]
        assert area == scene["area"], scene["token"]
