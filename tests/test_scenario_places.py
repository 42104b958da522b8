"""Where the actors of a scenario start: lanes, offsets, poses, places beside the ego, nudges."""

from __future__ import annotations

import numpy as np
import pytest
from written_scenarios import WIDTH, actor


def test_lanes_count_from_the_right_and_s_runs_along_them() -> None:
    made = actor("model: van, lane: 2, s: 35, speed: 9")
    np.testing.assert_allclose(made.ego_pose, [20.0, -1.5 * WIDTH, 0.0], atol=1e-6)
    np.testing.assert_allclose(made.actors[0].pose, [35.0, -0.5 * WIDTH, 0.0], atol=1e-6)
    assert (made.actors[0].kind, made.actors[0].size) == ("vehicle", (5.4, 2.0))
    assert (made.actors[0].role, made.actors[0].speed) == ("van", 9.0)


def test_offset_is_to_the_left_and_heading_turns_left() -> None:
    made = actor("model: pedestrian, lane: 0, s: 50, offset: -4, heading_deg: 90")
    np.testing.assert_allclose(made.actors[0].pose, [50.0, -2.5 * WIDTH - 4.0, np.pi / 2])


def test_opposite_lanes_run_back() -> None:
    made = actor("model: car, lane: opposite_0, s: 100, speed: 5")
    np.testing.assert_allclose(made.actors[0].pose[:2], [300.0, 0.5 * WIDTH], atol=1e-6)
    assert abs(made.actors[0].pose[2]) == pytest.approx(np.pi)


def test_places_beside_the_ego_count_from_its_rear_axle() -> None:
    made = actor("model: cone, ahead: 10, left: -2")
    np.testing.assert_allclose(made.actors[0].pose, [30.0, -1.5 * WIDTH - 2.0, 0.0], atol=1e-6)


def test_a_pose_without_yaw_takes_the_heading_of_its_lane() -> None:
    made = actor("model: car, pose: [200, 1.7], motion: parked")
    np.testing.assert_allclose(abs(made.actors[0].pose[2]), np.pi, atol=1e-6)
    made = actor("model: car, pose: [200, 1.7, 30], motion: parked")
    np.testing.assert_allclose(made.actors[0].pose[2], np.pi / 6)


def test_a_nudge_moves_an_actor_and_its_path() -> None:
    plain = "model: car, pose: [100, -20, 90], motion: {type: walk, path: [[100, 0]], speed: 2}"
    made = actor(f"{plain}, nudge: {{ahead: 3, left: 2, heading_deg: 10}}").actors[0]
    np.testing.assert_allclose(made.pose, [98.0, -17.0, np.radians(100.0)])
    np.testing.assert_allclose(made.motion.path[-1, :2], [98.0, 3.0])
    made = actor(f"{plain}, nudge: {{ahead: 3, along_deg: 180}}").actors[0]
    np.testing.assert_allclose(made.pose[:2], [97.0, -20.0])
