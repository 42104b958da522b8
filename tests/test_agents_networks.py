"""The driving networks: presets, noise, what they refuse."""

from __future__ import annotations

import golden_models as golden
import pytest
import torch

from drivelab.agents.diffusiondrive import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive
from drivelab.agents.diffusiondrive.losses import focal_loss, nearest_anchor
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.diffusiondrive.schedule import Schedule, truncated_levels, vanilla_levels
from drivelab.agents.ego_mlp import EgoMlpConfig
from drivelab.agents.ego_mlp.policy import EgoMlpNetwork, ego_status_from
from drivelab.agents.transfuser import TransfuserConfig
from drivelab.agents.transfuser.losses import match, visible
from drivelab.agents.transfuser.policy import TransfuserNetwork
from drivelab.errors import ConfigError, DataError

pytestmark = pytest.mark.nn


def mini(**changes) -> DiffusionDriveNetwork:
    torch.manual_seed(0)
    made = DiffusionDriveNetwork(DiffusionDriveConfig.preset("mini", **changes))
    made._trajectory_head.set_anchors(golden.anchors())
    return made


def scene(network: torch.nn.Module, rows: int = 2) -> tuple[dict, dict]:
    return golden.features(3, rows, network.config.camera), golden.targets(3, rows)


@pytest.mark.parametrize("encoder", ["resnet", "vig_h"])
def test_mini_is_small(encoder):
    for network, config in (
        (DiffusionDriveNetwork, DiffusionDriveConfig),
        (TransfuserNetwork, TransfuserConfig),
    ):
        made = network(config.preset("mini", image_encoder=encoder))
        assert sum(p.numel() for p in made.parameters()) <= 2_500_000


@pytest.mark.parametrize("diffusion", ["truncated", "vanilla"])
@pytest.mark.parametrize("encoder", ["resnet", "vig_h"])
def test_mini_learns(encoder, diffusion):
    network = mini(image_encoder=encoder, diffusion=diffusion).train()
    losses = network.loss(*scene(network))
    losses["loss"].backward()
    idle = {n for n, p in network.named_parameters() if p.requires_grad and p.grad is None}
    scoring = {n for n, _ in network.named_parameters() if "plan_cls_branch" in n}
    assert idle == (scoring if diffusion == "vanilla" else set())
    parts = [v for n, v in losses.items() if n.endswith("_loss")]
    torch.testing.assert_close(sum(parts), losses["loss"])


def test_bfloat16_learns_and_plans():
    network = mini()
    features, targets = scene(network)
    with torch.autocast("cpu", torch.bfloat16):
        loss = network.train().loss(features, targets)["loss"]
        loss.backward()
        plan = network.eval()(features)["trajectory"]
    assert torch.isfinite(loss)
    assert torch.isfinite(plan).all()


def test_the_noise_is_of_the_seed_alone():
    network = mini(noise_share=1.0).eval()
    features, _ = scene(network)
    with torch.no_grad():
        both = network(features)
        torch.rand(7)
        alone = network({name: value[1:] for name, value in features.items()})
        other = mini(noise_seed=1, noise_share=1.0).eval()(features)
    torch.testing.assert_close(both["modes"][1:], alone["modes"], rtol=1e-4, atol=1e-4)
    assert not torch.equal(both["modes"], other["modes"])


def test_without_a_seed_each_call_draws_noise():
    network = mini(noise_seed=None, noise_share=1.0).eval()
    features, _ = scene(network)
    with torch.no_grad():
        assert not torch.equal(network(features)["modes"], network(features)["modes"])


def test_half_the_noise_is_half_of_it_but_pure_noise_stays_whole():
    whole, half = (mini(noise_share=share)._trajectory_head.noise(3) for share in (1.0, 0.5))
    torch.testing.assert_close(half, 0.5 * whole)
    torch.manual_seed(0)
    taught = mini(noise_share=1.0)._trajectory_head.draw(2)[0]
    torch.manual_seed(0)
    torch.testing.assert_close(mini(noise_share=0.5)._trajectory_head.draw(2)[0], 0.5 * taught)
    vanilla = mini(diffusion="vanilla", noise_share=0.5)._trajectory_head.noise(3)
    torch.testing.assert_close(vanilla, whole)
    with pytest.raises(ConfigError, match=r"noise_share=1\.5: expected 0 to 1"):
        mini(noise_share=1.5)


