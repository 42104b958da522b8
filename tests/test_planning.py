"""IDM, lane change, lane search and speed profiles against hand calculation and properties."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.geometry.polyline import arc_lengths
from drivelab.planning import (
    IDMParameters,
    LaneChangeParameters,
    NeighbourGap,
    allowed_speed,
    blend_paths,
    concatenate,
    idm_acceleration,
    idm_acceleration_scalar,
    lane_path,
    path_curvature,
    should_change_lane,
)
from drivelab.types import Lane, LaneMap

PAPER = IDMParameters(exponent=4.0)
speeds = st.floats(0.0, 30.0)
gaps = st.floats(0.5, 200.0)


def straight(y: float = 0.0, length: float = 200.0, spacing: float = 1.0) -> np.ndarray:
    x = np.arange(0.0, length + spacing / 2, spacing)
    return np.column_stack([x, np.full_like(x, y), np.zeros_like(x)])


def arc(radius: float, angle: float) -> np.ndarray:
    turned = np.linspace(0.0, angle, 200)
    return np.column_stack([radius * np.sin(turned), radius * (1.0 - np.cos(turned)), turned])


def idm(gap: float, speed: float, lead: float, target: float, p: IDMParameters) -> float:
    return float(idm_acceleration(gap, speed, lead_speed=lead, target_speed=target, parameters=p))


def test_idm_on_a_free_road_is_the_free_term() -> None:
    assert idm(np.inf, 0.0, 0.0, 15.0, PAPER) == 1.5
    assert idm(np.inf, 7.5, 0.0, 15.0, PAPER) == pytest.approx(1.5 * (1 - 0.5**4))
    assert idm(np.inf, 15.0, 0.0, 15.0, PAPER) == 0.0


def test_idm_matches_hand_calculation_behind_a_slower_car() -> None:
    # s* = 1 + 1.5 * 10 + 10 * 4 / (2 sqrt(4.5)) = 25.428; s = 40
    desired = 1.0 + 15.0 + 40.0 / (2.0 * np.sqrt(4.5))
    expected = 1.5 * (1.0 - (10.0 / 15.0) ** 10 - (desired / 40.0) ** 2)
    assert idm(40.0, 10.0, 6.0, 15.0, IDMParameters()) == pytest.approx(expected, abs=1e-12)


def test_idm_brakes_no_harder_than_its_limit() -> None:
    assert idm(0.0, 20.0, 0.0, 15.0, IDMParameters()) == -3.0


@given(speed=speeds, lead=speeds, gap=gaps, more=st.floats(0.0, 50.0))
def test_idm_never_brakes_harder_for_a_longer_gap_or_a_faster_leader(
    speed: float, lead: float, gap: float, more: float
) -> None:
    base = idm(gap, speed, lead, 15.0, PAPER)
    assert idm(gap + more, speed, lead, 15.0, PAPER) >= base - 1e-12 or speed < lead
    assert idm(gap, speed, lead + more, 15.0, PAPER) >= base - 1e-12 or speed < lead + more


@given(st.lists(st.tuples(gaps, speeds, speeds, st.floats(1.0, 30.0)), min_size=1, max_size=8))
def test_idm_on_arrays_equals_the_compiled_scalar(rows: list[tuple[float, ...]]) -> None:
    gap, speed, lead, target = np.array(rows).T
    p = IDMParameters()
    many = idm_acceleration(gap, speed, lead_speed=lead, target_speed=target, parameters=p)
    for i, row in enumerate(rows):
        one = idm_acceleration_scalar(*row, 1.0, 1.5, 1.5, 3.0, 10.0, 3.0)
        assert many[i] == one


def change(ahead: NeighbourGap, new_ahead: NeighbourGap, new_behind: NeighbourGap) -> bool:
    return should_change_lane(
        10.0,
        14.0,
        ahead=ahead,
        new_ahead=new_ahead,
        new_behind=new_behind,
        driver=PAPER,
        parameters=LaneChangeParameters(),
    )


FREE = NeighbourGap()
SLOW = NeighbourGap(15.0, 6.0)


@pytest.mark.parametrize(
    ("ahead", "new_ahead", "new_behind", "wanted"),
    [
        (SLOW, FREE, FREE, True),
        (FREE, FREE, FREE, False),  # nothing to gain
        (SLOW, SLOW, FREE, False),  # the same over there
        (SLOW, FREE, NeighbourGap(4.0, 10.0), False),  # no room behind
        (SLOW, NeighbourGap(4.0, 14.0), FREE, False),  # no room ahead
        (SLOW, FREE, NeighbourGap(18.0, 20.0), False),  # would make somebody brake hard
        (SLOW, FREE, NeighbourGap(60.0, 10.0), True),
    ],
)
def test_lane_change_is_made_when_safe_and_worth_it(
    ahead: NeighbourGap, new_ahead: NeighbourGap, new_behind: NeighbourGap, wanted: bool
) -> None:
    assert change(ahead, new_ahead, new_behind) is wanted


@settings(max_examples=30)
@given(start=st.floats(5.0, 60.0), length=st.floats(25.0, 80.0), offset=st.floats(-4.0, 4.0))
def test_blended_path_leaves_one_line_and_reaches_the_other_smoothly(
    start: float, length: float, offset: float
) -> None:
    path = blend_paths(straight(), straight(offset), start=start, length=length)
    assert (path[path[:, 0] < start, 1] == 0.0).all()
    np.testing.assert_allclose(path[path[:, 0] > start + length, 1], offset, atol=1e-9)
    peak = 5.774 * abs(offset) / (length - 1.0) ** 2  # of a quintic's second derivative
    assert np.abs(np.diff(path[:, 2])).max() <= 1.15 * peak + 1e-9


def test_curvature_of_an_arc_is_one_over_its_radius() -> None:
    np.testing.assert_allclose(path_curvature(arc(25.0, 1.2)), 1 / 25.0, rtol=1e-3)
    np.testing.assert_allclose(path_curvature(arc(25.0, 1.2), smoothing=4.0), 1 / 25.0, rtol=1e-3)


def test_allowed_speed_keeps_lateral_acceleration_and_brakes_in_time() -> None:
    lead = straight(length=60.0)[:-1]
    bend = arc(20.0, 1.5)
    bend[:, 0] += 60.0
    path = np.concatenate([lead, bend])
    speed = allowed_speed(path, 14.0, lateral_acceleration=2.0, deceleration=1.0)
    assert speed[-1] == pytest.approx(np.sqrt(2.0 * 20.0), rel=1e-2)
    assert speed[0] < 14.0  # 60 m are too short for 14 -> 6.3 m/s at 1 m/s^2
    braking = np.diff(speed**2) / (2.0 * np.diff(arc_lengths(path[:, :2])))
    assert braking.min() >= -1.0 - 1e-9


def graph(edges: dict[str, tuple[str, ...]], lengths: dict[str, float]) -> LaneMap:
    box = shapely.box(0, 0, 1, 1)
    lanes = {
        lane: Lane(
            lane,
            np.array([[0.0, 0.0, 0.0], [lengths[lane], 0.0, 0.0]]),
            box,
            successors=edges.get(lane, ()),
        )
        for lane in lengths
    }
    return LaneMap("graph", lanes, {})


def test_lane_path_takes_the_shorter_way() -> None:
    edges = {"a": ("b", "c"), "b": ("d",), "c": ("d",), "d": ("e",)}
    lengths = {"a": 10.0, "b": 30.0, "c": 20.0, "d": 5.0, "e": 5.0}
    found = lane_path(graph(edges, lengths), "a", allowed=set(lengths), goals={"e"})
    assert (found.lanes, found.reached) == (("a", "c", "d", "e"), True)


def test_lane_path_stays_on_allowed_lanes() -> None:
    edges = {"a": ("b", "c"), "b": ("d",), "c": ("d",)}
    lengths = {"a": 10.0, "b": 30.0, "c": 20.0, "d": 5.0}
    found = lane_path(graph(edges, lengths), "a", allowed={"a", "b", "d"}, goals={"d"})
    assert found.lanes == ("a", "b", "d")


def test_lane_path_without_a_way_goes_as_deep_as_it_can() -> None:
    edges = {"a": ("b", "c"), "b": ("d",), "c": ("a",)}
    lengths = {"a": 10.0, "b": 30.0, "c": 1.0, "d": 5.0, "z": 1.0}
    found = lane_path(graph(edges, lengths), "a", allowed=set(lengths), goals={"z"})
    assert (found.lanes, found.reached) == (("a", "b", "d"), False)


def test_concatenated_centreline_keeps_the_joint_twice() -> None:
    lane_map = graph({}, {"a": 10.0, "b": 5.0})
    assert concatenate(lane_map, ("a", "b"))[:, 0].tolist() == [0.0, 10.0, 0.0, 5.0]
