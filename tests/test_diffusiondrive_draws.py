"""Several draws of noise for a scene teach what the same draws teach one by one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from drivelab.agents.diffusiondrive.agent import FAMILY  # noqa: E402
from drivelab.errors import ConfigError  # noqa: E402

SMALL = {
    "camera": (32, 64), "lidar": (64, 64), "image_depths": (1, 1, 1, 1), "bev_channels": 8,
    "image_widths": (8, 8, 8, 8), "lidar_widths": (8, 8, 8, 8), "width": 16, "hidden": 16,
    "heads": 2, "modes": 5,
}  # fmt: skip


def head(**changes: object):
    torch.manual_seed(0)
    made = FAMILY.make(FAMILY.preset("mini", {**SMALL, **changes})).double().eval()._trajectory_head
    made.set_anchors(torch.rand(5, 8, 2, dtype=torch.float64).cumsum(1))
    config = made.config
    scene = (
        torch.randn(2, config.width, *config.fine_cells, dtype=torch.float64),
        torch.randn(2, 1, config.width, dtype=torch.float64),
        torch.randn(2, 3, config.width, dtype=torch.float64),
    )
    return made, scene, torch.rand(2, 8, 3, dtype=torch.float64).cumsum(1)


@pytest.mark.parametrize("diffusion", ["truncated", "vanilla"])
def test_the_loss_is_the_mean_over_the_draws(diffusion: str):
    network, scene, target = head(diffusion=diffusion)
    noise = torch.randn(2, 3, 5, 8, 2, dtype=torch.float64)
    timesteps = torch.tensor([3, 30])
    together = network.loss(scene, target, noise=noise.flatten(1, 2), timesteps=timesteps)
    alone = [
        network.loss(scene, target, noise=noise[:, draw], timesteps=timesteps) for draw in range(3)
    ]
    for name in ("trajectory_loss", "trajectory_loss_0", "trajectory_loss_1"):
        mean = torch.stack([found[name] for found in alone]).mean()
        torch.testing.assert_close(together[name], mean)
    assert together["trajectory"].shape == (2, 8, 3)


def test_as_many_are_drawn_as_the_preset_says():
    network = head()[0]
    noise, timesteps = network.draw(2)
    assert (noise.shape, timesteps.shape) == ((2, 8 * 5, 8, 2), (2,))
    assert FAMILY.preset("full", {}).draws == 1
    with pytest.raises(ConfigError, match="draws=0"):
        FAMILY.preset("mini", {"draws": 0})
