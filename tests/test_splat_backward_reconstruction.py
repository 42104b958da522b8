"""Scenes from posed pictures: losses by hand, what grows and goes, a run that goes on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from drivelab.errors import RunError
from drivelab.kernels.splat import Cameras, Gaussians, Pictures, Trace, render
from drivelab.training.reconstruction import densify
from drivelab.training.reconstruction.loop import Reconstruction, reconstruct
from drivelab.training.reconstruction.losses import loss, psnr, ssim
from drivelab.training.reconstruction.model import Model, optimizer_of
from drivelab.training.reconstruction.settings import (
    Density,
    Rates,
    ReconstructionSettings,
    Weights,
)
from drivelab.training.reconstruction.views import Views, split

pytestmark = pytest.mark.nn
WIDTH, HEIGHT = 48, 32


def blobs(count=80, seed=0):
    rng = np.random.default_rng(seed)
    fields = (
        rng.uniform((-1.5, -1, 4), (1.5, 1, 6), (count, 3)), np.tile([1.0, 0, 0, 0], (count, 1)),
        rng.uniform(0.1, 0.3, (count, 3)), rng.uniform(0.5, 0.95, count),
        rng.uniform(-1.5, 1.5, (count, 1, 3)),
    )  # fmt: skip
    return Gaussians(*(np.ascontiguousarray(field, np.float32) for field in fields))


def photographed(scene, count=10):
    """Views of a scene from places side by side."""
    views = np.tile(np.eye(4), (count, 1, 1))
    views[:, 0, 3] = np.linspace(-1, 1, count)
    views[:, 1, 3] = np.linspace(-0.3, 0.3, count) ** 2
    lens = np.tile([[40.0, 0, WIDTH / 2], [0, 40, HEIGHT / 2], [0, 0, 1]], (count, 1, 1))
    cameras = Cameras(views, lens, WIDTH, HEIGHT)
    seen = render(scene, cameras)
    depths = np.where(seen.alpha > 0.9, seen.depth, 0).astype(np.float32)
    return Views(seen.rgb.clip(0, 1), cameras, depths, seen.alpha < 0.01)


QUICK = ReconstructionSettings(
    steps=120, degree=1, degree_every=60, hold_out=5, save_every=50, opacity=0.5,
    rates=Rates(means=2e-3, sh_first=2e-2, sh_rest=1e-3, scales=1e-2),
    density=Density(first=20, last=100, every=30, reset_every=1000, pull=1e-3, small=0.1),
)  # fmt: skip


def start(scene, seed=1):
    rng = np.random.default_rng(seed)
    points = scene.means + rng.normal(0, 0.05, scene.means.shape)
    return points[::2], np.full((len(points[::2]), 3), 0.5)


def test_a_run_learns_the_held_out_views_and_goes_on_bit_by_bit(tmp_path):
    scene = blobs()
    views, (points, colours) = photographed(scene), start(scene)
    told = []
    before = Reconstruction(views, Model.of_points(points, colours, 0.5), QUICK).judge()
    whole = reconstruct(
        views,
        points,
        colours,
        QUICK,
        tmp_path / "whole",
        look=lambda run, loss: told.append((run.step, loss)) is None,
    )
    after = whole.judge()
    assert (before.views, after.views) == (2, 2)
    assert after.psnr > before.psnr + 6
    assert after.ssim > before.ssim + 0.2
    assert [step for step, _ in told] == list(range(1, 121))
    assert np.mean([x for _, x in told[-8:]]) < 0.4 * np.mean([x for _, x in told[:8]])
    assert len(whole.model) != len(points)

    # The same run, broken off after 75 steps; its last checkpoint is of 50.
    class Broken(Exception):
        pass

    def stop(run, _):
        if run.step == 75:
            raise Broken
        return True

    with pytest.raises(Broken):
        reconstruct(views, points, colours, QUICK, tmp_path / "broken", look=stop)
    folder = tmp_path / "broken"
    paused = reconstruct(views, points, colours, QUICK, folder, look=lambda run, _: run.step < 80)
    assert paused.step == 80
    again = reconstruct(views, points, colours, QUICK, folder)
    for name, value in whole.model.state_dict().items():
        np.testing.assert_array_equal(value, again.model.state_dict()[name], err_msg=name)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    scene = blobs(8)
    views = photographed(scene, 3)
    few = ReconstructionSettings(steps=1, hold_out=0)
    reconstruct(views, *start(scene), few, tmp_path)
    other = ReconstructionSettings(steps=1, hold_out=0, weights=Weights(depth=1.0))
    with pytest.raises(RunError, match=r"weights\.depth: 0\.01 there, 1\.0 now"):
        reconstruct(views, *start(scene), other, tmp_path)
    with pytest.raises(RunError, match="holds no checkpoint"):
        Reconstruction.load(tmp_path / "nowhere", views, few)


def test_similarity_by_hand():
    image = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(0))
    assert float(ssim(image, image)) == pytest.approx(1.0, abs=1e-6)
    # Flat pictures, in the middle of which no edge is seen: only the means differ.
    a, b = torch.full((31, 31, 3), 0.2), torch.full((31, 31, 3), 0.8)
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    inside = np.convolve(np.ones(31), window, "same")
    share = np.outer(inside, inside)
    means = share * 0.2, share * 0.8
    spreads = [0.2**2 * (share - share**2), 0.8**2 * (share - share**2)]
    shared = 0.16 * (share - share**2)
    one, two = 1e-4, 9e-4
    wanted = (2 * means[0] * means[1] + one) * (2 * shared + two)
    wanted /= (means[0] ** 2 + means[1] ** 2 + one) * (spreads[0] + spreads[1] + two)
    assert float(ssim(a, b)) == pytest.approx(wanted.mean(), rel=1e-4)
    assert float(psnr(a, b)) == pytest.approx(-20 * math.log10(0.6), rel=1e-5)


def test_losses_by_hand():
    half = torch.full((1, 12, 16), 0.5)
    pictures = Pictures(half[..., None].expand(-1, -1, -1, 3), 4.0 * half, half)
    seen = pictures.rgb[0]
    image = seen + 0.1
    only = Weights(dissimilarity=0.0, depth=0.0, sky=0.0)
    assert float(loss(seen, pictures, image, None, None, only)) == pytest.approx(0.1, rel=1e-5)
    depth = torch.zeros(12, 16)
    depth[3, 4] = 7.0  # 2 of cover times depth there, 3.5 were measured
    far = Weights(dissimilarity=0.0, depth=1.0, sky=0.0)
    assert float(loss(seen, pictures, image, depth, None, far)) == pytest.approx(1.6, rel=1e-5)
    sky = torch.ones(12, 16, dtype=torch.bool)
    bright, image = Weights(dissimilarity=0.0, depth=0.0, sky=1.0), seen
    assert float(loss(seen, pictures, image, None, sky, bright)) == pytest.approx(
        math.log(2), rel=1e-5
    )


def three():
    """Three Gaussians of 0.001, 0.5 and 0.001 m, with an optimiser that has made a step."""
    model = Model(3)
    with torch.no_grad():
        model.means.copy_(torch.tensor([[0.0, 0, 0], [10, 0, 0], [20, 0, 0]]))
        model.quats[:, 0] = 1.0
        model.scales.copy_(torch.tensor([0.001, 0.5, 0.001]).log()[:, None].expand(3, 3))
    optimizer = optimizer_of(model, Rates(), 1.0)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    model.means.grad[:] = torch.arange(1.0, 4.0)[:, None]
    optimizer.step()
    return model, optimizer


def test_small_ones_are_copied_and_large_ones_split():
    model, optimizer = three()
    densify.gather(model, Trace(torch.tensor([1.0, 1.0, 1e-4]), torch.ones(3, dtype=torch.int32)))
    moment = optimizer.state[model.means]["exp_avg"].clone()
    means = model.means.detach().clone()
    chance = torch.Generator().manual_seed(0)
    assert densify.grow(model, optimizer, Density(), 1.0, chance) == (1, 1)
    assert len(model) == 5  # two kept, one copied, two of one
    np.testing.assert_array_equal(model.means[:3].detach(), means[[0, 2, 0]])
    sizes = model.scales.detach().exp()[:, 0]
    np.testing.assert_allclose(sizes[3:], 0.5 / 1.6, rtol=1e-5)
    apart = model.means.detach()[3:] - means[1]
    assert 0 < apart.norm(dim=1).min() < apart.norm(dim=1).max() < 0.5 * 6
    state = optimizer.state[model.means]
    np.testing.assert_array_equal(state["exp_avg"][:2], moment[[0, 2]])
    np.testing.assert_array_equal(state["exp_avg"][2:], 0)
    assert int(state["step"]) == 1
    np.testing.assert_array_equal(model.pulls, torch.zeros(5))


def test_what_was_never_seen_takes_the_colour_of_its_neighbours():
    model, _ = three()
    with torch.no_grad():
        model.sh_first[:, 0, 0] = torch.tensor([1.0, 9.0, 3.0])
    densify.gather(model, Trace(torch.tensor([1.0, 0, 1.0]), torch.ones(3, dtype=torch.int32)))
    inside = np.ones(3, bool)
    assert densify.colour_unseen(model, inside) == 1
    assert model.sh_first[:, 0, 0].tolist() == [1.0, 2.0, 3.0]  # the middle of both
    model.nodes[1] = 1  # alone in its frame
    assert densify.colour_unseen(model, inside) == 0
    model.nodes[1], inside[0] = 0, False  # only its rim was seen
    assert densify.colour_unseen(model, inside) == 2
    assert model.sh_first[:, 0, 0].tolist() == [3.0, 3.0, 3.0]


def test_faint_ones_go_and_large_ones_later():
    model, optimizer = three()
    with torch.no_grad():
        model.opacities.copy_(torch.logit(torch.tensor([0.004, 0.9, 0.9])))
    assert densify.prune(model, optimizer, Density(), 1.0, 100) == 1
    assert densify.prune(model, optimizer, Density(), 1.0, 3001) == 1
    np.testing.assert_allclose(model.means.detach()[:, 0], [20], atol=1e-2)
    assert len(optimizer.state[model.sh_rest]["exp_avg"]) == 1


def test_opacities_fade_to_twice_the_least():
    model, optimizer = three()
    with torch.no_grad():
        model.opacities.copy_(torch.logit(torch.tensor([0.004, 0.9, 0.9])))
    densify.fade(model, optimizer, Density())
    np.testing.assert_allclose(model.opacities.detach().sigmoid(), [0.004, 0.01, 0.01], rtol=1e-4)
    density = Density(first=500, last=15_000, every=100, reset_every=3000)
    assert not densify.due(500, density)
    assert densify.due(600, density)
    assert not densify.due(15_000, density)
    assert [densify.fades(step, density) for step in (0, 3000, 3001)] == [False, True, False]


def test_every_so_many_th_view_is_held_out():
    views = photographed(blobs(4))
    learned, held = split(views, 4)
    assert held.tolist() == [0, 4, 8]
    assert learned.tolist() == [1, 2, 3, 5, 6, 7, 9]
    assert split(views, 0)[1].tolist() == []


def test_every_camera_of_a_moment_is_held_out():
    rig = replace(photographed(blobs(4), 6), frames=np.array([0, 0, 1, 1, 2, 2]))
    learned, held = split(rig, 2)
    assert held.tolist() == [0, 1, 4, 5]
    assert learned.tolist() == [2, 3]


def test_points_become_balls():
    square = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    model = Model.of_points(square, np.full((4, 3), 0.25), 0.1)
    scene = model.gaussians(0)
    np.testing.assert_allclose(scene.scales.detach(), math.sqrt(4 / 3), rtol=1e-6)
    np.testing.assert_allclose(scene.opacities.detach(), 0.1, rtol=1e-6)
    np.testing.assert_allclose(0.28209479 * scene.sh.detach()[:, 0] + 0.5, 0.25, rtol=1e-6)
    with pytest.raises(ValueError, match="4 points or more"):
        Model.of_points(square[:3], np.full((3, 3), 0.25), 0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((1, 5, 5, 3), np.float32)}, r"expected \(1, 32, 48, 3\)"),
        ({"images": np.full((1, 32, 48, 3), 128.0)}, r"not 0\.\.255"),
        ({"sky": np.zeros((2, 32, 48), bool)}, r"views\.sky has the shape \(2, 32, 48\)"),
    ],
)
def test_views_that_cannot_be_are_refused(change, words):
    lens = np.array([[[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]])
    cameras = Cameras(np.eye(4)[None], lens, WIDTH, HEIGHT)
    given = {"images": np.zeros((1, 32, 48, 3), np.float32), "cameras": cameras, **change}
    with pytest.raises(ValueError, match=words):
        Views(**given)


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"degree": 4}, {"opacity": 1.0}, {"hold_out": 1}, {"strategy": "best"}],
)
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        ReconstructionSettings(**change)
