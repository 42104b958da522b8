import pickle

import numpy as np
import pytest
import shapely
from xodr_text import crossing, cubic, document, geometry, lane, link, road, section

from drivelab.errors import DataError
from drivelab.maps.index import Layer, objects_at
from drivelab.maps.map_check import check_map
from drivelab.maps.opendrive import OpenDriveMap, parse_opendrive, read_opendrive
from drivelab.types import AreaKind, LaneMap


def read(*parts: str) -> OpenDriveMap:
    return parse_opendrive(document(*parts), "hand")


def lanes_of(*parts: str) -> LaneMap:
    return read(*parts).lane_map


def test_lanes_lie_beside_the_reference_line() -> None:
    two = section(left=lane(1, width=3.0), right=lane(-1, width=4.0) + lane(-2, width=2.0))
    lane_map = lanes_of(road("7", two))
    middles = {name: lane.centreline[0, 1] for name, lane in lane_map.lanes.items()}
    assert middles == {"7/0/1": 1.5, "7/0/-1": -2.0, "7/0/-2": -5.0}
    ahead, back = lane_map.lanes["7/0/-1"], lane_map.lanes["7/0/1"]
    np.testing.assert_allclose(ahead.centreline[[0, -1]], [[0, -2, 0], [100, -2, 0]])
    np.testing.assert_allclose(back.centreline[[0, -1], 0], [100, 0])
    np.testing.assert_allclose(np.abs(back.centreline[:, 2]), np.pi)
    np.testing.assert_allclose(back.left_boundary, [*[[100 - 100 / 3 * k, 0] for k in range(4)]])
    assert ahead.polygon.area == pytest.approx(400.0)
    check_map(lane_map)


def test_blocks_hold_the_lanes_of_a_direction_from_left_to_right() -> None:
    sections = section(left=lane(2) + lane(1), right=lane(-1) + lane(-2) + lane(-3, "shoulder"))
    lane_map = lanes_of(road("1", sections))
    assert {b.id: b.lanes for b in lane_map.blocks.values()} == {
        "1/0/left": ("1/0/1", "1/0/2"),
        "1/0/right": ("1/0/-1", "1/0/-2"),
    }
    second = lane_map.lanes["1/0/2"]
    assert (second.left, second.right, second.index) == ("1/0/1", None, 1)
    assert lane_map.blocks["1/0/left"].polygon.area == pytest.approx(700.0)


def test_bicycle_lanes_and_lanes_behind_a_median_are_blocks_of_their_own() -> None:
    right = lane(-1) + lane(-2, "median") + lane(-3) + lane(-4, "biking", width=2.0)
    lane_map = lanes_of(road("1", section(right=right)))
    assert [b.lanes for b in lane_map.blocks.values()] == [("1/0/-1",), ("1/0/-3",), ("1/0/-4",)]
    assert list(lane_map.blocks) == ["1/0/right", "1/0/right.2", "1/0/right.3"]
    assert lane_map.lanes["1/0/-4"].kind == "bicycle"
    assert lane_map.lanes["1/0/-3"].left is None


def test_left_hand_traffic_drives_the_other_way_with_the_centre_on_its_right() -> None:
    lane_map = lanes_of(road("1", section(left=lane(2) + lane(1), right=lane(-1)), extra="LHT"))
    ahead, back = lane_map.lanes["1/0/1"], lane_map.lanes["1/0/-1"]
    assert ahead.centreline[0, 0] == 0.0
    assert back.centreline[0, 0] == 100.0
    assert lane_map.blocks["1/0/left"].lanes == ("1/0/2", "1/0/1")
    assert ahead.right_boundary is not None
    np.testing.assert_allclose(ahead.right_boundary[:, 1], 0.0, atol=1e-12)


