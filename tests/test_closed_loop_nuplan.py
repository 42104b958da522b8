"""nuPlan's closed-loop score on episodes that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from closed_loop_road import LEFT, ONCOMING, RIGHT, car, lane, moving, rollout, scene, straight_road

from drivelab.errors import DataError
from drivelab.kernels.comfort import comfort_signals as dense_signals
from drivelab.metrics.closed_loop.drive import drive_of
from drivelab.metrics.closed_loop.nuplan import NuplanClosedLoop, non_reactive, reactive
from drivelab.metrics.closed_loop.nuplan_lanes import driven_lanes, in_one_course
from drivelab.metrics.closed_loop.nuplan_rules import backward_travel
from drivelab.metrics.closed_loop.road import road_under
from drivelab.metrics.closed_loop.smoothness import comfort_signals, smooth
from drivelab.metrics.navsim.rules import EPDMS_V2_2
from drivelab.metrics.navsim.subscores import comfort_filters
from drivelab.types import PACIFICA, LaneMap


@pytest.fixture
def metric() -> NuplanClosedLoop:
    return non_reactive()


def test_driving_as_the_expert_did_scores_one(metric: NuplanClosedLoop) -> None:
    # 8 m/s for 8 s in an empty lane, limit 10 m/s: all eight parts are 1.
    result = metric.score(scene(), rollout(moving(8.0, 81)))
    assert result.score == 1.0
    assert result.subscores == dict.fromkeys(metric.subscores, 1.0)
    assert result.events == ()
    # 0 -> 64 m crosses the joint at x = 50 (box centre from 1.461 to 65.461).
    assert result.details["ego_progress_m"] == pytest.approx(64.0)


def test_half_the_progress_and_too_fast(metric: NuplanClosedLoop) -> None:
    # The expert drives 8 m/s x 8 s = 64 m, the ego 32 m: ratio 1/2.
    slow = metric.score(scene(), rollout(moving(4.0, 81), expert=moving(8.0, 81)))
    assert slow.subscores["ego_progress_along_expert_route"] == pytest.approx(0.5)
    assert slow.score == pytest.approx((5 * 0.5 + 5 + 4 + 2) / 16)
    # 12 m/s is 2 m/s over the limit in all 81 samples: 81 x 2 x 0.1 / (2.23 x 8) = 0.90807.
    fast = metric.score(scene(), rollout(moving(12.0, 81)))
    limit = 1 - 81 * 2 * 0.1 / (2.23 * 8)
    assert fast.subscores["speed_limit_compliance"] == pytest.approx(limit)
    assert fast.score == pytest.approx((5 + 5 + 4 * limit + 2) / 16)
    assert fast.events[0].kind == "speeding"


def test_running_into_a_standing_car_scores_zero(metric: NuplanClosedLoop) -> None:
    # The car's tail is at 30 - 2 = 28 m. The bumper starts at 4.049 m and moves 0.8 m a step:
    # 4.049 + 0.8 k >= 28 first at k = 30 (28.049), an overlap of 0.049 m.
    result = metric.score(scene(), rollout(moving(8.0, 81), {"wall": car(30.0)}))
    assert result.score == 0.0
    assert result.subscores["no_ego_at_fault_collisions"] == 0.0
    event = next(event for event in result.events if event.kind == "collision")
    assert (event.step, event.actor, event.detail) == (30, "wall", "stopped_track")
    assert event.margin == pytest.approx(-0.049)
    # TTC falls to 0.9 s at the first step k with 28 - 4.049 - 0.8 k <= 0.8 x 9: k = 20.94 -> 21.
    ttc = next(event for event in result.events if event.kind == "ttc")
    assert (ttc.step, ttc.detail) == (21, "in 0.9 s")


def test_contacts_that_are_not_the_egos_fault(metric: NuplanClosedLoop) -> None:
    # A faster car behind: its nose at -10 + 2 = -8 m meets the tail at -1.127 m after 6.873 m of
    # closing 0.4 m a step. ACTIVE_REAR, and boxes behind are no TTC either.
    rear = metric.score(scene(), rollout(moving(8.0, 81), {"late": car(-10.0, 12.0)}))
    assert rear.score == 1.0
    assert rear.details["contacts"] == 1
    # A standing ego is hit from the front: STOPPED_EGO. But it made no progress: 2/64 < 0.2.
    stood = rollout(moving(0.0, 81), {"ghost": car(30.0, -8.0)}, expert=moving(8.0, 81))
    parts = metric.score(scene(), stood).subscores
    assert parts["no_ego_at_fault_collisions"] == 1.0
    assert parts["ego_progress_along_expert_route"] == pytest.approx(2.0 / 64.0)
    assert parts["ego_is_making_progress"] == 0.0


@pytest.mark.parametrize(("cones", "expected"), [(1, 0.5), (2, 0.0)])
def test_one_object_is_half_forgiven(metric: NuplanClosedLoop, cones: int, expected: float) -> None:
    objects = {
        f"cone{n}": car(30.0 + 10.0 * n, kind="traffic_cone", size=(0.4, 0.4)) for n in range(cones)
    }
    parts = metric.score(scene(), rollout(moving(8.0, 81), objects)).subscores
    assert parts["no_ego_at_fault_collisions"] == expected


@pytest.mark.parametrize(("y", "fault"), [(RIGHT, False), (-0.3, True)])
def test_side_contacts_count_between_lanes(metric: NuplanClosedLoop, y: float, fault: bool) -> None:
    # A car in the left lane pushes against the ego's flank at 0.5 m/s, beside its box centre. In
    # its lane the ego is not at fault; astride of the line (y = -0.3, corners in both lanes) it is.
    beside = car(1.461, 8.0, y=y + 2.6)
    track = rollout(moving(8.0, 41, y=y), {"pusher": beside})
    track.tracks.poses[:, 0, 1] -= 0.05 * np.arange(41)
    result = metric.score(scene(), track)
    assert result.details["contacts"] == 1
    assert result.subscores["no_ego_at_fault_collisions"] == (0.0 if fault else 1.0)
    # It was never ahead; at a contact that is its fault the ego's time to collision is 0.
    assert result.subscores["time_to_collision_within_bound"] == (0.0 if fault else 1.0)


@pytest.mark.parametrize(("speed", "expected"), [(1.8, 1.0), (1.85, 0.5), (5.4, 0.5), (5.5, 0.0)])
def test_driving_against_the_lane(metric: NuplanClosedLoop, speed: float, expected: float) -> None:
    # Eleven samples: 1.98, 2.035, 5.94 and 6.05 m against the oncoming lane, limits 2 m and 6 m.
    parts = metric.score(scene(), rollout(moving(speed, 41, y=ONCOMING))).subscores
    assert parts["driving_direction_compliance"] == expected


@pytest.mark.parametrize(("over", "expected"), [(0.2, 1.0), (0.4, 0.0)])
def test_corners_may_leave_the_road_by_30_cm(
    metric: NuplanClosedLoop, over: float, expected: float
) -> None:
    # The right flank is 2.297 / 2 = 1.1485 m beside the axle; the border lies at y = -3.5.
    result = metric.score(scene(), rollout(moving(8.0, 41, y=-3.5 + 1.1485 - over)))
    assert result.subscores["drivable_area_compliance"] == expected
    if not expected:
        assert result.events[0].margin == pytest.approx(0.3 - over)


@pytest.mark.parametrize(("gap", "expected"), [(5.5, 1.0), (5.0, 0.0)])
def test_time_to_collision_looks_095_s_ahead(
    metric: NuplanClosedLoop, gap: float, expected: float
) -> None:
    # Closing at 8 - 2 = 6 m/s: one state alone, 5.5 m are covered after 1.0 s of 0.1 s steps
    # (0.917 s), 5.0 m after 0.9 s (0.833 s).
    lead = car(4.049 + gap + 2.0, 2.0)
    parts = metric.score(scene(), rollout(moving(8.0, 1), {"lead": lead})).subscores
    assert parts["time_to_collision_within_bound"] == expected


def test_lanes_are_followed_through_a_lane_change() -> None:
    ego = moving(8.0, 81)
    ego[30:51, 1] = np.linspace(RIGHT, LEFT, 21)
    ego[51:, 1] = LEFT
    drive = drive_of(scene(), rollout(ego))
    road = road_under(straight_road(), drive.states, drive.origin)
    masks = road.masks(drive.states, drive.ego_size)
    path = driven_lanes(road, masks)
    # The box centre is 1.461 m ahead: it passes x = 50 at step 61 (48.8 + 1.461 = 50.261).
    assert path[0] == ("a-right",)
    assert path[39] == ("a-right",)
    assert path[41] == ("a-left",)
    assert path[60] == ("a-left",)
    assert path[61] == ("b-left",)
    course = in_one_course(road, masks)
    assert course[:30].all()
    assert not course[40]
    assert course[51:].all()  # at the joint the corners stand in lanes that follow each other


def test_comfort_signals_equal_the_planning_scores() -> None:
    rng = np.random.default_rng(3)
    states = np.zeros((41, 11))
    states[:, 5:7] = rng.normal(size=(41, 2))
    states[:, 2] = np.cumsum(rng.normal(scale=0.02, size=41)) + 3.1  # across the wrap
    states[:, 9:] = rng.normal(scale=0.1, size=(41, 2))
    states[:, 2] = np.arctan2(np.sin(states[:, 2]), np.cos(states[:, 2]))
    reach = PACIFICA.rear_axle_to_center
    expected = dense_signals(states[None], comfort_filters(EPDMS_V2_2, 41), reach)[0]
    np.testing.assert_allclose(comfort_signals(states, reach), expected, atol=2e-8)


@pytest.mark.parametrize("count", [5, 14, 15, 24, 44, 45, 46, 151])
def test_filters_equal_scipys(count: int) -> None:
    from scipy.signal import savgol_filter

    signal = np.random.default_rng(count).normal(size=(2, count))
    for window, order, derivative in ((8, 2, 0), (15, 2, 1), (5, 3, 2), (7, 2, 1)):
        expected = savgol_filter(
            signal, min(window, count), order, deriv=derivative, delta=0.1, mode="interp"
        )
        ours = smooth(signal, window, order, derivative=derivative)
        np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_hard_braking_is_uncomfortable(metric: NuplanClosedLoop) -> None:
    ego = moving(8.0, 81)
    ego[:, 5] = -4.2  # limit -4.05 m/s^2
    result = metric.score(scene(), rollout(ego))
    assert result.score == pytest.approx((5 + 5 + 4) / 16)
    assert result.events[0].detail == "lon_acceleration"


def test_overlapping_lanes_are_told_apart_by_where_the_ego_goes() -> None:
    # Another source's map: a lane that crosses over the right one between x = 20 and 40, listed
    # first. The ego stays in the right lane, so it never drove in the other.
    base = straight_road()
    crossing = lane("x", RIGHT, 40.0, 20.0)
    road_map = LaneMap("crossed", {"x": crossing, **base.lanes}, base.blocks)
    drive = drive_of(scene(), rollout(moving(8.0, 81, x=25.0)))
    road = road_under(road_map, drive.states, drive.origin)
    path = driven_lanes(road, road.masks(drive.states, drive.ego_size))
    assert {lanes[0] for lanes in path} == {"a-right", "b-right"}
    backward = backward_travel(drive, road_map, path)
    assert backward.max() == 0.0


def test_a_name_is_not_given_to_the_other_kind_of_traffic() -> None:
    answered = rollout(moving(8.0, 81), traffic="reactive")
    with pytest.raises(DataError, match="driven in reactive traffic: score it by nuplan_cls_r"):
        non_reactive().score(scene(), answered)
    assert reactive().score(scene(), answered).score == 1.0