def test_more_steps_begin_below_level_twenty():
    assert truncated_levels(1) == [0]
    assert truncated_levels(2) == [10, 0]
    assert truncated_levels(4) == [15, 10, 5, 0]
    assert vanilla_levels(20) == list(range(950, -1, -50))
    network = mini(denoise_steps=4).eval()
    with torch.no_grad():
        assert network(scene(network)[0])["trajectory"].shape == (2, 8, 3)


@pytest.mark.parametrize(("level", "to"), [(10, 9), (0, -1), (950, 900)])
def test_a_step_with_the_true_sample_lowers_its_noise(level, to):
    schedule, noise = Schedule(), torch.randn(2, 5, 2)
    clean = torch.rand(2, 5, 2) - 0.5
    noisy = schedule.add_noise(clean, noise, torch.tensor([level, level]))
    wanted = clean if to < 0 else schedule.add_noise(clean, noise, torch.tensor([to, to]))
    torch.testing.assert_close(schedule.step(noisy, clean, level, to=to), wanted)


def test_the_nearest_anchor_of_an_anchor_is_itself():
    anchors = golden.anchors()[4::5]
    target = torch.cat([anchors, torch.zeros(4, 8, 1)], -1)
    assert nearest_anchor(anchors, target).tolist() == [0, 1, 2, 3]


def test_focal_loss_by_hand():
    scores = torch.tensor([[0.0, 0.0]])
    # truth: 0.25 * 0.5^2 * ln 2, other: 0.75 * 0.5^2 * ln 2, mean of both
    expected = 0.5 * 0.25 * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(focal_loss(scores, torch.tensor([1])), expected)


def test_matching_by_hand():
    cost = torch.tensor([[[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]]])
    assert match(cost).tolist() == [[1, 0, 2]]


def test_boxes_that_no_camera_sees_are_left_out():
    states = torch.zeros(1, 3, 5)
    states[0, :, :2] = torch.tensor([[10.0, 0.0], [-1.0, 5.0], [10.0, -9.0]])
    labels = torch.tensor([[True, True, True]])
    assert visible(states, labels).tolist() == [[True, False, True]]


def test_status_order_of_the_ego_mlp():
    status = torch.arange(8.0)[None]
    assert ego_status_from(status).tolist() == [[4, 5, 6, 7, 0, 1, 2, 3]]
    network = EgoMlpNetwork()
    loss = network.loss({"ego_status": status.double()}, {"trajectory": torch.zeros(1, 8, 3)})
    loss["loss"].backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("fast", [False, True])
def test_broken_status_is_named(fast):
    network = mini().eval()
    features, _ = scene(network)
    features["status_feature"][1, 4] = torch.nan
    asked = FastDiffusionDrive(network) if fast else network
    with pytest.raises(DataError, match=r"1 values are not finite, the first nan in row 1, column"):
        asked(features)


def test_wrong_and_missing_features_are_named():
    network = mini().eval()
    features, _ = scene(network)
    with pytest.raises(DataError, match="no feature 'lidar_feature'"):
        network({name: v for name, v in features.items() if name != "lidar_feature"})
    image = features["camera_feature"]
    with pytest.raises(DataError, match=r"\(2, 3, 64, 512\), expected \(batch, 3, 128, 512\)"):
        network({**features, "camera_feature": image[:, :, ::2]})
    with pytest.raises(DataError, match="different sizes"):
        network({**features, "camera_feature": image[:1]})


def test_anchors_and_targets_of_another_horizon_are_named():
    network = mini()
    head = network._trajectory_head
    with pytest.raises(ConfigError, match=r"\(20, 6, 2\), expected \(20, 8, 2\).* 4 s"):
        head.set_anchors(torch.zeros(20, 6, 2))
    with pytest.raises(ConfigError, match="not finite"):
        head.set_anchors(torch.full((20, 8, 2), torch.inf))
    features, targets = scene(network)
    targets["trajectory"] = targets["trajectory"][:, :6]
    with pytest.raises(DataError, match="the network plans 8 poses"):
        network.loss(features, targets)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"camera": (100, 512)}, "multiples of 32"),
        ({"image_encoder": "vgg"}, "one of"),
        ({"diffusion": "vanila"}, "one of"),
        ({"denoise_steps": 0}, "whole numbers from 1"),
        ({"width": 100}, "multiple of twice the heads"),
        ({"widht": 64}, "did you mean 'width'"),
    ],
)
def test_wrong_options_are_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        DiffusionDriveConfig.preset("mini", **changes)


def test_unknown_presets_are_refused():
    with pytest.raises(ConfigError, match="there are: full, mini"):
        TransfuserConfig.preset("tiny")
    with pytest.raises(ConfigError, match="width=0"):
        EgoMlpConfig(width=0)