def test_widths_and_lane_offset_are_cubics_with_several_records() -> None:
    inner = cubic("width", "sOffset", 0, 3, 0.02) + cubic("width", "sOffset", 50, 4)
    offset = cubic("laneOffset", "s", 0, 1) + cubic("laneOffset", "s", 60, 1, 0.1)
    found = read(road("1", section(right=lane(-1, inner=inner)), offset=offset))
    s = np.array([0.0, 25.0, 50.0, 80.0])
    poses, exist = found.poses(np.zeros(4, int), np.full(4, -1), s)
    assert exist.all()
    np.testing.assert_allclose(poses[:, 1], [1 - 1.5, 1 - 1.75, 1 - 2, 1 + 2 - 2])
    np.testing.assert_allclose(poses[[1, 3], 2], [np.arctan(-0.01), np.arctan(0.1)])


def test_borders_stand_for_widths() -> None:
    inner = [cubic("border", "sOffset", 0, value) for value in (3.0, 7.0)]
    lane_map = lanes_of(
        road("1", section(right=lane(-1, inner=inner[0]) + lane(-2, inner=inner[1])))
    )
    assert lane_map.lanes["1/0/-2"].centreline[0, 1] == pytest.approx(-5.0)


def test_poses_know_which_lanes_exist_where() -> None:
    first = section(right=lane(-1, inner=link(successor=-1)))
    second = section(s=40, right=lane(-1, inner=link(-1)) + lane(-2))
    found = read(road("5", first + second))
    assert found.pose("5", -2, 39.999) is None
    at = found.pose("5", -2, 40.0)
    assert at is not None
    np.testing.assert_allclose(at, [40.0, -5.25, 0.0])
    for road_id, number, s in (("5", -1, 100.0), ("5", -1, -0.1), ("5", 1, 5.0), ("6", -1, 5.0)):
        assert found.pose(road_id, number, s) is None
    assert found.s_range("5/1/-2") == (40.0, 100.0)
    assert found.lane_map.lanes["5/0/-1"].successors == ("5/1/-1",)


def test_a_crossing_links_its_lanes_through_the_junction() -> None:
    lane_map = parse_opendrive(crossing(), "x").lane_map
    lanes = lane_map.lanes
    assert lanes["1/0/-1"].successors == ("11/0/-1", "12/0/-1")
    assert lanes["1/0/-2"].successors == ("11/0/-2",)
    assert lanes["12/0/-1"].predecessors == ("1/0/-1",)
    assert lanes["12/0/-1"].successors == ("3/0/-1",)
    assert lanes["1/0/1"].successors == ()
    assert [name for name, lane in lanes.items() if lane.connector] == [
        "11/0/-1",
        "11/0/-2",
        "12/0/-1",
    ]
    assert (lanes["11/0/-1"].turn, lanes["12/0/-1"].turn, lanes["1/0/-1"].turn) == (
        "straight",
        "left",
        "",
    )
    assert lane_map.blocks["11/0/right"].intersection == "junction/9"
    assert lane_map.blocks["1/0/right"].successors == ("11/0/right", "12/0/right")


def test_lights_and_signs_reach_the_lanes_they_govern() -> None:
    lane_map = parse_opendrive(crossing(), "x").lane_map
    control = lane_map.control
    assert dict(control.signal_groups) == {"9/80": ("11/0/-1", "11/0/-2")}
    assert (control.stop_signs, control.yield_signs) == (("12/0/-1",), ())
    assert [n for n, lane in lane_map.lanes.items() if lane.has_traffic_lights] == [
        "11/0/-1",
        "11/0/-2",
    ]
    stops = {a.id: a for a in lane_map.areas if a.kind is AreaKind.STOP}
    waiting = lane_map.lanes["1/0/-2"].stop_lines
    assert waiting == ("stop/1/0/-2",)
    np.testing.assert_allclose(stops[waiting[0]].polygon.bounds, [99.8, -7.0, 100.2, -3.5])


