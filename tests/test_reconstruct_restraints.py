"""What is asked of a scene beside its pictures, each by numbers worked out by hand."""

import numpy as np
import pytest
import torch

from drivelab.data.timed_poses import HOLD, TimedPoses, tracked_at
from drivelab.errors import DataError
from drivelab.kernels.splat import Cameras
from drivelab.training.reconstruction.loop import Reconstruction, beside_of
from drivelab.training.reconstruction.losses import entropy, roughness, slenderness
from drivelab.training.reconstruction.model import Model
from drivelab.training.reconstruction.settings import (
    Density,
    Mcmc,
    Rates,
    ReconstructionSettings,
    Weights,
)
from drivelab.training.reconstruction.views import Nodes, Views, threes

pytestmark = pytest.mark.nn
NOTHING = Weights(dissimilarity=0.0, depth=0.0, sky=0.0, slenderness=0.0, roughness=0.0, entropy=0)


def test_only_needles_are_held_back():
    scales = torch.tensor([[9.0, 1, 1], [30.0, 2, 1], [1, 1, 1]]).log().requires_grad_()
    found = slenderness(scales)
    assert float(found.detach()) == pytest.approx(20 / 3, rel=1e-5)  # 0, 30 - 10, 0
    found.backward()  # d ratio / d log of the longest: 30; of the shortest: -30; a third each
    wanted = torch.tensor([[0.0, 0, 0], [10, 0, -10], [0, 0, 0]])
    torch.testing.assert_close(scales.grad, wanted, rtol=1e-4, atol=1e-4)


def test_corrections_along_a_line_are_smooth():
    straight = torch.arange(4.0)[:, None] * torch.ones(1, 6)
    rows = torch.tensor([[0, 1, 2], [1, 2, 3]])
    assert float(roughness(straight, rows)) == 0.0
    bent = straight.clone()
    bent[1, 0] += 0.6  # bends by -1.2 and 0.6 in one of six numbers
    assert float(roughness(bent, rows)) == pytest.approx((1.2 + 0.6) / 12)


def test_half_covered_pixels_have_the_most_entropy():
    assert float(entropy(torch.tensor([0.5]))) == pytest.approx(np.log(2))
    assert float(entropy(torch.tensor([0.0, 1.0]))) == pytest.approx(0.0, abs=2e-5)
    quarter = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert float(entropy(torch.tensor([0.25, 0.75]))) == pytest.approx(quarter)


def views(frames=None, groups=None, nodes=None, count=6):
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 0, 3] = -0.1 * np.arange(count)
    lens = np.tile([[20.0, 0, 12], [0, 20.0, 8], [0, 0, 1]], (count, 1, 1))
    images = np.full((count, 16, 24, 3), 0.4, np.float32)
    return Views(images, Cameras(poses, lens, 24, 16), frames=frames, groups=groups, nodes=nodes)


def test_views_in_a_row_are_of_one_camera():
    found = views(np.repeat(np.arange(3), 2), np.tile([0, 1], 3), count=6)
    assert threes(found, np.arange(6)).tolist() == [[0, 2, 4], [1, 3, 5]]
    alone = views(np.arange(6))
    assert threes(alone, np.array([1, 2, 4, 5])).tolist() == [[1, 2, 4], [2, 4, 5]]
    assert threes(alone, np.array([1, 2])).shape == (0, 3)
    assert threes(views(), np.arange(6)).shape == (0, 3)  # in no known order


def begun(seen, settings):
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -0.6, 3), (1, 0.6, 5), (60, 3))
    nodes = np.where(np.arange(60) < 20, 1, 0) if seen.nodes is not None else None
    model = Model.of_points(points, rng.random((60, 3)), 0.5, nodes=nodes,
                            beside=beside_of(seen, settings))  # fmt: skip
    return Reconstruction(seen, model, settings)


def how(weights, **more):
    still = Rates(means=0, quats=0, scales=0, opacities=0, sh_first=0, sh_rest=0, **more)
    return ReconstructionSettings(steps=30, hold_out=0, weights=weights, rates=still,
                                  density=Density(last=0), mcmc=Mcmc(last=8))  # fmt: skip


def test_slenderness_counts_at_every_tenth_step():
    run = begun(views(), how(Weights(slenderness=1.0)))
    with torch.no_grad():
        run.model.scales[:, 0] += float(np.log(40.0))
    losses = [run.advance() for _ in range(12)]
    assert [n for n, loss in enumerate(losses) if loss > 20] == [0, 10]  # 40 - 10 = 30 and more


def gradients(run, number=0):
    run._restraint(number).backward()
    return {name: p.grad for name, p in run.model.named_parameters() if p.grad is not None}


def test_poses_are_smoothed_only_where_they_are_learned():
    weights = Weights(slenderness=0.0, roughness=1.0, entropy=0.0)
    run = begun(views(np.arange(6)), how(weights, twists=1e-3))
    with torch.no_grad():
        run.model.twists[2, 3] = 0.5
    assert set(gradients(run)) == {"twists"}
    fixed = begun(views(np.arange(6)), how(weights))
    assert float(fixed._restraint(0)) == 0.0
    unordered = begun(views(), how(weights, twists=1e-3))
    assert float(unordered._restraint(0).detach()) == 0.0


def test_entropy_pulls_at_moving_ones_once_their_number_is_settled():
    valid = np.ones((1, 6), bool)
    valid[0, 3] = False
    nodes = Nodes(np.tile(np.eye(4), (1, 6, 1, 1)), valid)
    run = begun(views(nodes=nodes), how(Weights(slenderness=0.0, roughness=0.0, entropy=0.1)))
    assert float(run._restraint(3)) == 0.0  # nobody is there
    pulls = gradients(run)["opacities"]
    assert float(pulls[:20].abs().max()) > 0
    assert float(pulls[20:].abs().max()) == 0.0
    late = begun(views(nodes=nodes), ReconstructionSettings(steps=30, density=Density(last=5)))
    with torch.no_grad():
        before = float(late._restraint(0))
        late.step = 5
        after = float(late._restraint(0))
    assert after > before


def test_poses_between_two_known_ones():
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # a quarter turn to the left
    poses[1, :3, 3] = 4.0, 2.0, 0.0
    known = TimedPoses(np.array([0, 1_000_000]), poses)
    (half,) = known.at(np.array([500_000]))
    np.testing.assert_allclose(half[:3, 3], [2.0, 1.0, 0.0])
    np.testing.assert_allclose(half[:2, 0], [0.5**0.5] * 2, atol=1e-12)
    np.testing.assert_allclose(known.at(np.array([-HOLD, 1_000_000 + HOLD])), poses, atol=1e-12)
    with pytest.raises(DataError, match="no pose at 1060001 us; those known span 0 to 1000000"):
        known.at(np.array([500_000, 1_000_000 + HOLD + 1]))


def test_who_comes_and_goes_is_there_between_neighbours_only():
    times = np.array([0, 500_000, 1_000_000])
    poses = np.tile(np.eye(4), (1, 3, 1, 1))
    poses[0, :, 0, 3] = 0.0, 5.0, 0.0
    valid = np.array([[True, True, False]])
    wanted = np.array([-HOLD - 1, 250_000, 500_000 + HOLD, 500_000 + HOLD + 1, 1_000_000])
    found, there = tracked_at(times, poses, valid, wanted)
    assert there[0].tolist() == [False, True, True, False, False]
    np.testing.assert_allclose(found[0, 1:3, 0, 3], [2.5, 5.0])
