"""RAD's anchors against the released set's golden numbers and against the recipe done in full."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from drivelab.planning.rad_anchors import (
    BINS,
    LATERAL,
    LONGITUDINAL,
    WHEEL_BASE,
    flat_index,
    nearest_valid,
    rad_anchors,
)

GOLDEN = Path(__file__).parent / "golden" / "closed_loop"
CASES = json.loads((GOLDEN / "cases.json").read_text())["rad_anchor"]


def test_every_mask_bit_is_the_released_one() -> None:
    mask = np.load(GOLDEN / "rad_anchor_mask_61x61.npz")["mask"]
    np.testing.assert_array_equal(rad_anchors().valid, mask)
    assert rad_anchors().valid.sum(1).tolist() == CASES["valid_per_longitudinal_row"]


@pytest.mark.parametrize("sample", CASES["samples"], ids=lambda s: f"{s['ix']}-{s['iy']}")
def test_sample_anchors_are_the_released_ones(sample: dict) -> None:
    anchors = rad_anchors()
    row, column = sample["ix"], sample["iy"]
    poses = anchors.poses[row, column]
    np.testing.assert_allclose(poses[:, :2], sample["waypoints"], rtol=0, atol=1e-6)
    assert anchors.step[row, column, 2] == pytest.approx(sample["yaw_at_0p1s"], abs=1e-8)
    assert bool(anchors.valid[row, column]) is sample["valid"]
    assert [LONGITUDINAL[row], LATERAL[column]] == pytest.approx(sample["grid_xy"], abs=1e-12)


def test_end_points_yaws_and_sums_of_all_are_the_released_ones() -> None:
    anchors, golden = rad_anchors(), np.load(GOLDEN / "rad_anchor_summary.npz")
    ends, yaws = anchors.poses[:, :, -1, :2], anchors.step[:, :, 2]
    np.testing.assert_allclose(ends[::4, ::4], golden["anchor.endpoint_grid"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(yaws[::4, ::4], golden["anchor.yaw_grid"], rtol=0, atol=1e-7)
    row = anchors.poses[30, ::6, :, :2]
    np.testing.assert_allclose(row, golden["anchor.first_step_row30"], rtol=0, atol=1e-6)
    single = anchors.poses.astype(np.float32).astype(float)  # the sums were taken of float32
    sums = [
        single[..., 0].sum(),
        np.abs(single[..., :2]).sum(),
        np.abs(single[:, :, 1, 2]).sum(),
        anchors.valid.sum(),
    ]
    np.testing.assert_allclose(sums, golden["anchor.sum"], rtol=0, atol=1e-6)


def test_kept_anchors_are_the_nearest_of_all_rollouts_of_the_recipe() -> None:
    """The slow third of the 2.5 million, where the steering angles lie closest together."""
    speed, angle = np.linspace(0, 32, 641)[:220, None], np.deg2rad(np.linspace(-49, 49, 3921))
    x, y, yaw = np.zeros((3, 220, 3921))
    turn = speed / WHEEL_BASE * np.tan(angle) * 0.01
    for _ in range(50):
        x += speed * np.cos(yaw) * 0.01
        y += speed * np.sin(yaw) * 0.01
        yaw += turn
    ends = np.column_stack([x.ravel(), y.ravel()])
    slow = rad_anchors().valid & (LONGITUDINAL <= 5.0)[:, None]
    grid = np.stack(np.meshgrid(LONGITUDINAL, LATERAL, indexing="ij"), -1)
    _, nearest = cKDTree(ends).query(grid[slow])
    kept = rad_anchors().poses[slow][:, -1, :2]
    np.testing.assert_allclose(kept, ends[nearest], rtol=0, atol=1e-12)


def test_masked_bins_go_to_the_nearest_valid_bin_of_their_row() -> None:
    valid = rad_anchors().valid
    lateral, longitudinal = np.meshgrid(np.arange(BINS), np.arange(BINS))
    moved = nearest_valid(lateral, longitudinal)
    assert valid[longitudinal, moved].all()
    distance = np.abs(moved - lateral)
    for row in range(BINS):
        bins = np.flatnonzero(valid[row])
        expected = np.abs(bins[None] - np.arange(BINS)[:, None]).min(1)
        np.testing.assert_array_equal(distance[row], expected)


def test_forward_is_the_slow_index_of_the_flat_files() -> None:
    assert flat_index(np.array(45), np.array(20)) == 20 * 61 + 45
    flat = rad_anchors().poses.reshape(-1, 6, 3)
    np.testing.assert_array_equal(flat[20 * 61 + 45], rad_anchors().poses[20, 45])