def test_signals_on_the_approach_govern_what_follows_and_lights_alone_group_by_road() -> None:
    text = crossing().decode()
    text = text.replace(
        '<controller id="80" name="c"><control signalId="70" type="0"/></controller>', ""
    )
    text = text.replace('<controller id="80" type="0"/>', "")
    text = text.replace('fromLane="0" toLane="0"', 'fromLane="-2" toLane="-2"')
    text = text.replace('fromLane="-2" toLane="-1"', 'fromLane="0" toLane="0"')
    control = parse_opendrive(text.encode(), "x").lane_map.control
    assert dict(control.signal_groups) == {"9/road-1": ("11/0/-2",)}
    assert control.stop_signs == ("12/0/-1",)


def test_marks_say_where_lanes_may_be_changed() -> None:
    solid = '<roadMark sOffset="0" type="solid" laneChange="none"/>'
    up = '<roadMark sOffset="0" type="solid broken" laneChange="increase"/>'
    three = lane(-1, inner=solid) + lane(-2, inner=up) + lane(-3)
    lanes = lanes_of(road("1", section(right=three))).lanes
    may = {name[-1]: (lane.change_left, lane.change_right) for name, lane in lanes.items()}
    assert may == {"1": (True, False), "2": (False, False), "3": (True, True)}


SPEED = '<speed sOffset="0" max="{}" unit="{}"/>'


@pytest.mark.parametrize(
    ("value", "unit", "limit"),
    [("36", "km/h", 10.0), ("10", "m/s", 10.0), ("50", "mph", 22.352), ("no limit", "mph", None)],
)
def test_lane_speeds_have_units(value: str, unit: str, limit: float | None) -> None:
    lanes = lanes_of(road("1", section(right=lane(-1, inner=SPEED.format(value, unit))))).lanes
    assert lanes["1/0/-1"].speed_limit == (None if limit is None else pytest.approx(limit))


def test_signs_hold_from_where_they_stand_until_the_next() -> None:
    def piece(number: int, more: str = "") -> str:
        ahead = f'<successor elementType="road" elementId="{number + 1}" contactPoint="start"/>'
        ends = ahead if number < 5 else ""
        kind = '<type s="0" type="town"><speed max="55" unit="mph"/></type>'
        only = section(right=lane(-1, inner=link(successor=-1)))
        place = geometry(x=100.0 * number)
        return road(str(number), only, place, links=ends, extra=kind, more=more)

    early = (
        '<signals><signal id="1" s="10" t="-5" orientation="+" type="274" value="30" unit="km/h">'
        "</signal></signals>"
    )
    late = '<objects><object id="2" name="Speed_90" s="80" t="-5" hdg="0" type="-1"/></objects>'
    lanes = lanes_of(piece(1), piece(2, early), piece(3), piece(4, late), piece(5)).lanes
    limits = [(lane.speed_limit or 0) * 3.6 for lane in lanes.values()]
    np.testing.assert_allclose(limits, [88.5, 30, 30, 30, 90], atol=0.02)


def test_areas_follow_the_lane_types_and_kerbs() -> None:
    kerb = '<roadMark sOffset="0" type="curb" laneChange="none"/>'
    right = (
        lane(-1)
        + lane(-2, "shoulder", inner=kerb, width=1.0)
        + lane(-3, "shoulder", width=2.0)
        + lane(-4, "sidewalk", width=3.0)
    )
    left = lane(2, "border") + lane(1, "parking", width=2.5)
    crosswalk = (
        '<objects><object id="4" name="zebra" type="crosswalk" s="50" t="0" hdg="1.570796326795">'
        '<outline><cornerLocal u="-4" v="-1" z="0"/><cornerLocal u="4" v="-1" z="0"/>'
        '<cornerLocal u="4" v="1" z="0"/><cornerLocal u="-4" v="1" z="0"/></outline>'
        "</object></objects>"
    )
    lane_map = lanes_of(road("1", section(left=left, right=right), more=crosswalk))
    found = {area.id: (area.kind, area.polygon.area) for area in lane_map.areas}
    assert found == {
        "1/0/1": (AreaKind.CARPARK, pytest.approx(250)),
        "1/0/-2": (AreaKind.DRIVABLE, pytest.approx(100)),
        "1/0/-4": (AreaKind.WALKWAY, pytest.approx(300)),
        "object/4": (AreaKind.CROSSWALK, pytest.approx(16)),
    }
    crosswalks = [a for a in lane_map.areas if a.kind is AreaKind.CROSSWALK]
    np.testing.assert_allclose(crosswalks[0].polygon.bounds, [49, -4, 51, 4])
    assert objects_at(lane_map, Layer.CARPARK, np.array([50.0, 1.0])) == ["1/0/1"]


