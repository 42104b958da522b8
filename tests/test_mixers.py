"""Mixers of mmMamba, MaTVLM and OmniMamba: golden values, decoding, seeds and losses."""

from __future__ import annotations

import golden_kernels as golden
import numpy as np
import pytest
import torch
from torch import nn

from drivelab.agents.language.mixers import (
    AttentionWeights,
    MaTVLMConfig,
    MaTVLMLayer,
    MaTVLMMixer,
    MmMambaConfig,
    MmMambaMixer,
    OmniMambaConfig,
    OmniMambaMixer,
    fuse,
    heads_mse,
    layers_l2,
    logits_kl,
    seed_matvlm,
    seed_mmmamba,
    unpack,
)
from drivelab.errors import ConfigError

pytestmark = pytest.mark.nn
DTYPES = {"float64": torch.float64, "float32": torch.float32}
BACKENDS = ("ref", "torch", "numba")


def mmmamba(backend="auto", dim=64, heads=4, kv_heads=2, d_conv=2) -> nn.Module:
    return MmMambaMixer(MmMambaConfig(dim, heads, kv_heads, d_conv, backend))


def matvlm(backend="auto", dim=64, heads=4, d_inner=64, d_xb=64, ff=160) -> nn.Module:
    kv_heads = heads * d_xb // d_inner
    return MaTVLMLayer(MaTVLMConfig(dim, heads, kv_heads, ff, backend=backend))


class OneTask(nn.Module):
    """An OmniMamba mixer that is asked for one task, like the others."""

    def __init__(self, mixer: OmniMambaMixer, task: str) -> None:
        super().__init__()
        self.mixer, self.task = mixer, task

    def named_parameters(self, *args, **kwargs):
        return self.mixer.named_parameters(*args, **kwargs)

    def forward(self, u, state=None):
        return self.mixer(u, self.task, state)

    def step(self, u, state):
        return self.mixer.step(u, self.task, state)


def omnimamba(
    backend="auto", dim=64, d_state=16, expand=2, headdim=16, task="mmu", groups=1
) -> nn.Module:
    config = OmniMambaConfig(dim, expand, headdim, d_state, groups, backend=backend)
    return OneTask(OmniMambaMixer(config), task)


MIXERS = {"mmmamba_mixer": mmmamba, "matvlm_layer": matvlm, "omnimamba_mixer": omnimamba}
CASES = [
    pytest.param(make, case, id=case["case"])
    for op, make in MIXERS.items()
    for case in golden.cases(op)
]
KINDS = {
    "mmmamba": mmmamba,
    "mmmamba fused": lambda: fuse(mmmamba()),
    "matvlm": matvlm,
    "matvlm shared keys": lambda: matvlm(d_xb=32),
    "omnimamba": omnimamba,
    "omnimamba groups": lambda: omnimamba(groups=2),
}


def scattered(make) -> nn.Module:
    torch.manual_seed(0)
    mixer = make().double().eval()
    for _, parameter in mixer.named_parameters():
        nn.init.normal_(parameter, std=0.3)
    return mixer


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("make", "case"), CASES)
def test_golden(make, case, dtype, backend):
    mixer = make(backend, **case["args"]).to(dtype).eval()
    assert {n: list(p.shape) for n, p in mixer.named_parameters()} == case["params"]
    golden.load_weights(case["case"], mixer)
    inputs = golden.inputs(case, dtype)
    out, _ = mixer(inputs["x"])
    golden.check(case, {"o": out}, {**inputs, **dict(mixer.named_parameters())}, dtype)


@pytest.mark.parametrize(
    ("released", "make"),
    [
        ("matvlm_layer", lambda: MaTVLMLayer(MaTVLMConfig())),
        ("mmmamba_mixer_training", lambda: MmMambaMixer(MmMambaConfig())),
        ("omnimamba_mixer", lambda: OmniMambaMixer(OmniMambaConfig())),
    ],
)
def test_parameters_are_the_released_ones(released, make):
    with torch.device("meta"):
        mixer = make()
    shapes = {n: tuple(p.shape) for n, p in mixer.named_parameters()}
    assert shapes == golden.manifest_shapes(released)
    assert sum(p.numel() for p in mixer.parameters()) == golden.manifest(released)["params"]
    assert set(mixer.state_dict()) == set(shapes)


def test_the_released_mmmamba_has_one_projection():
    with torch.device("meta"):
        mixer = fuse(MmMambaMixer(MmMambaConfig()))
    shapes = {n: tuple(p.shape) for n, p in mixer.named_parameters()}
    assert shapes == {
        "wvkqgdt.weight": (1024 + 1024 + 2048 + 2048 + 16, 2048),
        "conv1d.weight": (4096, 1, 2),
        "conv1d.bias": (4096,),
        "dt_bias": (16,),
        "A_log_bias": (16,),
        "g_norm_swish_gate.weight": (128,),
        "o_proj.weight": (2048, 2048),
    }


