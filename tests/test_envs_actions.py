"""Actions: what they make of a vehicle, and what is refused."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivelab.errors import ConfigError
from drivelab.geometry.polyline import project
from drivelab.kernels.world.lane_place import place_on_line
from drivelab.sim.envs.actions import (
    ControlActions,
    TrajectoryActions,
    action_kind,
    check_actions,
    next_poses,
)
from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.vector_view import VectorView


def core_of(action: Any, *, environments: int = 1, family: str = "straight") -> EnvCore:
    options = EnvOptions(episodes=family, action=action)
    core = EnvCore(options, environments=environments, view=VectorView())
    core.reset({e: e for e in range(environments)})
    return core


def test_half_pedal_is_half_of_the_acceleration_or_the_braking() -> None:
    core = core_of("control", environments=2)
    core.step(np.array([[0.5, 0.0], [-0.5, 0.0]], np.float32))
    assert core._commands.controls[:, 0].tolist() == [[1.5, 0.0], [-3.0, 0.0]]


def test_the_wheel_turns_towards_its_angle_no_faster_than_its_rate() -> None:
    kind = ControlActions(angle=0.5, rate=0.6)
    core = core_of(kind, environments=3)
    core.world.state.steering[:, 0] = [0.0, 0.09, 0.0]
    core.step(np.array([[0.0, 1.0], [0.0, 0.2], [0.0, -1.0]], np.float32))
    # aims: 0.5, 0.1, -0.5 rad; within 0.1 s that is 5, 0.1, -5 rad/s
    np.testing.assert_allclose(core._commands.controls[:, 0, 1], [0.6, 0.1, -0.6], atol=1e-7)


def test_a_rad_action_moves_by_the_first_tenth_of_its_anchor() -> None:
    poses = np.array([[10.0, 20.0, np.pi / 2]])
    moved = next_poses(np.array([[30, 20]]), poses)  # straight on at 10 m/s: 1 m in 0.1 s
    np.testing.assert_allclose(moved, [[10.0, 21.0, np.pi / 2]], atol=1e-12)
    # lateral bin 60 (0.75 m to the left) at 4 m/s: golden first waypoint and yaw of anchor (8, 60)
    moved = next_poses(np.array([[60, 8]]), np.zeros((1, 3)))
    np.testing.assert_allclose(moved, [[0.433676, 0.028572, 0.14619419]], atol=1e-6)


def test_a_rad_action_that_a_car_cannot_drive_becomes_the_nearest_it_can() -> None:
    here = np.zeros((1, 3))
    asked, nearest = next_poses(np.array([[60, 3]]), here), next_poses(np.array([[34, 3]]), here)
    np.testing.assert_array_equal(asked, nearest)


def test_rad_puts_the_vehicle_where_the_anchor_says() -> None:
    core = core_of("rad")
    before = core.world.ego_pose(0)
    core.step(np.array([[40, 24]]))
    expected = next_poses(np.array([40, 24]), before)
    np.testing.assert_allclose(core.world.ego_pose(0), expected, atol=1e-9)
    assert core.world.state.speed[0, 0] == pytest.approx(12.0, abs=0.1)


def test_a_plan_is_followed_by_the_tracker() -> None:
    core = core_of(TrajectoryActions(poses=4, dt=0.5))
    before, speed = core.world.ego_pose(0), float(core.world.state.speed[0, 0])
    plan = np.zeros((1, 4, 3), np.float32)
    plan[0, :, 0] = speed * 0.5 * np.arange(1, 5)
    core.step(plan)
    moved = core.world.ego_pose(0) - before
    assert np.hypot(moved[0], moved[1]) == pytest.approx(0.1 * speed, abs=1e-6)


@pytest.mark.parametrize(
    ("action", "bad", "told"),
    [
        ("control", [[0.0, 0.0], [0.0, 1.5]], "environment 1: entry 1 is 1.5; .* -1.0 to 1.0"),
        ("control", [[np.nan, 0.0], [0.0, 0.0]], "environment 0: entry 0 is nan"),
        ("control", [[np.inf, 0.0], [0.0, 0.0]], "environment 0: entry 0 is inf"),
        ("control", [0.0, 0.0, 0.0], r"shape \(3,\): expected \(2, 1, 2\)"),
        ("rad", [[30, 20], [30, 61]], "environment 1: entry 1 is 61; .* 0 to 60"),
        ("rad", [[-1, 20], [30, 6]], "environment 0: entry 0 is -1"),
        ("rad", [[30.0, 20.0], [30.0, 6.0]], "expected whole numbers"),
        (
            "trajectory",
            np.full((2, 8, 3), 1e9),
            r"environment 0: entry \(0, 0\) is 1000000000.0; .* -3.5 to 17.5",
        ),
    ],
)
def test_actions_outside_of_their_space_are_refused(action: str, bad: Any, told: str) -> None:
    core = core_of(action, environments=2)
    place = core.world.state.x.copy()
    with pytest.raises(ConfigError, match=told):
        core.step(np.asarray(bad))
    np.testing.assert_array_equal(core.world.state.x, place)


def test_a_misspelt_action_space_is_told_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'trajectory'"):
        action_kind("trajectry")


@given(st.integers(1, 4), st.integers(1, 3), st.data())
def test_checked_actions_keep_their_values(
    environments: int, policies: int, data: st.DataObject
) -> None:
    space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    values = st.floats(-1.0, 1.0, width=32)
    actions = data.draw(hnp.arrays(np.float32, (environments * policies, 2), elements=values))
    checked = check_actions(space, actions, (environments, policies))
    assert checked.shape == (environments, policies, 2)
    np.testing.assert_array_equal(checked.reshape(-1, 2), actions)


@given(st.floats(-20.0, 60.0), st.floats(-8.0, 8.0))
def test_a_point_beside_a_bent_line_is_placed_as_geometry_says(x: float, y: float) -> None:
    line = np.array([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [40.0, 10.0, 0.46]])
    along, left, length = place_on_line(line, x, y)
    expected, distance = project(line, np.array([x, y]))
    assert length == pytest.approx(20.0 + np.hypot(20.0, 10.0))
    assert abs(left) == pytest.approx(distance, abs=1e-9)
    assert along == pytest.approx(expected, abs=1e-9)
    if abs(y) > 1e-6 and along < 20.0:
        assert np.sign(left) == np.sign(y)
