"""The planning vocabulary: furthest trajectories, by hand and by property."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.agents.vadv2.vocabulary import (
    STAND,
    coverage,
    furthest_trajectories,
    load_vocabulary,
    make_vocabulary,
    save_vocabulary,
    spacing,
)
from drivelab.errors import ConfigError, DataError


def straight(*speeds: float, steps: int = 2) -> np.ndarray:
    """Drives straight on, 1 s between two poses."""
    x = np.asarray(speeds)[:, None] * np.arange(1, steps + 1)
    return np.stack([x, 0 * x, 0 * x], -1)


def drives(seed: int, count: int, steps: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.normal(1.0, 1.0, (count, steps, 2)).cumsum(1), rng.normal(size=(count, steps, 1))], -1
    )


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.hypot(*(a - b)[:, :2].T).sum())


class TestFurthestTrajectories:
    def test_by_hand(self):
        points = straight(1.0, 9.0, 4.0, 10.0, 6.0)[..., :2]
        # from 0: 10; then 4 (4 from 0, 6 from 10) and 6 (4 from 10) are equally far: the first;
        # then 6 (2 from 4); then 1 and 9, each 1 away
        found = furthest_trajectories(points, 5, first=np.zeros((2, 2)))
        assert found.tolist() == [3, 2, 4, 0, 1]

    def test_distances_are_sums_over_the_steps(self):
        points = np.zeros((2, 3, 2))
        points[0, 2, 0] = 5.0  # far at one step: 5 m in all
        points[1, :, 1] = 2.0  # a little at each: 6 m in all
        assert furthest_trajectories(points, 1, first=np.zeros((3, 2))).tolist() == [1]

    def test_says_how_many_differ(self):
        points = straight(3.0, 3.0, 0.0)[..., :2]
        with pytest.raises(
            ConfigError, match="3 entries wanted, but only 1 recorded trajectories differ"
        ):
            furthest_trajectories(points, 2, first=np.zeros((2, 2)))
        with pytest.raises(ConfigError, match="only 0 recorded trajectories differ"):
            furthest_trajectories(points[:0], 1, first=np.zeros((2, 2)))

    @given(st.integers(0, 10**6), st.integers(2, 30), st.data())
    @settings(max_examples=40, deadline=None)
    def test_each_pick_is_the_furthest_from_those_before(self, seed, count, data):
        points = drives(seed, count)[..., :2]
        picks = data.draw(st.integers(1, count))
        chosen = furthest_trajectories(points, picks, first=points[0] * 0)
        taken = [points[0] * 0]
        assert len(set(chosen.tolist())) == picks
        for row in chosen:
            away = [min(distance(point, other) for other in taken) for point in points]
            assert away[row] == pytest.approx(max(away))
            taken.append(points[row])

    @given(st.integers(0, 10**6), st.integers(2, 20))
    @settings(max_examples=20, deadline=None)
    def test_the_order_of_the_candidates_changes_nothing(self, seed, count):
        points = drives(seed, count)[..., :2]
        order = np.random.default_rng(seed).permutation(count)
        first = np.zeros((8, 2))
        straight_on = furthest_trajectories(points, count, first=first)
        np.testing.assert_array_equal(
            order[furthest_trajectories(points[order], count, first=first)], straight_on
        )

    def test_costs_grow_with_candidates_times_picks(self):
        points = drives(0, 20_000)[..., :2]
        begin = perf_counter()
        furthest_trajectories(points, 100, first=np.zeros((8, 2)))
        assert perf_counter() - begin < 5.0  # 0.1 s here; 4,096 of 100,000 take half a minute


class TestVocabulary:
    def test_begins_with_standing_still_and_keeps_whole_recorded_drives(self):
        recorded = drives(3, 40)
        made = make_vocabulary(recorded, 10)
        assert made.shape == (10, 8, 3)
        assert not made[STAND].any()
        for entry in made[1:]:
            assert any(np.array_equal(entry, drive) for drive in recorded)

    def test_a_larger_one_begins_with_the_smaller_and_covers_more(self):
        recorded = drives(4, 200)
        small, large = (make_vocabulary(recorded, entries) for entries in (8, 64))
        np.testing.assert_array_equal(large[:8], small)
        assert (coverage(recorded, large) <= coverage(recorded, small)).all()
        assert coverage(recorded, large).max() < coverage(recorded, small).max()

    def test_coverage_by_hand(self):
        away = coverage(straight(2.0, 5.0), straight(0.0, 4.0))
        np.testing.assert_allclose(away, [(2 + 4) / 2, (1 + 2) / 2])

    def test_refuses_what_is_not_finite_or_too_little(self):
        broken = drives(1, 5)
        broken[3, 2, 1] = np.nan
        with pytest.raises(DataError, match="trajectory 3 is not finite"):
            make_vocabulary(broken, 3)
        with pytest.raises(ConfigError, match="fewer entries"):
            make_vocabulary(drives(1, 5), 7)

    def test_a_file_gives_it_back(self, tmp_path: Path):
        made = make_vocabulary(drives(2, 20), 6)
        save_vocabulary(made, tmp_path / "kept" / "vocabulary.npy")
        np.testing.assert_array_equal(load_vocabulary(tmp_path / "kept" / "vocabulary.npy"), made)
        with pytest.raises(DataError, match=r"no such file; leave out agent\.vocabulary"):
            load_vocabulary(tmp_path / "none.npy")
        np.save(tmp_path / "anchors.npy", made[..., :2])
        with pytest.raises(DataError, match=r"shape \(6, 8, 2\), expected \(entries, poses, 3\)"):
            load_vocabulary(tmp_path / "anchors.npy")
        made[4, 2, 0] = np.nan
        np.save(tmp_path / "broken.npy", made)
        with pytest.raises(DataError, match=r"broken.npy: entry 4 is not finite; leave out"):
            load_vocabulary(tmp_path / "broken.npy")


def test_the_way_between_neighbours_by_hand():
    entries = straight(0.0, 1.0, 3.0)  # means over the steps: 1.5 between the first two, then 3
    assert spacing(entries) == pytest.approx(1.5)
    assert spacing(entries[1:]) == pytest.approx(3.0)
