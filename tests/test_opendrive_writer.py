from pathlib import Path

import numpy as np
import pytest
import shapely
from xodr_text import crossing

from drivelab.errors import DataError
from drivelab.maps.opendrive import parse_opendrive, read_opendrive, write_opendrive
from drivelab.sim.generator.families import FAMILIES
from drivelab.types import AreaKind, Block, Lane, LaneMap

CENTRE = 0.05  # how far a lane's middle may move on its way through a file [m]
KINDS = ("straight", "curve", "merge", "four_way", "roundabout")


def generated(family: str) -> LaneMap:
    return FAMILIES[family](np.random.default_rng(3)).map


def line(lane: Lane) -> shapely.LineString:
    return shapely.LineString(lane.centreline[:, :2])


def edges(lane_map: LaneMap) -> set[tuple[str, str]]:
    return {(name, after) for name, lane in lane_map.lanes.items() for after in lane.successors}


@pytest.mark.parametrize("family", KINDS)
def test_generated_roads_come_back_in_place_and_connected(family: str, tmp_path: Path) -> None:
    lane_map = generated(family)
    names = write_opendrive(lane_map, tmp_path / "map.xodr")
    back = read_opendrive(tmp_path / "map.xodr").lane_map
    assert set(names.values()) == set(back.lanes)
    for name, lane in lane_map.lanes.items():
        other = back.lanes[names[name]]
        assert shapely.hausdorff_distance(line(lane), line(other)) < CENTRE
        turn = lane.centreline[[0, -1], 2] - other.centreline[[0, -1], 2]
        assert np.abs(np.sin(turn)).max() < 0.02
        shared = shapely.area(shapely.intersection(lane.polygon, other.polygon))
        assert shared > 0.98 * lane.polygon.area
        assert other.connector == lane.connector
        assert other.has_traffic_lights == (lane.has_traffic_lights and lane.connector)
        assert other.speed_limit == pytest.approx(lane.speed_limit)
    assert edges(back) == {(names[a], names[b]) for a, b in edges(lane_map)}


def test_lights_signs_changes_and_crosswalks_are_written(tmp_path: Path) -> None:
    text = crossing().replace(b'laneChange="both"', b'laneChange="decrease"')
    zebra = (
        b'<objects><object id="4" name="zebra" type="crosswalk" s="50" t="1" hdg="0" length="4" '
        b'width="8"/></objects></road>'
    )
    first = parse_opendrive(text.replace(b"</road>", zebra, 1), "x").lane_map
    names = write_opendrive(first, tmp_path / "map.xodr")
    back = read_opendrive(tmp_path / "map.xodr").lane_map
    groups = first.control.signal_groups.values()
    assert [{names[n] for n in g} for g in groups] == [
        set(group) for group in back.control.signal_groups.values()
    ]
    assert back.control.stop_signs == tuple(names[n] for n in first.control.stop_signs)
    for name, lane in first.lanes.items():
        other = back.lanes[names[name]]
        assert (other.change_left, other.change_right) == (lane.change_left, lane.change_right)
    shapes = [[a.polygon for a in m.areas if a.kind is AreaKind.CROSSWALK] for m in (first, back)]
    assert shapely.hausdorff_distance(shapes[0][0], shapes[1][0]) < 1e-6


def test_lanes_apart_stay_apart(tmp_path: Path) -> None:
    """Two lanes of a block with a strip of 2 m between them."""
    x = np.linspace(0.0, 50.0, 51)
    lanes, zero = {}, np.zeros_like(x)
    for k, y in enumerate((0.0, -5.5)):
        left, right = np.column_stack([x, zero + y + 1.75]), np.column_stack([x, zero + y - 1.75])
        ring = shapely.Polygon(np.concatenate([left, right[::-1]]))
        centre = np.column_stack([x, zero + y, zero])
        lanes[str(k)] = Lane(
            str(k), centre, ring, block="b", left_boundary=left, right_boundary=right
        )
    block = Block("b", tuple(lanes), shapely.Polygon())
    names = write_opendrive(LaneMap("apart", lanes, {"b": block}), tmp_path / "map.xodr")
    back = read_opendrive(tmp_path / "map.xodr").lane_map
    for name, lane in lanes.items():
        assert shapely.hausdorff_distance(lane.polygon, back.lanes[names[name]].polygon) < 1e-3


def test_a_lane_without_length_is_refused(tmp_path: Path) -> None:
    point = Lane("p", np.zeros((3, 3)), shapely.Polygon())
    with pytest.raises(DataError, match=r"lane p: its centreline has no length"):
        write_opendrive(LaneMap("m", {"p": point}, {}), tmp_path / "map.xodr")
