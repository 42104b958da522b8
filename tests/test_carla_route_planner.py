import numpy as np
import pytest
import shapely
from xodr_text import crossing

from drivelab.errors import DataError
from drivelab.geometry.polyline import arc_lengths
from drivelab.maps.lane_graph import way_through
from drivelab.maps.opendrive import parse_opendrive
from drivelab.maps.road_options import RoadOption, RoutePlan, downsample_route, plan_route
from drivelab.types import Block, Lane, LaneMap

FOLLOW, LEFT, RIGHT = RoadOption.LANEFOLLOW, RoadOption.LEFT, RoadOption.RIGHT
TO_LEFT, TO_RIGHT = RoadOption.CHANGELANELEFT, RoadOption.CHANGELANERIGHT
STRAIGHT = RoadOption.STRAIGHT


def straight_lane(name: str, start: tuple[float, float], end: tuple[float, float], **more) -> Lane:
    delta = np.subtract(end, start)
    count = max(2, int(np.hypot(*delta)) + 1)
    points = np.linspace(start, end, count)
    heading = np.full(count, np.arctan2(delta[1], delta[0]))
    area = shapely.LineString([start, end]).buffer(1.75, cap_style="flat")
    return Lane(name, np.column_stack([points, heading]), area, **more)


def map_of(*lanes: Lane) -> LaneMap:
    blocks = {
        lane.block: Block(lane.block, (lane.id,), lane.polygon, lane.connector, intersection="j")
        for lane in lanes
        if lane.block
    }
    return LaneMap("hand", {lane.id: lane for lane in lanes}, blocks)


def runs(plan: RoutePlan) -> list[RoadOption]:
    """Options in order, each once per stretch."""
    options = plan.options.tolist()
    fresh = [o for k, o in enumerate(options) if k == 0 or options[k - 1] != o]
    return [RoadOption(option) for option in fresh]


def route(lane_map: LaneMap, *points: tuple[float, float]) -> RoutePlan:
    return plan_route(lane_map, np.array(points, float))


def parallel(**more) -> LaneMap:
    """Two lanes of 100 m to the east, the right one 3.5 m south of the left one."""
    left = straight_lane("left", (0, 0), (100, 0), right="right", **more)
    return map_of(left, straight_lane("right", (0, -3.5), (100, -3.5), left="left", **more))


def test_a_route_on_one_lane_has_a_pose_every_metre() -> None:
    plan = route(parallel(), (10, 1), (70.5, -0.5))
    assert plan.lanes == ("left",)
    np.testing.assert_allclose(plan.line[[0, -1]], [[10, 0, 0], [70.5, 0, 0]], atol=1e-9)
    assert np.diff(arc_lengths(plan.line)) == pytest.approx(60.5 / 60, abs=1e-9)
    assert plan.length == pytest.approx(60.5)
    assert runs(plan) == [FOLLOW]


def test_a_change_is_drawn_over_twenty_metres_and_named_by_its_side() -> None:
    plan = route(parallel(), (10, -3), (90, 0.5))
    assert plan.lanes == ("right", "left")
    assert runs(plan) == [TO_LEFT, FOLLOW]
    changing = plan.line[plan.options == TO_LEFT]
    assert changing[:, 0].min() == pytest.approx(10.0)
    assert changing[:, 0].max() == pytest.approx(30.0, abs=1.1)
    assert changing[-1, 1] == pytest.approx(0.0, abs=0.05)
    assert np.abs(plan.line[:, 2]).max() < np.arctan(1.5 * 3.5 / 20) + 0.01
    assert runs(route(parallel(), (10, 0.5), (90, -3))) == [TO_RIGHT, FOLLOW]


def test_points_say_where_lanes_are_changed() -> None:
    plan = route(parallel(), (0, 0), (50, 0), (80, -3.5))
    changing = plan.line[plan.options == TO_RIGHT]
    assert changing[0, 0] == pytest.approx(50.0, abs=1.1)
    assert changing[-1, 0] == pytest.approx(70.0, abs=1.1)
    assert plan.lanes == ("left", "right")