def test_painted_stop_lines_belong_to_the_lanes_they_cover() -> None:
    line = (
        '<objects><object id="6" name="StopLine" type="-1" s="97" t="-1.75" '
        'hdg="1.5707963267948966" length="3.4" width="0"/></objects>'
    )
    lane_map = lanes_of(road("1", section(right=lane(-1) + lane(-2)), more=line))
    assert lane_map.lanes["1/0/-1"].stop_lines == ("object/6",)
    assert lane_map.lanes["1/0/-2"].stop_lines == ()
    (area,) = [a for a in lane_map.areas if a.kind is AreaKind.STOP]
    np.testing.assert_allclose(area.polygon.bounds, [96.8, -3.45, 97.2, -0.05])


def test_the_intersection_covers_its_connectors_and_what_they_enclose() -> None:
    lane_map = parse_opendrive(crossing(), "x").lane_map
    (area,) = [a for a in lane_map.areas if a.kind is AreaKind.INTERSECTION]
    for name in ("11/0/-1", "11/0/-2", "12/0/-1"):
        polygon = lane_map.lanes[name].polygon
        assert shapely.area(shapely.difference(polygon, area.polygon)) < 0.02
    assert len(area.polygon.interiors) == 0


def test_heights_follow_the_elevation() -> None:
    rise = f"<elevationProfile>{cubic('elevation', 's', 0, 5, 0.1)}</elevationProfile>"
    lanes = lanes_of(road("1", section(left=lane(1), right=lane(-1)), extra=rise)).lanes
    for name, ends in (("1/0/-1", [5.0, 15.0]), ("1/0/1", [15.0, 5.0])):
        heights = lanes[name].heights
        assert heights is not None
        np.testing.assert_allclose(heights[[0, -1]], ends)


def test_a_map_survives_pickling_with_its_control() -> None:
    lane_map = parse_opendrive(crossing(), "x").lane_map
    copy = pickle.loads(pickle.dumps(lane_map))
    assert copy.control.signal_groups == lane_map.control.signal_groups
    assert copy.lanes.keys() == lane_map.lanes.keys()


