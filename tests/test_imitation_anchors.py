"""Anchors: the centres of recorded trajectories, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivelab.errors import ConfigError, DataError
from drivelab.training.imitation.anchors import cluster, load_anchors, save_anchors


def test_finds_the_centres_of_separate_bundles():
    rng = np.random.default_rng(0)
    centres = np.stack([np.stack([np.arange(1, 9) * v, np.arange(1, 9) * s], -1)
                        for v, s in ((1, 0), (5, 0), (3, 2), (3, -2))])  # fmt: skip
    data = np.repeat(centres, 30, axis=0) + 0.05 * rng.standard_normal((120, 8, 2))
    found = cluster(data, 4)
    for centre in centres:
        assert np.abs(found - centre).max(axis=(1, 2)).min() < 0.06
    assert np.abs(found[:2, -1, 1]).max() < 0.1  # straight ones first


def test_the_same_scenes_give_the_same_anchors():
    data = np.random.default_rng(1).standard_normal((200, 8, 2)).cumsum(axis=1)
    np.testing.assert_array_equal(cluster(data, 20), cluster(data, 20))


def test_too_few_trajectories_are_told():
    with pytest.raises(ConfigError, match="20 modes of 3 different trajectories"):
        cluster(np.arange(48.0).reshape(3, 8, 2).repeat(9, axis=0), 20)


def test_a_broken_trajectory_is_told():
    data = np.zeros((30, 8, 2))
    data[4, 2, 0] = np.nan
    with pytest.raises(DataError, match="trajectory 4 is not finite"):
        cluster(data, 2)


def test_files_come_back_and_foreign_ones_are_refused(tmp_path: Path):
    anchors = np.arange(32.0).reshape(2, 8, 2)
    save_anchors(anchors, tmp_path / "a.npy")
    np.testing.assert_array_equal(load_anchors(tmp_path / "a.npy"), anchors)
    (tmp_path / "b.npy").write_bytes(b"nothing of the kind")
    np.save(tmp_path / "c.npy", np.zeros((2, 8, 3)))
    with pytest.raises(DataError, match="no anchors"):
        load_anchors(tmp_path / "b.npy")
    with pytest.raises(DataError, match=r"shape \(2, 8, 3\), expected \(modes, poses, 2\)"):
        load_anchors(tmp_path / "c.npy")
