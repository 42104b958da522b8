"""ViG, ViG-H and DiG against the golden values and gradients, names and shapes."""

from __future__ import annotations

import golden_kernels as golden
import pytest
import torch

from drivelab.agents.encoders import build_encoder
from drivelab.agents.encoders.diffusion import build_backbone
from drivelab.agents.encoders.diffusion.config import DiGConfig
from drivelab.agents.encoders.diffusion.dig import DiG, DiGBlock, token_order
from drivelab.agents.encoders.positions import sine_table
from drivelab.agents.encoders.vig import ViGBlock, ViGConfig

pytestmark = pytest.mark.nn
DTYPES = {"float64": torch.float64, "float32": torch.float32}
BACKENDS = ("ref", "torch", "numba")
MODEL_LIMIT = {torch.float64: 1e-6, torch.float32: 1e-3}


def cases(op: str) -> list:
    return [pytest.param(case, id=case["case"]) for case in golden.cases(op)]


def filled(case: dict, module: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    module = module.to(dtype).eval()
    golden.load_weights(case["case"], module)
    return module


def leaves_of(module: torch.nn.Module, inputs: dict) -> dict:
    return {**inputs, **dict(module.named_parameters())}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("case", cases("vig_block"))
def test_vig_block(case, dtype, backend):
    args = case["args"]
    config = ViGConfig(
        width=args["dim"],
        heads=args["heads"],
        conv_act=args["conv_act"],
        out_act=args["out_act"],
        compat={2.0: "paper", 4.0: "released"}[args["direction_divisor"]],
        backend=backend,
    )
    block = filled(case, ViGBlock(config), dtype)
    assert {n: list(p.shape) for n, p in block.named_parameters()} == case["params"]
    inputs = golden.inputs(case, dtype)
    out = block(inputs["x"], tuple(args["hw"]))
    golden.check(case, {"o": out}, leaves_of(block, inputs), dtype)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("case", cases("vig_model"))
def test_vig(case, dtype):
    model = filled(case, build_encoder("vig_t"), dtype)
    image = golden.inputs(case, dtype)["img"]
    with torch.no_grad():
        features, logits = model(image), model.classify(image)
    wanted = golden.stored(case)
    assert golden.difference(logits, wanted["out.logits"]) < MODEL_LIMIT[dtype]
    if "out.feat" in wanted:
        assert golden.difference(features.pyramid[0], wanted["out.feat"]) < MODEL_LIMIT[dtype]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("case", cases("vig_h_model"))
def test_vig_h(case, dtype):
    model = filled(case, build_encoder("vig_h_t"), dtype)
    with torch.no_grad():
        logits = model.classify(golden.inputs(case, dtype)["img"])
    assert golden.difference(logits, golden.stored(case)["out.logits"]) < MODEL_LIMIT[dtype]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("case", cases("dig_block"))
def test_dig_block(case, dtype, backend):
    args = case["args"]
    sizes = {"latent": args["edge"], "patch": 1, "depth": 4, "backend": backend}
    config = DiGConfig(width=args["dim"], heads=args["heads"], **sizes)
    block = filled(case, DiGBlock(config), dtype)
    assert {n: list(p.shape) for n, p in block.named_parameters()} == case["params"]
    inputs = golden.inputs(case, dtype)
    out = block(inputs["x"], inputs["c"])
    golden.check(case, {"o": out}, leaves_of(block, inputs), dtype)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("case", cases("dig_model"))
def test_dig(case, dtype):
    args = case["args"]
    config = DiGConfig(
        width=args["dim"],
        heads=args["heads"],
        depth=args["depth"],
        latent=args["input"],
        channels=args["cin"],
        classes=args["classes"],
        skip="linear" if args.get("skip") else "none",
    )
    model = filled(case, DiG(config), dtype)
    with torch.no_grad():
        model.pos_embed.copy_(sine_table(config.width, config.edge))
    inputs = golden.inputs(case, dtype)
    wanted, limit = golden.stored(case), MODEL_LIMIT[dtype]
    with torch.set_grad_enabled("grad.x" in wanted):
        out = model(inputs["x"], torch.tensor(args["t"]), torch.tensor(args["y"]))
    assert golden.difference(out.detach(), wanted["out.o"]) < limit
    if "grad.x" in wanted:
        golden.loss_of(case["case"], {"o": out}).backward()
        assert golden.difference(inputs["x"].grad, wanted["grad.x"]) < limit


def test_dig_reads_rows_and_columns_from_both_ends():
    assert token_order(4, 8) == golden.index()["dig_token_order_n4"]


def test_dig_block_reversed_is_the_block_of_the_reversed_tokens():
    block = DiGBlock(DiGConfig(16, 2, 4, latent=6, patch=1)).double()
    torch.manual_seed(0)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, condition = torch.randn(2, 36, 16).double(), torch.randn(2, 16).double()
    turned = block(x.flip(1), condition).flip(1)
    torch.testing.assert_close(block(x, condition, reverse=True), turned, rtol=1e-12, atol=1e-12)


MANIFESTS = {
    "vig_t": "vig_t",
    "vig_s": "vig_s",
    "vig_b": "vig_b",
    "vig_h_t": "vig_h_t",
    "dig_s_2": "DiG-S/2-bid-layer-dwconv-qdir",
    "dig_s_2 skip": "DiG-S/2-bid-layer-dwconv-qdir-skip",
    "dig_b_2": "DiG-B/2-bid-layer-dwconv-qdir",
}


@pytest.mark.parametrize(("name", "released"), MANIFESTS.items(), ids=MANIFESTS)
def test_parameters_are_the_released_ones(name, released):
    with torch.device("meta"):
        if name.startswith("dig"):
            name, _, skip = name.partition(" ")
            model = build_backbone(name, skip="linear" if skip else "none")
        else:
            model = build_encoder(name)
    shapes = {n: tuple(p.shape) for n, p in model.named_parameters()}
    assert shapes == golden.manifest_shapes(released)
    assert sum(p.numel() for p in model.parameters()) == golden.manifest(released)["params"]
    assert set(model.state_dict()) == set(shapes)  # nothing else that a checkpoint would miss