GOOD = road("1", section(right=lane(-1)))
TYPED = (
    document(GOOD)
    .decode()
    .replace("<planView>", '<type s="{}" type="town"><speed max="{}"/></type><planView>')
)
SIGN = '<signals><signal id="7" s="1" t="1" type="274" value="50" unit="{}"/></signals>'
CROSSWALK = """<objects><object id="w" type="crosswalk" s="5" t="1"><outline>
<cornerLocal u="nan" v="0"/><cornerLocal u="3" v="0"/><cornerLocal u="3" v="5"/>
</outline></object></objects>"""


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (document(GOOD)[:-30], "", "cut short"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + document(GOOD)[21:], "", "document type"),
        (b"<OpenDRIVE/>", "", "no <road>"),
        (document(road("1", section(right=lane(-1)), "<x/>")), "road 1, <planView>", "ends at s"),
        (
            document(road("1", section(right=lane(-1)), geometry("<nurbs/>"))),
            "road 1, <nurbs>",
            "not known",
        ),
        (document(road("1", section(right=lane(-1)), geometry(""))), "<geometry>", "no shape"),
        (
            document(road("1", section(right=lane(-1)), geometry(x=float("nan")))),
            "road 1, <geometry>",
            "not finite",
        ),
        (document(road("1", section(right=lane(-1, width=float("nan"))))), "<width>", "not finite"),
        (document(road("1", section(right=lane(-1)), length=0)), "road 1, <road>", "more than 0"),
        (document(GOOD, GOOD), "road 1", "read before"),
        (document(road("1", "")), "road 1, <lanes>", "laneSection"),
        (document(road("1", section(right=lane(-1) + lane(-1)))), "<lane>", "twice"),
        (document(road("1", section(right=lane(-1, "sidewalk")))), "", "no lane with traffic"),
        (document(GOOD).replace(b'x="0"', b""), "road 1, <geometry>", "no attribute 'x'"),
        (document(GOOD).replace(b'x="0"', b'x="zero"'), "road 1, <geometry>", "zero"),
        (
            document(
                road(
                    "1",
                    section(right=lane(-1, inner=link(successor=-1))),
                    links='<successor elementType="road" elementId="77" contactPoint="start"/>',
                )
            ),
            "road 1, <link>",
            "'77'",
        ),
        (
            document(road("1", section(right=lane(-1, inner=link(successor=-4))) + section(s=50))),
            "road 1, <link>",
            "lane -4",
        ),
        (crossing().replace(b'connectingRoad="12"', b'connectingRoad="55"'), "junction 9", "'55'"),
        (
            crossing().replace(
                b'elementType="junction" elementId="9"', b'elementType="junction" elementId="8"'
            ),
            "road 1, <link>",
            "'8'",
        ),
        (
            document(road("1", section(right=lane(-1, inner=SPEED.format(3, "knots"))))),
            "road 1, <speed>",
            "knots",
        ),
        (b'<?xml version="1.0" encoding="foo"?><OpenDRIVE/>', "", "unknown encoding"),
        (document(road("1", section(right=lane(-1)), length=1e9)), "road 1", "more than 10000000"),
        (document(road("1", section(right=lane(-1, width=1e300)))), "road 1, <width>", "beyond"),
        (document(road("1", section(right=lane(-(10**30))))), "road 1, <lane>", "no whole number"),
        (
            document(road("1", section(right=lane(-1)), geometry('<arc curvature="5"/>'))),
            "road 1, <geometry>",
            "turns by up to 500 rad",
        ),
        (
            document(road("1", section(right=lane(-1)), more=CROSSWALK)),
            "road 1, <object w>",
            "a corner is not finite",
        ),
        (TYPED.format("nan", 50).encode(), "road 1, <type>", "its s is 'nan'"),
        (TYPED.format(0, "inf").encode(), "road 1, <speed>", "its max is 'inf'"),
        (
            document(road("1", section(right=lane(-1, inner=SPEED.format("3", "m/s"))))).replace(
                b'<speed sOffset="0"', b'<speed sOffset="-inf"'
            ),
            "road 1, <speed>",
            "its sOffset is '-inf'",
        ),
        (
            document(road("1", section(right=lane(-1, inner='<roadMark sOffset="NaN"/>')))),
            "road 1, <roadMark>",
            "its sOffset is 'NaN'",
        ),
        (
            document(road("1", section(s=float("inf"), right=lane(-1)))),
            "road 1, <laneSection>",
            "not finite",
        ),
        (
            document(road("1", section(right=lane(-1)), more=SIGN.format("furlong"))),
            "road 1, <signal 7>",
            "its unit is 'furlong'",
        ),
    ],
)
def test_bad_files_are_refused_with_their_place(text: bytes, place: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_opendrive(text, "bad", file="bad.xodr")
    assert "bad.xodr" in str(caught.value)
    assert place in str(caught.value)
    assert problem in str(caught.value)


def test_a_missing_file_is_named(tmp_path: object) -> None:
    with pytest.raises(DataError, match=r"nowhere\.xodr: cannot be read"):
        read_opendrive(f"{tmp_path}/nowhere.xodr")
