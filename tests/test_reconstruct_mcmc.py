"""Gaussians as samples: shares look as the whole did, the faint move, a run goes on bit by bit."""

import numpy as np
import pytest
import torch

from drivelab.kernels.splat import Cameras, Gaussians, render
from drivelab.training.reconstruction import mcmc
from drivelab.training.reconstruction.loop import reconstruct
from drivelab.training.reconstruction.model import Model, optimizer_of
from drivelab.training.reconstruction.settings import Mcmc, Rates, ReconstructionSettings
from drivelab.training.reconstruction.views import Views

pytestmark = pytest.mark.nn
WIDTH, HEIGHT = 48, 32


def three(opacities):
    model = Model(3)
    with torch.no_grad():
        model.means.copy_(torch.arange(3.0)[:, None].expand(3, 3))
        model.quats[:, 0] = 1.0
        model.scales.fill_(float(np.log(0.3)))
        model.opacities.copy_(torch.logit(torch.tensor(opacities)))
    optimizer = optimizer_of(model, Rates(), 1.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shares_of_one_cover_along_a_line_what_it_covered(count):
    model, optimizer = three([0.8, 0.5, 0.5])
    before = [
        float(model.opacities[0].sigmoid().detach()),
        float(model.scales[0, 0].detach().exp()),
    ]
    mcmc.share(model, optimizer, torch.tensor([0] * count + [1, 2]))
    assert len(model) == count + 2
    after = [float(model.opacities[0].sigmoid().detach()), float(model.scales[0, 0].detach().exp())]
    assert after[0] == pytest.approx(1 - (1 - before[0]) ** (1 / count), rel=1e-4)
    x = np.linspace(-4, 4, 20_001)
    one = before[0] * np.exp(-(x**2) / (2 * before[1] ** 2))
    many = 1 - (1 - after[0] * np.exp(-(x**2) / (2 * after[1] ** 2))) ** count
    assert many.sum() == pytest.approx(one.sum(), rel=1e-3)
    moments = optimizer.state[model.means]["exp_avg"]
    assert float(moments[:count].abs().max()) == 0.0
    assert float(moments[count:].abs().min()) > 0.0


def test_the_faint_move_and_some_are_added():
    model, optimizer = three([0.001, 0.9, 0.9])
    places = model.means.detach().clone()
    chance = torch.Generator().manual_seed(0)
    assert mcmc.turn(model, optimizer, Mcmc(grow=2.0, most=5), chance) == (1, 2)
    assert len(model) == 5
    assert (model.means.detach() == places[0]).all(1).sum() == 0
    assert float(model.opacities.detach().sigmoid().min()) > 0.2
    model, optimizer = three([0.001, 0.001, 0.001])
    assert mcmc.turn(model, optimizer, Mcmc(), chance) == (0, 0)


def test_noise_shakes_the_faint_along_their_shape_only():
    model, _ = three([0.002, 0.9, 0.9])
    with torch.no_grad():
        model.quats[:] = torch.tensor([1.0, 0, 0, 0])
        model.scales[0] = torch.tensor([1.0, 1e-3, 1e-3]).log()
    before = model.means.detach().clone()
    mcmc.shake(model, Mcmc(noise=1.0), 1.0, torch.Generator().manual_seed(0))
    off = (model.means.detach() - before).abs()
    assert float(off[0, 0]) > 1e-2
    assert float(off[0, 1:].max()) < 1e-5
    assert float(off[1:].max()) < 1e-5


def test_a_run_learns_and_goes_on_bit_by_bit(tmp_path):
    rng = np.random.default_rng(0)
    count = 60
    fields = (
        rng.uniform((-1.5, -1, 4), (1.5, 1, 6), (count, 3)), np.tile([1.0, 0, 0, 0], (count, 1)),
        rng.uniform(0.1, 0.3, (count, 3)), rng.uniform(0.5, 0.95, count),
        rng.uniform(-1.5, 1.5, (count, 1, 3)),
    )  # fmt: skip
    scene = Gaussians(*(np.ascontiguousarray(field, np.float32) for field in fields))
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = np.linspace(-1, 1, 6)
    lens = np.tile([[40.0, 0, WIDTH / 2], [0, 40, HEIGHT / 2], [0, 0, 1]], (6, 1, 1))
    cameras = Cameras(poses, lens, WIDTH, HEIGHT)
    views = Views(render(scene, cameras).rgb.clip(0, 1), cameras)
    how = ReconstructionSettings(
        steps=60, degree=0, hold_out=3, save_every=20, opacity=0.5, strategy="mcmc",
        rates=Rates(means=2e-3, sh_first=3e-2, scales=1e-2),
        mcmc=Mcmc(first=10, last=50, every=10, most=50, grow=1.2, noise=10.0),
    )  # fmt: skip
    points, grey = scene.means[::2], np.full((30, 3), 0.5)
    told = []
    whole = reconstruct(views, points, grey, how, tmp_path / "whole",
                        look=lambda run, loss: told.append(loss) is None)  # fmt: skip
    assert len(whole.model) == 50
    assert np.mean(told[-6:]) < 0.6 * np.mean(told[:6])
    broken = tmp_path / "broken"
    reconstruct(views, points, grey, how, broken, look=lambda run, _: run.step < 33)
    again = reconstruct(views, points, grey, how, broken)
    for name, value in whole.model.state_dict().items():
        np.testing.assert_array_equal(value, again.model.state_dict()[name], err_msg=name)