def test_marks_forbid_changes() -> None:
    """Then the route ends beside a goal that lies within 4 m, and is refused to others."""
    solid = parallel(change_left=False, change_right=False)
    assert route(solid, (10, -3.4), (90, -0.5)).lanes == ("right",)
    far = map_of(solid.lanes["left"], straight_lane("r", (0, -9), (100, -9), left="left"))
    with pytest.raises(DataError, match=r"map hand: no way .* from \[10\.0, 0\.5\]"):
        route(far, (10, 0.5), (90, -9))


def test_a_goal_behind_on_the_same_lane_needs_a_loop() -> None:
    with pytest.raises(DataError, match="no way"):
        route(parallel(), (50, 0), (20, 0))
    ring = map_of(
        straight_lane("a", (0, 0), (50, 0), successors=("b",)),
        straight_lane("b", (50, 0), (25, 40), successors=("c",)),
        straight_lane("c", (25, 40), (0, 0), successors=("a",)),
    )
    assert route(ring, (30, -1), (10, -1)).lanes == ("a", "b", "c", "a")


def test_the_shorter_way_wins_and_changes_cost() -> None:
    """The left lane saves 6 m: less than a lane change is worth, so the route stays right."""

    def lanes(detour: float) -> LaneMap:
        return map_of(
            straight_lane("a", (0, 0), (100, 0), right="c", successors=("b",)),
            straight_lane("c", (0, -3.5), (100, -3.5), left="a", successors=("d", "e")),
            straight_lane("b", (100, 0), (200, 0), successors=("goal",)),
            straight_lane("d", (100, -3.5), (150, -3.5 - detour), successors=("f",)),
            straight_lane("f", (150, -3.5 - detour), (200, 0), successors=("goal",)),
            straight_lane("e", (100, -3.5), (100, -90)),
            straight_lane("goal", (200, 0), (260, 0)),
        )

    assert route(lanes(10.0), (0, -3.5), (250, 0)).lanes == ("c", "d", "f", "goal")
    assert route(lanes(60.0), (0, -3.5), (250, 0)).lanes == ("c", "a", "b", "goal")


def fork(angles: tuple[float, ...]) -> LaneMap:
    """One lane to the east that ends in connectors of 20 m at these angles [deg], then lanes."""
    lanes = [
        straight_lane("in", (-50, 0), (0, 0), successors=tuple(f"c{k}" for k in range(len(angles))))
    ]
    for k, angle in enumerate(np.deg2rad(angles).tolist()):
        way = np.array([np.cos(angle), np.sin(angle)])
        mid, end = (20 * way).tolist(), (70 * way).tolist()
        bend = straight_lane(f"c{k}", (0, 0), tuple(mid), connector=True, block=f"k{k}")
        lanes.append(
            Lane(
                bend.id,
                bend.centreline,
                bend.polygon,
                connector=True,
                block=bend.block,
                successors=(f"o{k}",),
            )
        )
        lanes.append(straight_lane(f"o{k}", tuple(mid), tuple(end)))
    return map_of(*lanes)


@pytest.mark.parametrize(
    ("angles", "taken", "option"),
    [
        ((0, 90), 0, STRAIGHT),
        ((0, 90), 1, LEFT),
        ((-90, 0), 0, RIGHT),
        ((30, -30), 0, STRAIGHT),  # below 35 degrees
        ((40,), 0, LEFT),
        ((-40,), 0, RIGHT),
        ((40, 80), 0, RIGHT),  # the rightmost of two ways to the left, as CARLA decides
        ((40, 80), 1, LEFT),
        ((-40, -80), 0, LEFT),
        ((50, 90, 20), 0, LEFT),  # in the middle: by its own side
    ],
)
def test_junctions_are_named_against_the_other_ways(
    angles: tuple[float, ...], taken: int, option: RoadOption
) -> None:
    angle = np.deg2rad(angles[taken])
    goal = (60 * np.cos(angle), 60 * np.sin(angle))
    assert runs(route(fork(angles), (-40, 0), goal)) == [FOLLOW, option, FOLLOW]


