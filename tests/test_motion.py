"""Velocities and accelerations from recorded positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.data.motion import box_velocities, ego_frame, fit_motion
from drivelab.geometry.poses import rotate

number = st.floats(-20, 20)


@settings(max_examples=50, deadline=None)
@given(number, number, number, number, st.integers(0, 2**32 - 1))
def test_constant_acceleration_is_recovered(
    vx: float, vy: float, ax: float, ay: float, seed: int
) -> None:
    gaps = np.random.default_rng(seed).uniform(0.005, 0.1, 80)
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    speed, push = np.array([vx, vy]), np.array([ax, ay])
    positions = 1e5 + times[:, None] * speed + 0.5 * times[:, None] ** 2 * push
    velocity, acceleration = fit_motion(times, positions, times, half_window=0.3)
    np.testing.assert_allclose(velocity, speed + times[:, None] * push, atol=1e-5)
    np.testing.assert_allclose(acceleration, np.tile(push, (81, 1)), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3.2, 3.2), st.integers(0, 2**32 - 1))
def test_turning_the_positions_turns_the_velocity(yaw: float, seed: int) -> None:
    positions = np.random.default_rng(seed).normal(size=(30, 2)).cumsum(axis=0)
    times = np.arange(30) * 0.1
    plain = fit_motion(times, positions, times, half_window=0.3)
    turned = fit_motion(times, rotate(positions, yaw), times, half_window=0.3)
    for before, after in zip(plain, turned, strict=True):
        np.testing.assert_allclose(rotate(before, yaw), after, atol=1e-9)
        np.testing.assert_allclose(ego_frame(after, np.full(30, yaw)), before, atol=1e-9)


def test_a_median_ignores_one_long_step() -> None:
    times = np.arange(21) * 0.1
    positions = np.column_stack([times * 3.0, 0 * times])
    positions[10:] += 0.3
    velocity, _ = fit_motion(times, positions, times, half_window=0.4, median=5)
    np.testing.assert_allclose(velocity[:, 0], 3.0, atol=1e-12)
    plain, _ = fit_motion(times, positions, times, half_window=0.4)
    assert plain[10, 0] > 3.2


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_box_velocities_never_bridge_a_gap(reach: int) -> None:
    times = np.arange(10) * 0.1
    valid = np.array([1, 1, 1, 0, 0, 1, 1, 1, 0, 1], bool)[:, None]
    centres = np.zeros((10, 1, 2))
    centres[:3, 0, 0] = 2.0 * times[:3]
    centres[5:8, 0, 0] = 100 - 1.0 * times[5:8]
    velocity = box_velocities(times, np.where(valid[..., None], centres, np.nan), valid, reach)
    np.testing.assert_allclose(velocity[:3, 0, 0], 2.0)
    np.testing.assert_allclose(velocity[5:8, 0, 0], -1.0)
    np.testing.assert_array_equal(velocity[9, 0], [0.0, 0.0])  # seen once: it stands
    assert np.isnan(velocity[[3, 4, 8]]).all()
