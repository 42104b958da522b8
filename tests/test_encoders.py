"""What every image encoder keeps to, ViT and ResNet beside other code, counts of operations."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from drivelab.agents.encoders import ENCODERS, VisionEncoder, build_encoder, encoder_flops
from drivelab.agents.encoders.positions import resize_positions
from drivelab.agents.encoders.rows import ROWS, by_rows
from drivelab.agents.encoders.stochastic_depth import DropPath, rates
from drivelab.agents.encoders.vit import ViTBlock, ViTConfig
from drivelab.errors import ConfigError

pytestmark = pytest.mark.nn
SMALL = {
    "vig_t": {"width": 24, "heads": 3, "depth": 2},
    "vig_h_t": {"width": 24, "depths": (1, 1, 1, 1), "heads": (3, 6, 12, 24)},
    "vit_t": {"width": 24, "heads": 3, "depth": 2},
    "resnet18": {},
}


def small(name: str, **changes) -> nn.Module:
    torch.manual_seed(0)
    return build_encoder(name, **{**SMALL[name], **changes}).eval()


@pytest.mark.parametrize("name", SMALL)
def test_features_have_the_promised_strides_and_channels(name):
    encoder = small(name, classes=7)
    assert isinstance(encoder, VisionEncoder)
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        features = encoder(image)
        assert encoder.classify(image).shape == (2, 7)
    assert features.strides == encoder.strides
    for level, stride, channels in zip(
        features.pyramid, encoder.strides, encoder.channels, strict=True
    ):
        assert level.shape == (2, channels, 64 // stride, 96 // stride)
    cells = 64 * 96 // encoder.strides[-1] ** 2
    assert features.tokens.shape == (2, cells, encoder.channels[-1])


@pytest.mark.parametrize("name", SMALL)
def test_each_image_is_seen_alone_and_in_either_precision(name):
    encoder = small(name)
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        both = encoder.classify(image)
        torch.testing.assert_close(both[1:], encoder.classify(image[1:]), rtol=1e-4, atol=1e-5)
        exact = encoder.double().classify(image.double())
    torch.testing.assert_close(both.double(), exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name):
    encoder = small(name).train()
    encoder.classify(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for parameter_name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", SMALL)
def test_without_classes_pooled_features_come_out(name):
    encoder = small(name, classes=0)
    with torch.no_grad():
        pooled = encoder.classify(torch.randn(1, 3, 64, 64))
    assert pooled.shape == (1, encoder.channels[-1])
    assert not any("head." in n or n.startswith("fc.") for n in encoder.state_dict())


def test_dense_vig_h_norms_each_level():
    encoder = small("vig_h_t", dense=True)
    with torch.no_grad():
        features = encoder(torch.randn(1, 3, 64, 64))
    for level in features.pyramid:
        torch.testing.assert_close(level.mean(1), torch.zeros_like(level[:, 0]), rtol=0, atol=1e-5)
    names = set(encoder.state_dict())
    assert {f"outnorm{i}.{p}" for i in range(4) for p in ("weight", "bias")} <= names
    with pytest.raises(ValueError, match="dense=True has no classifier"):
        encoder.classify(torch.randn(1, 3, 64, 64))


def test_vig_is_the_same_on_every_backend_and_nearly_so_as_released():
    image = torch.randn(1, 3, 64, 80).double()
    outs = {}
    for backend in ("ref", "torch", "numba"):
        with torch.no_grad():
            outs[backend] = small("vig_t", backend=backend).double().classify(image)
    for out in outs.values():
        torch.testing.assert_close(out, outs["ref"], rtol=1e-10, atol=1e-12)
    released = small("vig_t", compat="released").double()
    with torch.no_grad():
        halved = released.classify(image)
    assert not torch.equal(halved, outs["numba"])
    torch.testing.assert_close(halved, outs["numba"], rtol=5e-2, atol=5e-2)
    released.train()  # in training the released code halves once, too
    torch.testing.assert_close(released.classify(image), outs["numba"], rtol=1e-10, atol=1e-12)


def test_vit_block_is_torchs_transformer_layer():
    torch.manual_seed(0)
    block = ViTBlock(ViTConfig(width=24, heads=3), 0.0).double()
    layer = nn.TransformerEncoderLayer(
        24, 3, 96, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True, dtype=torch.float64
    )
    names = {
        "norm1": "norm1", "norm2": "norm2", "mlp.fc1": "linear1", "mlp.fc2": "linear2",
        "attn.proj": "self_attn.out_proj",
    }  # fmt: skip
    weights = {
        f"{theirs}.{part}": block.get_submodule(ours).get_parameter(part)
        for ours, theirs in names.items()
        for part in ("weight", "bias")
    }
    for part in ("weight", "bias"):
        weights[f"self_attn.in_proj_{part}"] = block.attn.qkv.get_parameter(part)
    layer.load_state_dict(weights)
    x = torch.randn(2, 11, 24).double()
    torch.testing.assert_close(block(x), layer(x), rtol=1e-10, atol=1e-12)


def test_explicit_attention_is_the_fused_one():
    image = torch.randn(1, 3, 48, 80).double()
    with torch.no_grad():
        fused = small("vit_t").double().classify(image)
        explicit = small("vit_t", attention="explicit").double().classify(image)
    torch.testing.assert_close(explicit, fused, rtol=1e-10, atol=1e-12)


def resnet_by_hand(w: dict, x: torch.Tensor, depths: tuple[int, ...]) -> torch.Tensor:
    def norm(x, at):
        kept = (w[f"{at}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *kept)

    x = norm(functional.conv2d(x, w["conv1.weight"], stride=2, padding=3), "bn1").relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate(depths, 1):
        for block in range(depth):
            at = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = functional.conv2d(x, w[f"{at}.conv1.weight"], stride=stride, padding=1)
            y = functional.conv2d(norm(y, f"{at}.bn1").relu(), w[f"{at}.conv2.weight"], padding=1)
            if stride == 2:
                x = functional.conv2d(x, w[f"{at}.downsample.0.weight"], stride=2)
                x = norm(x, f"{at}.downsample.1")
            x = (norm(y, f"{at}.bn2") + x).relu()
    return functional.linear(x.mean((2, 3)), w["fc.weight"], w["fc.bias"])


@pytest.mark.parametrize(
    ("name", "depths", "tensors"),
    [("resnet18", (2, 2, 2, 2), 122), ("resnet34", (3, 4, 6, 3), 218)],
)
def test_resnet_under_torchvisions_names(name, depths, tensors):
    torch.manual_seed(0)
    encoder = build_encoder(name).eval().double()
    weights = encoder.state_dict()
    assert len(weights) == tensors
    for key, tensor in weights.items():
        if "running" in key:
            tensor.copy_(0.5 + torch.rand_like(tensor))
    image = torch.randn(1, 3, 64, 64).double()
    with torch.no_grad():
        out, wanted = encoder.classify(image), resnet_by_hand(weights, image, depths)
    torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-9)


VIT_NAMES = {
    "cls_token", "pos_embed", "norm.weight", "norm.bias", "head.weight", "head.bias",
    "patch_embed.proj.weight", "patch_embed.proj.bias",
}  # fmt: skip
VIT_BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")


def test_vit_has_deits_names():
    with torch.device("meta"):
        names = set(build_encoder("vit_t").state_dict())
    parts = ((i, part) for i in range(12) for part in VIT_BLOCK)
    blocks = {f"blocks.{i}.{part}.{p}" for i, part in parts for p in ("weight", "bias")}
    assert names == VIT_NAMES | blocks


COUNTS = {
    "vit_t": 5_717_416,
    "vit_s": 22_050_664,
    "vit_b": 86_567_656,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
}
PAPERS = {  # multiply-adds at 224 x 224 [1e9], from the papers and model tables
    "vit_t": 1.3,
    "vit_s": 4.6,
    "vit_b": 17.6,
    "resnet18": 1.8,
    "resnet34": 3.6,
    "vig_h_t": 4.5,
}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts_are_the_published_ones(name, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in build_encoder(name).parameters()) == count


@pytest.mark.parametrize(("name", "billions"), PAPERS.items())
def test_operations_are_those_of_the_papers(name, billions):
    assert encoder_flops(name, 224, 224).total / 2e9 == pytest.approx(billions, abs=0.1)


@pytest.mark.parametrize("name", ["vig_t", "vig_h_t", "vit_t", "resnet18", "resnet34"])
@pytest.mark.parametrize("size", [(64, 96), (96, 160)])
def test_operations_are_what_torch_counts(name, size):
    changes = {"attention": "explicit"} if name == "vit_t" else {}
    encoder = build_encoder(name, classes=0, **changes).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.randn(1, 3, *size))
    counted = encoder_flops(name, *size, **changes)
    scan_unseen = name.startswith("vig")  # torch's counter knows no scans
    assert counter.get_total_flops() == (counted.layers if scan_unseen else counted.total)
    assert (counted.mixing > 0) == (not name.startswith("resnet"))


def test_operations_of_vig_grow_with_the_pixels_and_those_of_vit_faster():
    side = 1024
    vig, vit = (encoder_flops(name, side, side).total for name in ("vig_t", "vit_t"))
    half = side // 2
    vig_half, vit_half = (encoder_flops(name, half, half).total for name in ("vig_t", "vit_t"))
    assert vig / vig_half == pytest.approx(4, rel=0.02)
    assert vit / vit_half > 9


def test_positions_stay_on_their_grid_and_keep_a_plane_elsewhere():
    table = torch.arange(12.0).view(1, 12, 1)
    assert resize_positions(table, (3, 4), (3, 4)) is table
    constant = resize_positions(torch.ones(1, 12, 2), (3, 4), (5, 9))
    torch.testing.assert_close(constant, torch.ones(1, 45, 2))


def test_rows_give_what_all_tokens_give():
    layer = nn.Linear(6, 9).double()
    x, y = torch.randn(2, 3, ROWS - 5, 6).double()
    with torch.no_grad():
        out = by_rows(lambda a, b: layer(a * b), x, y)
        torch.testing.assert_close(out, layer(x * y), rtol=1e-13, atol=1e-13)
    assert by_rows(layer, x).requires_grad


def test_stochastic_depth_drops_whole_samples():
    assert rates(0.2, 3) == pytest.approx([0, 0.1, 0.2])
    torch.manual_seed(0)
    branch, drop = torch.ones(4000, 2, 3), DropPath(0.25)
    out = drop(branch)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (out == out[:, :1, :1]).all()
    assert out.mean() == pytest.approx(1, abs=0.05)
    assert drop.eval()(branch) is branch


def test_unknown_names_and_options_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="no encoder 'vig_tt'; did you mean 'vig_t'"):
        build_encoder("vig_tt")
    with pytest.raises(ConfigError, match=r"vit_t has no option 'attn'.*it knows: width, heads"):
        build_encoder("vit_t", attn="explicit")
    assert set(ENCODERS) == {
        *(f"{family}_{size}" for family in ("vig", "vig_h", "vit") for size in "tsb"),
        "resnet18",
        "resnet34",
    }


@pytest.mark.parametrize("room", ["encoders", "encoders.diffusion", "language.mixers"])
def test_without_torch_the_extra_is_named(room):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"try: import drivelab.agents.{room}\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("MissingExtra this needs the package 'torch'")
    assert "pip install 'drivelab[nn]'" in told.stdout


COMPILED = """
import torch
from drivelab.agents.encoders import build_encoder

image = torch.randn(1, 3, 64, 64)
encoder = build_encoder("vig_t", depth=1).eval()
compiled = torch.compile(encoder.classify, fullgraph=True, backend="aot_eager")
for train in (False, True):
    with torch.set_grad_enabled(train):
        torch.testing.assert_close(compiled(image), encoder.classify(image))
"""


@pytest.mark.slow
def test_a_compiled_vig_is_traced_as_a_whole():
    """In a process of its own: the checks of shapes in this one cannot be traced."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