def test_ends_off_the_road_are_projected_first() -> None:
    lane_map = parse_opendrive(crossing(), "x").lane_map
    plan = route(lane_map, (30, -14), (125, 44))
    assert plan.lanes == ("1/0/-2", "1/0/-1", "12/0/-1", "3/0/-1")
    assert runs(plan) == [TO_LEFT, FOLLOW, LEFT, FOLLOW]
    np.testing.assert_allclose(plan.line[0, :2], [30.0, -5.25], atol=1e-9)
    np.testing.assert_allclose(plan.line[-1, :2], [111.75, 44.0], atol=1e-9)


def test_points_in_a_junction_take_the_way_that_fits() -> None:
    lane_map = parse_opendrive(crossing(), "x").lane_map
    steps = way_through(lane_map, np.array([[50, -1.75], [100.5, -1.75], [111.75, 30.0]]))
    assert steps is not None
    assert [step.lane for step in steps] == ["1/0/-1", "12/0/-1", "3/0/-1"]


def test_levels_are_told_apart_by_height() -> None:
    low = straight_lane("low", (0, 0), (100, 0), heights=np.zeros(101))
    high = straight_lane("high", (0, 1), (100, 1), heights=np.full(101, 8.0))
    lane_map = map_of(low, high)
    points = np.array([[10.0, 0.2], [90.0, 0.2]])
    assert plan_route(lane_map, points).lanes == ("low",)
    assert plan_route(lane_map, points, heights=[7.5, 8.5]).lanes == ("high",)


def test_a_link_that_leads_aside_is_taken_only_where_there_is_no_other_way() -> None:
    def lanes(*after: str) -> LaneMap:
        return map_of(
            straight_lane("a", (0, 0), (50, 0), successors=after),
            straight_lane("jump", (50, 9), (100, 9), successors=("goal",)),
            straight_lane("around", (50, 0), (100, -60), successors=("back",)),
            straight_lane("back", (100, -60), (100, 9), successors=("goal",)),
            straight_lane("goal", (100, 9), (200, 9)),
        )

    assert route(lanes("jump", "around"), (0, 0), (150, 9)).lanes[1] == "around"
    assert route(lanes("jump"), (0, 0), (150, 9)).lanes[1] == "jump"


def options_of(*stretches: tuple[RoadOption, int]) -> RoutePlan:
    options = np.concatenate([np.full(count, int(option)) for option, count in stretches])
    line = np.column_stack([np.arange(len(options)), np.zeros((len(options), 2))])
    return RoutePlan(("a",), line.astype(float), options)


def test_thinned_routes_keep_what_the_leaderboard_keeps() -> None:
    plain = options_of((FOLLOW, 121))
    # The leaderboard counts metres after a kept point and keeps the first beyond the spacing.
    assert downsample_route(plain).tolist() == [0, 52, 104, 120]
    assert downsample_route(plain, 200.0).tolist() == [0, 120]
    turn = options_of((FOLLOW, 10), (LEFT, 8), (FOLLOW, 10))
    assert downsample_route(turn).tolist() == [0, 10, 18, 27]
    change = options_of((FOLLOW, 10), (TO_LEFT, 21), (FOLLOW, 10))
    assert downsample_route(change).tolist() == [0, 10, 30, 40]


@pytest.mark.parametrize("points", [[[0.0, 0.0]], [[0.0, 0.0], [np.nan, 1.0]]])
def test_routes_need_two_finite_points(points: list[list[float]]) -> None:
    with pytest.raises(DataError, match="two or more finite points"):
        plan_route(parallel(), np.array(points))


def test_maps_without_lanes_for_vehicles_have_no_routes() -> None:
    path = straight_lane("p", (0, 0), (9, 0), kind="bicycle")
    with pytest.raises(DataError, match="no lane for vehicles"):
        route(map_of(path), (0, 0), (5, 0))
