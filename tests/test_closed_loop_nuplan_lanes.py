"""Which lanes nuPlan's score says were driven in, where connectors overlap and lanes join."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from closed_loop_road import LEFT, RIGHT, lane, moving, rollout, scene

from drivelab.metrics.closed_loop.drive import drive_of
from drivelab.metrics.closed_loop.nuplan_lanes import driven_lanes, in_one_course
from drivelab.metrics.closed_loop.road import Road, road_under
from drivelab.types import LaneMap

# One lane, two connectors on the same ground, and the lanes they lead to: the right one goes on.
FORK = (
    lane("a", RIGHT, 0.0, 50.0, successors=("to_left", "to_right")),
    lane("to_left", RIGHT, 50.0, 60.0, predecessors=("a",), successors=("left",), connector=True),
    lane("to_right", RIGHT, 50.0, 60.0, predecessors=("a",), successors=("right",), connector=True),
    lane("left", LEFT, 60.0, 100.0, predecessors=("to_left",)),
    lane("right", RIGHT, 60.0, 100.0, predecessors=("to_right",)),
)


def fork() -> LaneMap:
    return LaneMap("fork", {one.id: one for one in FORK}, {})


def on_road(lane_map: LaneMap, ego: np.ndarray) -> tuple[Road, np.ndarray]:
    drive = drive_of(scene(), rollout(ego))
    road = road_under(lane_map, drive.states, drive.origin)
    return road, road.masks(drive.states, drive.ego_size)


def test_the_connector_is_the_one_to_the_lane_reached_later() -> None:
    # The box centre starts at 41.461 m and moves 0.8 m a step: from step 11 on (50.261 m) it is on
    # both connectors, at the last, step 24 (60.661 m), on the lane to the right.
    path = driven_lanes(*on_road(fork(), moving(8.0, 25, x=40.0)))
    assert path == [("a",)] * 11 + [("to_right",)] * 13 + [("right",)]


def test_connectors_stay_together_where_nothing_tells_them_apart() -> None:
    path = driven_lanes(*on_road(fork(), moving(8.0, 24, x=40.0)))
    assert path == [("a",)] * 11 + [("to_left", "to_right")] * 13


def test_a_drive_beside_all_lanes_is_in_none() -> None:
    assert driven_lanes(*on_road(fork(), moving(8.0, 5, x=10.0, y=20.0))) == [()] * 5


@pytest.mark.parametrize("turned", [0.0, 0.1, -0.1])
@pytest.mark.parametrize("joined", [True, False])
def test_corners_in_lanes_that_follow_each_other_are_in_one_course(
    turned: float, joined: bool
) -> None:
    # The rear corners are 1.127 m behind the axle; turned by 0.1 rad one of them is 0.115 m farther
    # back than the axle's line, the other 0.115 m ahead: with the axle at 51.121 m they stand on
    # both sides of the joint at x = 50. The lane is wide enough (1.55 of 1.75 m).
    lane_map = fork()
    if not joined:
        apart = {key: replace(one, predecessors=(), successors=())
                 for key, one in lane_map.lanes.items()}  # fmt: skip
        lane_map = LaneMap("apart", apart, {})
    ego = moving(0.0, 1, x=51.121 if turned else 49.0, yaw=turned)
    assert in_one_course(*on_road(lane_map, ego)).tolist() == [joined]


def test_corners_beside_each_other_or_beside_the_road_are_in_no_course() -> None:
    between = moving(8.0, 1, x=80.0, y=0.0)  # astride of "left" and "right"
    outside = moving(8.0, 1, x=80.0, y=RIGHT - 1.0)
    inside = moving(8.0, 1, x=80.0, y=RIGHT)
    found = [in_one_course(*on_road(fork(), ego))[0] for ego in (between, outside, inside)]
    assert found == [False, False, True]
