"""RAD's network and how it acts: tokens, sizes, the mask, sampling, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from drivelab.agents.rad import RadConfig  # noqa: E402
from drivelab.agents.rad.actions import choose, log_probs  # noqa: E402
from drivelab.agents.rad.decoder import PlanningDecoder  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.scene_tokens import SceneTokens  # noqa: E402
from drivelab.agents.rad.vector_encoder import VectorEncoder, rows_of  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.kernels.world.observe_ego import ACTORS, BORDERS, EGO_FLOATS, LANES  # noqa: E402
from drivelab.planning.rad_anchors import BINS, rad_anchors  # noqa: E402

pytestmark = pytest.mark.nn
VALID = torch.from_numpy(rad_anchors().valid.copy())
ACTOR_ROWS = slice(147, 147 + 16 * 13)  # docs/environments.md


def mini() -> RadNetwork:
    torch.manual_seed(0)
    return RadNetwork(RadConfig.preset("mini")).eval()


def seen(rows: int = 3, seed: int = 0) -> dict:
    gen = torch.Generator().manual_seed(seed)
    return {"vector": torch.rand(rows, EGO_FLOATS, generator=gen) * 2 - 1}


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("preset", ["full", "mini"])
def test_outputs_of_both_presets(preset):
    config = RadConfig.preset(preset)
    network = RadNetwork(config)
    out = network(seen())
    shapes = {name: tuple(tensor.shape) for name, tensor in out.items()}
    assert shapes == {
        "lateral": (3, 61),
        "longitudinal": (3, 61),
        "lateral_value": (3,),
        "longitudinal_value": (3,),
    }
    assert not out["lateral_value"].any()
    assert not out["longitudinal_value"].any()
    size = sum(p.numel() for p in network.parameters())
    assert (size > 2_000_000) is (preset == "full")
    assert preset == "full" or size < 250_000


def test_widths_of_the_paper():
    config = RadConfig.preset("full")
    assert (config.width, config.bins, config.value_width) == (256, 61, 256)


def test_everything_learns():
    network = mini().train()
    sum(tensor.sum() for tensor in network(seen()).values()).backward()
    idle = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    behind_zeros = {n for n, _ in network.named_parameters() if "_value.0" in n}
    assert idle == behind_zeros  # until the first update of the layer of zeros in front of them


def test_a_row_of_a_batch_is_as_alone():
    network, features = mini(), seen(4)
    together = network(features)
    for row in range(4):
        alone = network({"vector": features["vector"][row : row + 1]})
        for name, tensor in alone.items():
            torch.testing.assert_close(together[name][row : row + 1], tensor)


def test_the_order_of_road_users_does_not_matter():
    network, features = mini(), seen()
    rows = features["vector"][:, ACTOR_ROWS].unflatten(-1, (16, 13))
    assert torch.equal(rows, rows_of(features["vector"], "actors"))
    moved = features["vector"].clone()
    moved[:, ACTOR_ROWS] = rows[:, torch.randperm(16, generator=draw(1))].flatten(1)
    for name, tensor in network(features).items():
        torch.testing.assert_close(network({"vector": moved})[name], tensor, rtol=1e-4, atol=1e-5)


def test_rows_of_nothing_are_absent_tokens():
    features = seen()
    features["vector"][0, ACTOR_ROWS] = 0.0
    scene = VectorEncoder(32)(features)
    assert scene.tokens.shape == (3, ACTORS + LANES + BORDERS + 1, 32)
    assert scene.absent[0].sum() == ACTORS
    assert not scene.absent[1:].any()
    empty = VectorEncoder(32)({"vector": torch.zeros(1, EGO_FLOATS)})
    assert int((~empty.absent).sum()) == 1  # the signals say themselves that none is in sight
    assert torch.isfinite(mini()({"vector": torch.zeros(1, EGO_FLOATS)})["lateral"]).all()


def test_absent_tokens_are_not_looked_at():
    torch.manual_seed(0)
    decoder = PlanningDecoder(16, 32, 2, 2)
    query, tokens = torch.randn(2, 1, 16), torch.randn(2, 5, 16)
    absent = torch.tensor([[False, True, False, True, True], [False] * 5])
    scene = SceneTokens(tokens, absent, tokens[:, 0], tokens[:, 0])
    other = replace(scene, tokens=tokens + 9.0 * absent[..., None])
    torch.testing.assert_close(decoder(query, scene), decoder(query, other))


class Patches(torch.nn.Module):
    """An encoder of images, as somebody may write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = torch.nn.Conv2d(3, width, 8, stride=8)
        self.told = torch.nn.Linear(4, width)

    def forward(self, features):
        tokens = self.patch(features["image"]).flatten(2).transpose(1, 2)
        told = self.told(features["status"])
        absent = torch.zeros(tokens.shape[:2], dtype=torch.bool)
        return SceneTokens(tokens, absent, told, told)


def test_an_encoder_of_images_takes_the_place():
    config = RadConfig.preset("mini")
    network = RadNetwork(config, encoder=Patches(config.width))
    out = network({"image": torch.rand(2, 3, 32, 64), "status": torch.rand(2, 4)})
    out["lateral"].sum().backward()
    assert out["longitudinal"].shape == (2, 61)
    assert network.encoder.patch.weight.grad.any()
    assert "encoder.patch.weight" in network.state_dict()


