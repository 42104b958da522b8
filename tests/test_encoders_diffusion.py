"""DiT and DiG: sizes, conditions, guidance and counts of operations."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from drivelab.agents.encoders.diffusion import (
    BACKBONES,
    DiffusionBackbone,
    build_backbone,
    dig,
    dit,
    guided,
)
from drivelab.agents.encoders.diffusion.config import DiTConfig
from drivelab.errors import ConfigError

pytestmark = pytest.mark.nn
SMALL = {"width": 24, "heads": 3, "depth": 4, "latent": 8, "classes": 5}
TIME, LABEL = torch.tensor([7, 900]), torch.tensor([0, 5])


def small(name: str, *, fresh: bool = False, **changes) -> nn.Module:
    torch.manual_seed(0)
    model = build_backbone(name, **{**SMALL, **changes}).eval()
    if not fresh:  # a fresh one gives zeros
        for parameter in model.parameters():
            if parameter.requires_grad:
                nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize("name", ["dig_s_2", "dit_s_2"])
def test_noise_and_variance_come_out_and_gradients_reach_every_parameter(name):
    model = small(name)
    assert isinstance(model, DiffusionBackbone)
    out = model(torch.randn(2, 4, 8, 8), TIME, LABEL)
    assert out.shape == (2, 8, 8, 8)
    out.square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name != "pos_embed":
            assert parameter.grad.abs().sum() > 0, parameter_name
    assert not model.pos_embed.requires_grad


@pytest.mark.parametrize("name", ["dig_s_2", "dit_s_2"])
def test_a_fresh_backbone_predicts_zero_and_its_blocks_change_nothing(name):
    model = small(name, fresh=True)
    tokens, condition = torch.randn(2, 16, 24), torch.randn(2, 24)
    with torch.no_grad():
        assert not model(torch.randn(2, 4, 8, 8), TIME, LABEL).any()
        torch.testing.assert_close(model.mixed(tokens, condition), tokens)


def test_a_fresh_zero_skip_is_none():
    latent = torch.randn(2, 4, 8, 8)
    for kind, same in (("zero", True), ("linear", False)):
        model = small("dig_s_2", fresh=True, skip=kind)
        assert model.blocks[2].skip_linear is None
        assert model.blocks[3].skip_linear is not None
        tokens, condition = torch.randn(2, 16, 24), torch.randn(2, 24)
        with torch.no_grad():
            mixed = model.mixed(tokens, condition)
        assert torch.allclose(mixed, tokens, atol=1e-6) == same
        assert model(latent, TIME, LABEL).shape == (2, 8, 8, 8)


def test_dit_block_without_condition_is_torchs_transformer_layer():
    torch.manual_seed(0)
    block = dit.DiTBlock(DiTConfig(24, 3, 1)).double()
    with torch.no_grad():
        gates = block.adaLN_modulation[1].bias.view(6, 24)
        gates[2], gates[5] = 1, 1
    layer = nn.TransformerEncoderLayer(
        *(24, 3, 96, 0.0, lambda x: nn.functional.gelu(x, approximate="tanh"), 1e-6),
        batch_first=True, norm_first=True, dtype=torch.float64,
    )  # fmt: skip
    attention, ours = layer.self_attn, block.attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(ours.qkv.weight)
        attention.in_proj_bias.copy_(ours.qkv.bias)
    attention.out_proj.load_state_dict(ours.proj.state_dict())
    layer.linear1.load_state_dict(block.mlp.fc1.state_dict())
    layer.linear2.load_state_dict(block.mlp.fc2.state_dict())
    x = torch.randn(2, 9, 24).double()
    out = block(x, torch.zeros(2, 24).double())
    torch.testing.assert_close(out, layer(x), rtol=1e-10, atol=1e-12)


def test_guidance_moves_three_channels_from_no_class_to_the_class():
    model = small("dig_s_2").double()
    latent, own = torch.randn(2, 4, 8, 8).double(), torch.tensor([0, 3])
    with torch.no_grad():
        with_class = model(latent, TIME, own)
        without = model(latent, TIME, torch.full_like(own, 5))
        for strength in (0.0, 1.0, 4.0):
            out = guided(model, latent, TIME, own, strength)
            moved = without[:, :3] + strength * (with_class[:, :3] - without[:, :3])
            torch.testing.assert_close(out[:, :3], moved, rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(out[:, 3:], with_class[:, 3:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 2])
def test_guidance_leaves_the_variance_of_few_channels_alone(channels):
    model = small("dit_s_2", channels=channels)
    latent, own = torch.randn(2, channels, 8, 8), torch.tensor([0, 3])
    with torch.no_grad():
        with_class = model(latent, TIME, own)
        without = model(latent, TIME, torch.full_like(own, 5))
        out = guided(model, latent, TIME, own, 4.0)
    noise, free = with_class[:, :channels], without[:, :channels]
    torch.testing.assert_close(out[:, :channels], free + 4 * (noise - free), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out[:, channels:], with_class[:, channels:], rtol=1e-4, atol=1e-5)


def test_training_forgets_classes():
    model = small("dit_s_2", class_dropout=1.0)
    latent = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        kept = model(latent, TIME, LABEL)
        nothing = model(latent, TIME, torch.full_like(LABEL, 5))
        forgotten = model.train()(latent, TIME, LABEL)
    assert not torch.allclose(kept, nothing)
    torch.testing.assert_close(forgotten, nothing)


COUNTS = {"dit_s_2": 32_963_360, "dit_b_2": 130_512_416, "dit_xl_2": 675_129_632}
PAPER = {"dit_s_2": 6.06, "dit_b_2": 23.01, "dit_l_2": 80.71, "dit_xl_2": 118.64}  # DiT, table 4


@pytest.mark.parametrize("name", BACKBONES)
def test_sizes_are_the_published_ones(name):
    with torch.device("meta"):
        model = build_backbone(name)
    count = sum(p.numel() for p in model.parameters())
    assert count == COUNTS.get(name, count)
    if name in PAPER:
        billions = dit.flops(BACKBONES[name]).total / 2e9
        assert billions == pytest.approx(PAPER[name], rel=1e-3)
    else:
        assert dig.flops(BACKBONES[name]).total < 2e9 * PAPER[name.replace("dig", "dit")]


def test_dit_has_the_published_names():
    with torch.device("meta"):
        names = set(build_backbone("dit_s_2", depth=1).state_dict())
    layers = [
        "x_embedder.proj", "t_embedder.mlp.0", "t_embedder.mlp.2", "blocks.0.attn.qkv",
        "blocks.0.attn.proj", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2",
        "blocks.0.adaLN_modulation.1", "final_layer.linear", "final_layer.adaLN_modulation.1",
    ]  # fmt: skip
    both = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert names == both | {"pos_embed", "y_embedder.embedding_table.weight"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [("dig_s_2", {"skip": "linear"}), ("dig_s_2", {}), ("dit_s_2", {"attention": "explicit"})],
)
def test_operations_are_what_torch_counts(name, changes):
    model = small(name, **changes)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.randn(1, 4, 8, 8), TIME[:1], LABEL[:1])
    counted = (dig if name.startswith("dig") else dit).flops(model.config)
    scan_unseen = name.startswith("dig")
    assert counter.get_total_flops() == (counted.layers if scan_unseen else counted.total)


def test_unknown_names_options_and_depths_are_refused():
    with pytest.raises(ConfigError, match="no diffusion backbone 'dig_s'; did you mean 'dig_s_2'"):
        build_backbone("dig_s")
    with pytest.raises(ConfigError, match="dit_s_2 has no option 'skip'"):
        build_backbone("dit_s_2", skip="linear")
    with pytest.raises(ConfigError, match="depth=6: expected a multiple of 4"):
        build_backbone("dig_s_2", depth=6)
