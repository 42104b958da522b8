"""Map templates: their names, their joints, the ground under every lane."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.errors import ConfigError
from drivelab.geometry.poses import wrap_angle
from drivelab.maps.map_check import check_map
from drivelab.sim.scenario.templates import TEMPLATES, Parameter, RoadTemplate, build_template
from drivelab.types import AreaKind

NAMES = sorted(TEMPLATES)
PAVED = (AreaKind.INTERSECTION, AreaKind.CARPARK, AreaKind.DRIVABLE)


def ground(template: RoadTemplate) -> shapely.Geometry:
    """What NAVSIM counts as drivable: no connector is, the area of its junction is."""
    lanes = [block.polygon for block in template.map.blocks.values() if not block.connector]
    areas = [area.polygon for area in template.map.areas if area.kind in PAVED]
    return shapely.union_all(shapely.buffer([*lanes, *areas], 0.02))


def follows(template: RoadTemplate, chain: tuple[str, ...]) -> bool:
    lanes = template.map.lanes
    return all(after in lanes[before].successors for before, after in pairwise(chain))


def drawn(parameter: Parameter) -> st.SearchStrategy:
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.whole:
        return st.integers(int(parameter.low), int(parameter.high))
    return st.floats(parameter.low, parameter.high)


def assert_sound(template: RoadTemplate) -> None:
    check_map(template.map)
    for lane in template.map.lanes.values():
        assert lane.polygon.is_valid, lane.id
        for name in lane.successors:
            follower = template.map.lanes[name]
            assert lane.id in follower.predecessors
            gap = follower.centreline[0] - lane.centreline[-1]
            assert np.abs(gap[:2]).max() < 1e-9
            assert abs(wrap_angle(gap[2])) < 1e-6
        for side, back in (("left", "right"), ("right", "left")):
            beside = getattr(lane, side)
            assert beside is None or getattr(template.map.lanes[beside], back) == lane.id
    for area in template.map.areas:
        assert area.polygon.is_valid, area.id
    for block in template.map.blocks.values():
        assert block.polygon.is_valid, block.id
    for chain in [*template.chains.values(), *sum(template.routes.values(), ())]:
        assert follows(template, chain)


@pytest.mark.parametrize("name", NAMES)
def test_lanes_join_exactly_and_chains_follow_them(name: str) -> None:
    template = build_template(name)
    assert_sound(template)
    assert "0" in template.chains


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_parameters_in_range_give_a_sound_map_or_say_what_is_too_small(data) -> None:
    # The grid town has a test of its own: large ones are slow to check.
    kind = TEMPLATES[data.draw(st.sampled_from([n for n in NAMES if n != "grid_town"]))]
    values = {key: data.draw(drawn(parameter)) for key, parameter in kind.parameters.items()}
    if tight(values):
        with pytest.raises(ConfigError, match=r"too small .* ask for at least"):
            build_template(kind.name, values)
    else:
        assert_sound(build_template(kind.name, values))


def tight(values: dict) -> bool:
    """Whether what is asked for needs a wider bend, a wider ring or a longer road than it is given.

    In a bend: lanes, shoulder, pavement and 5 m more. About a ring: four entries and four exits.
    Beside a bus bay: half of it, its taper and 5 m more.
    """
    if "at" in values:
        return bool(values["length"] < values["at"] + 33.0)
    if "flare" in values:
        share = (1.75 + values["flare"]) / (values["radius"] + values["flare"])
        return bool(np.arcsin(share) > np.pi / 4 - 0.02)
    if "angle_deg" not in values:
        return False
    sides = {"left": values["opposite"], "right": values["lanes"]}
    inner = sides[values["bend"]] if "bend" in values else max(sides.values())
    return bool(values["radius"] < 3.5 * inner + 2.8 + 2.5 + 5.0)


def test_a_bus_bay_beyond_the_end_of_its_road_is_refused():
    with pytest.raises(
        ConfigError, match=r"length of 120 m is too small for a bay at 93 m; .* 126"
    ):
        build_template("bus_stop", {"at": 93.0, "length": 120.0})
    assert_sound(build_template("bus_stop", {"at": 93.0, "length": 126.0}))


def test_a_ring_without_room_between_entry_and_exit_is_refused():
    with pytest.raises(ConfigError, match=r"radius of 13 m is too small .* at least 14\.1 m"):
        build_template("roundabout", {"radius": 13.0, "flare": 26.0})
    assert_sound(build_template("roundabout", {"radius": 14.1, "flare": 26.0}))


@pytest.mark.parametrize("name", NAMES)
def test_the_ground_is_in_one_piece_and_holds_every_lane(name: str) -> None:
    template = build_template(name)
    area = ground(template)
    for lane in template.map.lanes.values():
        assert shapely.covers(area, shapely.buffer(lane.polygon, -0.05)), lane.id
    pieces = shapely.get_parts(area)
    assert len(pieces) == (2 if name == "highway" else 1)  # a median divides the highway
    for spots in template.parking.values():
        assert shapely.contains_xy(area, spots[:, 0], spots[:, 1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_people_cross_from_kerb_to_kerb_and_walk_beside_the_lanes(name: str) -> None:
    template = build_template(name)
    area = ground(template)
    for path in template.crossings.values():
        ends = shapely.contains_xy(area, path[[0, -1], 0], path[[0, -1], 1])
        assert not ends.any()
        assert shapely.intersects(shapely.LineString(path[:, :2]), area)
    lanes = shapely.union_all([lane.polygon for lane in template.map.lanes.values()])
    for path in template.pavements.values():
        inner = path[2:-2]
        assert not shapely.contains_xy(lanes, inner[:, 0], inner[:, 1]).any()


@pytest.mark.parametrize("name", NAMES)
def test_the_ego_heads_along_x_with_lane_0_rightmost(name: str) -> None:
    template = build_template(name)
    starts = [template.map.lanes[template.chains["0"][0]].centreline[0]]
    if "1" in template.chains:
        starts.append(template.map.lanes[template.chains["1"][0]].centreline[0])
        assert starts[1][1] - starts[0][1] == pytest.approx(3.5)
    for start in starts:
        assert start[0] == pytest.approx(0.0, abs=1e-9)
        assert abs(wrap_angle(start[2])) < 1e-9
    assert template.map.lanes[template.chains["0"][0]].right is None


def test_a_crossing_has_two_groups_that_never_share_an_arm() -> None:
    template = build_template("crossing_lights")
    arms = [
        {template.map.lanes[lane].predecessors[0].split("/")[0] for lane in group}
        for group in template.groups
    ]
    assert not arms[0] & arms[1]
    own = template.chains["own_in_0"][-1]
    assert {*template.map.lanes[own].successors} <= {*template.groups[0]}
    assert not template.stop_signs
    assert not template.yield_signs


def test_signs_stand_where_the_control_says() -> None:
    assert len(build_template("crossing_stop").stop_signs) == 6  # 2 + 2 + 1 + 1 lanes
    priority = build_template("crossing_priority")
    assert {*priority.yield_signs} == {
        priority.chains["left_in_0"][-1],
        priority.chains["right_in_0"][-1],
    }
    side = build_template("t_junction_own")
    assert side.yield_signs == (side.chains["own_in_0"][-1],)
    ring = build_template("roundabout")
    assert {*ring.yield_signs} == {
        ring.chains[f"{arm}_in_0"][-1] for arm in ("own", "right", "opposite", "left")
    }


def test_turns_are_named_as_the_ego_sees_them() -> None:
    template = build_template("crossing")
    for turn, arm in (("left", "left"), ("right", "right"), ("straight", "opposite")):
        first = template.routes[turn][0]
        assert first[0] in {chain[0] for chain in own_lanes(template)}
        assert first[-1] in {
            chain[-1] for key, chain in template.chains.items() if key.startswith(f"{arm}_out")
        }
    ring = build_template("roundabout")
    assert {label: len(ways) for label, ways in ring.routes.items()} == {
        "straight": 4,
        "left": 4,
        "right": 4,
        "u_turn": 4,
    }


def own_lanes(template: RoadTemplate) -> list[tuple[str, ...]]:
    return [chain for key, chain in template.chains.items() if key.startswith("own_in")]


@pytest.mark.parametrize("control", ["mixed", "lights", "stop"])
def test_nobody_can_leave_the_grid_town(control: str) -> None:
    template = build_template("grid_town", {"control": control, "blocks": 3, "lanes": 2})
    assert_sound(template)
    assert all(lane.successors for lane in template.map.lanes.values())
    assert all(lane.predecessors for lane in template.map.lanes.values())


def test_a_name_carries_parameters_and_equal_requests_give_one_map() -> None:
    template = build_template("straight_4lane", {"limit": 20})
    assert template.name == "straight"
    assert template.parameters["lanes"] == 4
    assert template is build_template("straight", {"lanes": 4, "limit": 20.0})
    assert {lane.speed_limit for lane in template.map.lanes.values()} == {20.0}
    assert build_template("crossing_stop_3lane").parameters["control"] == "stop"


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("strait", {}, "did you mean 'straight'?"),
        ("crossing_light", {}, "did you mean 'lights'?"),
        ("two_way_3lane", {}, "behind the name may stand: nothing"),
        ("straight", {"lenght": 5}, "did you mean 'length'?"),
        ("straight", {"lanes": 6}, "expected a whole number 1 .. 5"),
        ("straight", {"lanes": 2.5}, "expected a whole number 1 .. 5"),
        ("straight", {"limit": "fast"}, "expected 3 .. 40 m/s"),
        ("crossing", {"control": 3}, "expected lights | stop | priority | yield"),
        ("curve_5lane", {"radius": 21, "bend": "right"}, "ask for at least"),
    ],
)
def test_wrong_requests_say_what_is_allowed(name: str, parameters: dict, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_template(name, parameters)
    assert words in str(caught.value)