def test_the_released_mmmamba_gives_what_the_trained_one_gives():
    mixer = scattered(mmmamba)
    u = torch.randn(2, 9, 64).double()
    out, state = mixer(u)
    fused_out, fused_state = fuse(mixer)(u)
    torch.testing.assert_close(fused_out, out, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fused_state.scan, state.scan, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_steps_and_parts_give_what_the_whole_gives(make):
    mixer = scattered(make)
    u = torch.randn(2, 11, 64).double()
    with torch.no_grad():
        whole, end = mixer(u)
        first, state = mixer(u[:, :5])
        outs = [first]
        for token in u[:, 5:].unbind(1):
            out, state = mixer.step(token, state)
            outs.append(out[:, None])
        one = mixer(u[:, :1])[0]
        back, resumed = mixer(u[:, 3:], mixer(u[:, :3])[1])
    torch.testing.assert_close(torch.cat(outs, 1), whole, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(one, whole[:, :1], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(back, whole[:, 3:], rtol=1e-10, atol=1e-12)
    for after in (state, resumed):
        torch.testing.assert_close(after.conv, end.conv, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(after.scan, end.scan, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_samples_are_apart_and_no_token_sees_later_ones(make):
    mixer = scattered(make)
    u = torch.randn(2, 6, 64).double()
    changed = u.clone()
    changed[0, 4:] += 1
    with torch.no_grad():
        out, other = mixer(u)[0], mixer(changed)[0]
    assert torch.equal(out[1], other[1])
    assert torch.equal(out[0, :4], other[0, :4])
    assert not torch.allclose(out[0, 4:], other[0, 4:])


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_gradients_reach_every_parameter_of_a_task(make):
    mixer = scattered(make)
    mixer(torch.randn(2, 6, 64).double())[0].square().sum().backward()
    for name, parameter in mixer.named_parameters():
        if "t2i_lora" in name:  # of the other task
            assert parameter.grad is None
        else:
            assert parameter.grad.abs().sum() > 0, name


def test_tasks_are_one_until_they_are_trained_apart():
    torch.manual_seed(0)
    mixer = omnimamba().mixer.eval()
    u = torch.randn(1, 5, 64)
    with torch.no_grad():
        assert torch.equal(mixer(u, "mmu")[0], mixer(u, "t2i")[0])
        nn.init.normal_(mixer.in_proj.t2i_lora_B0.weight)
        assert not torch.allclose(mixer(u, "mmu")[0], mixer(u, "t2i")[0])
    with pytest.raises(ConfigError, match="task='t2v'; did you mean 't2i'"):
        mixer(u, "t2v")


def golden_seed() -> dict[str, torch.Tensor]:
    with np.load(golden.ROOT / "dev_seed.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def test_seeds_of_mmmamba_are_the_rows_of_the_attention():
    seed = golden_seed()
    out = torch.randn(16, 16).double()
    mixer = mmmamba(dim=16, heads=4, kv_heads=2).double()
    nn.init.normal_(mixer.in_proj.weight)
    seed_mmmamba(mixer, unpack(seed["wqkv"], out, heads=4, kv_heads=2))
    assert torch.equal(mixer.q_proj.weight, seed["C"])
    assert torch.equal(mixer.k_proj.weight, seed["B"])
    assert torch.equal(mixer.v_proj.weight, seed["x"])
    assert torch.equal(mixer.o_proj.weight, out)
    assert not mixer.in_proj.weight.any()
    assert (mixer.A_log_bias == 1).all()
    step = nn.functional.softplus(mixer.dt_bias)
    assert ((step > 0.9e-3) & (step < 0.101)).all()
    x = torch.randn(1, 32, 5).double()  # the convolution passes a token on and nothing else
    seen = nn.functional.conv1d(
        nn.functional.pad(x, (1, 0)), mixer.conv1d.weight, mixer.conv1d.bias, groups=32
    )
    torch.testing.assert_close(seen, x)


def test_seeds_of_matvlm_go_between_the_gate_and_the_step_sizes():
    torch.manual_seed(0)
    mixer = MaTVLMMixer(MaTVLMConfig(width=16, heads=4, kv_heads=2))
    shapes = {"query": (16, 16), "key": (8, 16), "value": (8, 16), "out": (16, 16)}
    weights = AttentionWeights(**{name: torch.randn(shape) for name, shape in shapes.items()})
    fresh = mixer.in_proj.weight.detach().clone()
    seed_matvlm(mixer, weights)
    rows = mixer.in_proj.weight
    assert torch.equal(rows[16:48], torch.cat([weights.value, weights.key, weights.query]))
    assert torch.equal(rows[:16], fresh[:16])
    assert torch.equal(rows[48:], fresh[48:])
    assert torch.equal(mixer.out_proj.weight, weights.out)


def test_losses_are_the_golden_ones():
    wanted = golden.index()["losses"]
    student, teacher = (golden.rule(f"dev_loss/{x}", (2, 7, 11)) for x in ("student", "teacher"))
    hs, ht = (golden.rule(f"dev_loss/{x}", (3, 2, 7, 8)) for x in ("hs", "ht"))
    got = {
        "mm_layer_mse": heads_mse(list(hs), list(ht)),
        "mat_layer_l2": layers_l2(list(hs), list(ht)),
        "mm_kl_T1": logits_kl(student, teacher),
        "mat_kl_T2": logits_kl(student, teacher, temperature=2.0),
    }
    assert {k: float(v) for k, v in got.items()} == pytest.approx(wanted, rel=1e-12)
    assert float(logits_kl(teacher, teacher)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MmMambaConfig(width=64, heads=4, kv_heads=3),
        lambda: MaTVLMConfig(width=66, heads=4, kv_heads=4),
        lambda: OmniMambaConfig(width=64, head_width=48),
    ],
)
def test_heads_that_do_not_fit_are_refused(make):
    with pytest.raises(ConfigError, match=r"expected .* to divide"):
        make()
