from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivelab.errors import DataError
from drivelab.metrics.mode_diversity import mode_diversity


def straight(length: float, y: float = 0.0) -> np.ndarray:
    poses = np.zeros((8, 3))
    poses[:, 0] = np.linspace(length / 8, length, 8)
    poses[:, 1] = y
    return poses


def test_equal_modes_have_none():
    assert mode_diversity(np.stack([straight(20.0)] * 5)) == pytest.approx(0.0)


def test_a_short_and_a_long_one_by_hand():
    # areas 10 w and 40 w, the union is the longer: 1 - (10 + 40) / 2 / 40
    assert mode_diversity(np.stack([straight(10.0), straight(40.0)])) == pytest.approx(0.375)


def test_two_that_share_nothing_but_the_start_come_near_a_half():
    left, right = straight(1.0), straight(1.0)
    left[:, :2] = np.linspace(0, 1, 9)[1:, None] * [30, 30]
    right[:, :2] = np.linspace(0, 1, 9)[1:, None] * [30, -30]
    assert 0.45 < mode_diversity(np.stack([left, right]), width=1.0) < 0.5


def test_standing_still_is_a_mode_too():
    assert mode_diversity(np.zeros((3, 8, 3))) == pytest.approx(0.0)


@given(st.integers(1, 6), st.integers(0, 10_000))
def test_lies_between_none_and_one_and_does_not_ask_for_order(count: int, seed: int):
    rng = np.random.default_rng(seed)
    modes = rng.uniform(-1, 4, (count, 8, 3)).cumsum(axis=1)
    found = mode_diversity(modes)
    assert -1e-9 <= found <= 1 - 1 / count + 1e-9
    assert mode_diversity(modes[::-1]) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("modes", [np.zeros((0, 8, 3)), np.full((2, 8, 3), np.nan)])
def test_no_modes_or_broken_ones_are_told(modes: np.ndarray):
    with pytest.raises(DataError, match="expected finite"):
        mode_diversity(modes)