@pytest.mark.parametrize(
    ("features", "error"),
    [
        ({}, "no feature 'vector'"),
        ({"vector": torch.zeros(2, 514)}, r"shape \(2, 514\), expected \(batch, 515\)"),
        ({"vector": torch.full((1, 515), torch.nan)}, "515 values are not finite"),
    ],
)
def test_damaged_observations_are_refused(features, error):
    with pytest.raises(DataError, match=error):
        mini()(features)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: RadConfig.preset("minni"), "did you mean 'mini'"),
        (lambda: RadConfig.preset("mini", witdh=64), "did you mean 'width'"),
        (lambda: RadConfig(width=100), "width=100: expected a multiple of 8"),
        (lambda: RadConfig(bins=0), "bins=0: expected a whole number"),
    ],
)
def test_wrong_sizes_are_refused(make, error):
    with pytest.raises(ConfigError, match=error):
        make()


def test_masked_actions_are_never_sampled():
    """Each longitudinal bin in turn is certain, and the masked lateral bins seem the best ones."""
    rows = torch.arange(BINS).repeat_interleave(200)
    outputs = {
        "longitudinal": 1e4 * torch.nn.functional.one_hot(rows, BINS).float(),
        "lateral": 20.0 * (~VALID[rows]).float(),
    }
    for generator in (None, draw(0), draw(1)):
        choice = choose(outputs, VALID, generator=generator)
        assert torch.equal(choice.longitudinal, rows)
        assert VALID[choice.longitudinal, choice.lateral].all()
        assert torch.isfinite(choice.lateral_log_prob).all()
    unmasked = choose(outputs, None, generator=draw(0))
    assert not VALID[unmasked.longitudinal, unmasked.lateral].all()


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_masked_actions_are_never_sampled_whatever_the_logits(seed, scale):
    gen = draw(seed)
    outputs = {
        name: scale * torch.randn(64, BINS, generator=gen) for name in ("lateral", "longitudinal")
    }
    outputs["longitudinal"][:, :8] += scale  # where the mask is
    for generator in (None, gen):
        choice = choose(outputs, VALID, generator=generator)
        assert VALID[choice.longitudinal, choice.lateral].all()


def test_probabilities_are_those_of_the_draws():
    logits = {"lateral": torch.zeros(1, BINS), "longitudinal": torch.zeros(1, BINS)}
    logits["longitudinal"][0, 3] = 50.0  # 9 lateral bins are valid there
    logits["lateral"][0, 30] = np.log(3.0)
    many = {name: tensor.expand(20_000, -1) for name, tensor in logits.items()}
    choice = choose(many, VALID, generator=draw(0))
    aside, _ = log_probs(logits, torch.tensor([3]), VALID)
    share = torch.bincount(choice.lateral, minlength=BINS) / 20_000
    assert int(VALID[3].sum()) == 9
    assert aside[0, 30].exp().item() == pytest.approx(3 / 11, rel=1e-5)
    torch.testing.assert_close(share, aside[0].exp(), rtol=0, atol=0.02)
    torch.testing.assert_close(choice.lateral_log_prob, aside[0][choice.lateral])


def test_equal_generators_draw_equal_actions():
    outputs = mini()(seen(32))
    one = choose(outputs, VALID, generator=draw(5))
    other = choose(outputs, VALID, generator=draw(5))
    assert torch.equal(one.bins, other.bins)
    assert not torch.equal(one.bins, choose(outputs, VALID, generator=draw(6)).bins)


def test_swapping_left_and_right_mirrors_actions():
    assert torch.equal(VALID, VALID.flip(1))
    gen = draw(2)
    outputs = {name: torch.randn(256, BINS, generator=gen) for name in ("lateral", "longitudinal")}
    outputs["longitudinal"][:, :8] += 3.0
    one = choose(outputs, VALID)
    other = choose({**outputs, "lateral": outputs["lateral"].flip(-1)}, VALID)
    assert torch.equal(other.lateral, BINS - 1 - one.lateral)
    assert torch.equal(other.longitudinal, one.longitudinal)
    torch.testing.assert_close(other.lateral_log_prob, one.lateral_log_prob)


def test_a_diverged_network_and_a_wrong_mask_are_refused():
    outputs = {name: torch.zeros(1, BINS) for name in ("lateral", "longitudinal")}
    with pytest.raises(DataError, match=r"outputs\['lateral'\]: logits that are not finite"):
        choose({**outputs, "lateral": torch.full((1, BINS), torch.nan)}, VALID)
    with pytest.raises(DataError, match="found nothing, expected logits"):
        choose({"lateral": outputs["lateral"]}, VALID)
    with pytest.raises(DataError, match=r"valid: shape \(61, 21\), expected \(61, 61\)"):
        choose(outputs, VALID[:, 20:41])
    with pytest.raises(DataError, match=r"valid\[4\]: no lateral bin"):
        choose(outputs, VALID & (torch.arange(BINS) != 4)[:, None])
