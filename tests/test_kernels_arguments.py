"""Wrong arguments: each message names the argument, what came and what is wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from sequence_ops import CAUSAL, OPS

from drivelab.kernels.sequence import backends
from drivelab.kernels.sequence.causal_conv1d import causal_conv1d
from drivelab.kernels.sequence.gla import gla
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm, rmsnorm_gated
from drivelab.kernels.sequence.selective_scan import selective_scan
from drivelab.kernels.sequence.ssd import ssd

pytestmark = pytest.mark.nn


def changed(name, **others):
    """Inputs of an op with some of them replaced, or made of the ones there are."""
    inputs = {n: x.detach() for n, x in OPS[name].inputs(7).items()}
    for key, value in others.items():
        inputs[key] = value(inputs) if callable(value) else value
    return inputs


@pytest.mark.parametrize(
    ("name", "others", "message"),
    [
        (
            "gla",
            {"k": lambda i: i["k"][..., :2]},
            r"gla: k has shape \(2, 2, 7, 2\), axis 3 \(K\) is 2; expected \(2, 2, 7, 3\)",
        ),
        ("gla", {"v": lambda i: i["v"][0]}, r"gla: v has shape \(2, 7, 5\), 3 axes; expected"),
        ("gla", {"state": torch.zeros(2, 2, 5, 3)}, r"gla: state has shape \(2, 2, 5, 3\), axis 2"),
        ("simple_gla", {"g": lambda i: i["g"][:1]}, r"simple_gla: g has shape \(1, 2, 7\), axis 0"),
        (
            "gla_bidirectional",
            {"gb": lambda i: i["gf"][:, :, :5]},
            r"gla_bidirectional: gb .* is 5",
        ),
        ("ssd", {"A": torch.zeros(3)}, r"ssd: A has shape \(3,\), axis 0 \(H\) is 3; .* \(4\)"),
        ("ssd", {"D": torch.zeros(4, 2)}, r"ssd: D has shape \(4, 2\), axis 1 \(P\) is 2"),
        ("selective_scan", {"B": torch.zeros(2, 4, 7)}, r"selective_scan: B .* axis 1 \(N\) is 4"),
        ("causal_conv1d", {"w": torch.zeros(4, 4)}, r"causal_conv1d: w .* axis 0 \(D\) is 4"),
        (
            "causal_conv1d",
            {"state": torch.zeros(2, 3, 4)},
            r"causal_conv1d: state has shape \(2, 3, 4\), axis 2 \(W-1\) is 4; expected 3",
        ),
        ("causal_conv1d", {"w": torch.zeros(3, 0)}, r"w has shape \(3, 0\); expected at least one"),
        ("rmsnorm_gated", {"z": torch.zeros(2, 7, 5)}, r"rmsnorm_gated: z .* axis 2 \(D\) is 5"),
    ],
)
def test_shapes(name, others, message):
    with pytest.raises(ValueError, match=message):
        OPS[name].call(changed(name, **others))


@pytest.mark.parametrize("name", OPS)
def test_kinds_of_numbers(name):
    first = next(iter(OPS[name].shapes))
    message = rf"{name}: {first} is int64; expected one of float64, float32, bfloat16, float16"
    with pytest.raises(TypeError, match=message):
        OPS[name].call(changed(name, **{first: lambda i: i[first].long()}))
    with pytest.raises(TypeError, match=rf"{name}: {first} is a list; expected a torch.Tensor"):
        OPS[name].run(**changed(name, **{first: [1.0]}), **OPS[name].options)


@pytest.mark.parametrize("name", OPS)
def test_devices(name):
    second = list(OPS[name].shapes)[1]
    inputs = changed(name, **{second: lambda i: i[second].to("meta")})
    with pytest.raises(ValueError, match=rf"{name}: {second} is on meta, .* on cpu; move them to"):
        OPS[name].call(inputs)


@pytest.mark.parametrize("value", [1e-3, float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "gate"), [("gla", "g"), ("simple_gla", "g"), ("gla_bidirectional", "gb")]
)
def test_gates_that_are_none(name, gate, value):
    inputs = changed(name)
    inputs[gate][(1, 0, 3, 2)[: inputs[gate].ndim]] = value
    where = r"\[1, 0, 3, 2\]" if inputs[gate].ndim == 4 else r"\[1, 0, 3\]"
    message = rf"{name}: {gate}{where} is {value:g}; expected log gates, at most 0"
    with pytest.raises(ValueError, match=message):
        OPS[name].call(inputs)


@pytest.mark.parametrize(("name", "step"), [("ssd", "dt"), ("selective_scan", "delta")])
def test_rates_and_steps_that_are_none(name, step):
    inputs = changed(name)
    inputs["A"][2] = 0.5
    with pytest.raises(ValueError, match=rf"{name}: A\[2.*\] is 0.5; expected decay rates"):
        OPS[name].call(inputs)
    inputs = {**changed(name), "delta_bias" if name == "selective_scan" else "dt_bias": None}
    inputs[step] = inputs[step].abs()
    inputs[step][1, 3, 2] = -0.25
    with pytest.raises(ValueError, match=rf"{name}: {step}\[1, 3, 2\] is -0.25; expected step"):
        OPS[name].run(**inputs)


@pytest.mark.parametrize("backend", ["ref", "torch", "numba"])
@pytest.mark.parametrize(("name", "step"), [("ssd", "dt"), ("selective_scan", "delta")])
def test_final_steps_that_are_none(name, step, backend):
    run, inputs = OPS[name].run, changed(name)
    inputs[step] = torch.full_like(inputs[step], 0.1)
    inputs[f"{step}_bias"] = torch.full_like(inputs[f"{step}_bias"], -9)
    run(**inputs, **{f"{step}_softplus": True}, backend=backend)
    with pytest.raises(ValueError, match=rf"{name}: {step} after {step}_bias.*0, 0, 0\] is -8.9"):
        run(**inputs, backend=backend)
    inputs[step][1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match=rf"{name}: {step} after .*\[1, 2, 3\] is nan; expected"):
        run(**inputs, **{f"{step}_softplus": True}, backend=backend)


@pytest.mark.parametrize("limit", [(-5.0, 0.1), (0.5, 0.1), (float("nan"), 1.0)])
def test_limits_out_of_order(limit):
    message = r"ssd: dt_limit is \(.*\); expected .* 0 <= least <= largest"
    with pytest.raises(ValueError, match=message):
        ssd(**changed("ssd"), dt_softplus=True, dt_limit=limit)
    ssd(**changed("ssd"), dt_limit=(0.01, 0.1))  # what the limits mend is not refused


@pytest.mark.parametrize("backend", ["ref", "torch", "numba"])
@pytest.mark.parametrize(
    ("name", "empty", "axis", "where"),
    [
        ("gla", "qkg", 3, r"q has shape \(2, 2, 7, 0\), axis 3 \(K\)"),
        ("gla", "v", 3, r"v has shape \(2, 2, 7, 0\), axis 3 \(V\)"),
        ("simple_gla", "qk", 3, r"q has shape \(2, 2, 7, 0\), axis 3 \(K\)"),
        ("gla_bidirectional", "v", 3, r"v has shape \(2, 2, 7, 0\), axis 3 \(V\)"),
        ("ssd", "BC", 3, r"B has shape \(2, 7, 2, 0\), axis 3 \(N\)"),
        ("selective_scan", "A", 1, r"A has shape \(6, 0\), axis 1 \(N\)"),
    ],
)
def test_no_channels(name, empty, axis, where, backend):
    inputs = changed(name)
    for key in empty:
        inputs[key] = inputs[key].narrow(axis, 0, 0)
    with pytest.raises(ValueError, match=rf"{name}: {where} is 0; expected at least 1"):
        OPS[name].call(inputs, backend=backend)


def one_token(name, **others):
    """Arguments of a step of an op."""
    op = OPS[name]
    given = {n: x.detach() for n, x in op.inputs(1, state=True).items()}
    given = {n: x if op.time(n) is None else x.squeeze(op.time(n)) for n, x in given.items()}
    return {**given, **others, **op.options}


@pytest.mark.parametrize("name", CAUSAL)
def test_steps_name_what_they_were_given(name):
    op = CAUSAL[name]
    for key in (n for n in op.shapes if op.time(n) is not None):
        with pytest.raises(TypeError, match=rf"{name}_step: {key} is a list; expected a torch.Te"):
            op.step(**one_token(name, **{key: [1.0]}))
    first = next(iter(op.shapes))
    x = one_token(name)[first]
    message = rf"{name}_step: {first} has shape \({', '.join(map(str, x[None].shape))}\), "
    with pytest.raises(ValueError, match=message):
        op.step(**one_token(name, **{first: x[None]}))


def test_normalized_calls_name_what_they_were_given():
    with pytest.raises(TypeError, match=r"gla: v is a list; expected a torch.Tensor"):
        gla(**changed("gla", v=[1.0]), normalize=True)
    message = r"gla: k has shape \(2, 2, 7, 2\), axis 3 \(K\) is 2; expected \(2, 2, 7, 3\)"
    with pytest.raises(ValueError, match=message):
        gla(**changed("gla", k=lambda i: i["k"][..., :2]), normalize=True)
    message = r"gla: state .* axis 3 \(V\+1\) is 5; expected \(2, 2, 3, 6\)"
    with pytest.raises(ValueError, match=message):
        gla(**changed("gla"), state=torch.zeros(2, 2, 3, 5), normalize=True)


@pytest.mark.parametrize("name", [name for name in OPS if name != "rmsnorm_gated"])
def test_masks(name):
    with pytest.raises(TypeError, match=rf"{name}: mask is float32; expected bool, true at real"):
        OPS[name].call(changed(name), mask=torch.ones(2, 7))
    with pytest.raises(TypeError, match=rf"{name}: mask is a list; expected a torch.Tensor of b"):
        OPS[name].call(changed(name), mask=[[True] * 7] * 2)
    away = torch.ones(2, 7, dtype=torch.bool, device="meta")
    with pytest.raises(ValueError, match=rf"{name}: mask is on meta, .* on cpu; move them to one"):
        OPS[name].call(changed(name), mask=away)
    mask = torch.ones(2, 6, dtype=torch.bool)
    message = rf"{name}: mask has shape \(2, 6\); expected \(B, L\) = \(2, 7\)"
    with pytest.raises(ValueError, match=message):
        OPS[name].call(changed(name), mask=mask)


def test_groups():
    inputs = changed("ssd", B=torch.zeros(2, 7, 3, 5), C=torch.zeros(2, 7, 3, 5))
    with pytest.raises(ValueError, match="ssd: B has 3 groups, axis 2, and x 4 heads; expected"):
        ssd(**inputs)
    inputs = changed("selective_scan", B=torch.zeros(2, 4, 3, 7), C=torch.zeros(2, 4, 3, 7))
    with pytest.raises(
        ValueError, match="selective_scan: B has 4 groups, axis 1, and u 6 channels"
    ):
        selective_scan(**inputs)
    with pytest.raises(ValueError, match="rmsnorm: group=4, x has 6 channels; expected a number"):
        rmsnorm(torch.zeros(2, 6), torch.ones(6), group=4)
    with pytest.raises(ValueError, match="rmsnorm_gated: group=0, x has 6 channels"):
        rmsnorm_gated(torch.zeros(2, 6), torch.ones(6), torch.ones(2, 6), group=0)


def test_choices():
    with pytest.raises(ValueError, match="merge='max'; expected mean or sum"):
        gla_bidirectional(**changed("gla_bidirectional"), merge="max")
    with pytest.raises(ValueError, match="act='relu'; expected 'silu' or None"):
        causal_conv1d(**changed("causal_conv1d"), act="relu")


@pytest.mark.parametrize("name", OPS)
def test_backends(name, monkeypatch):
    op, inputs = OPS[name], changed(name)
    known = "expected auto, ref, torch, numba, triton"
    with pytest.raises(ValueError, match=rf"{name}: backend='cuda'; {known}"):
        op.call(inputs, backend="cuda")
    monkeypatch.setenv(backends.VARIABLE, "fast")
    with pytest.raises(ValueError, match=rf"{name}: DRIVELAB_KERNELS='fast'; {known}"):
        op.call(inputs)
    away = {n: x.to("meta") for n, x in inputs.items()}
    with pytest.raises(ValueError, match=rf"{name}: backend='numba' runs on the CPU, .* on meta"):
        op.call(away, backend="numba")


def test_the_variable_names_a_backend(monkeypatch):
    called = []
    monkeypatch.setattr("drivelab.kernels.sequence.gla.ref.forward", lambda *_: called.append(1))
    monkeypatch.setenv(backends.VARIABLE, "ref")
    with pytest.raises(TypeError):  # what the op does with nothing
        gla(**changed("gla"))
    assert called == [1]


def test_triton_that_is_not_there(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"gla: backend='triton' needs the package 'triton'.*pip"):
        gla(**changed("gla"), backend="triton")


def test_triton_without_a_gpu(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda _: True)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ValueError, match=r"gla: backend='triton' needs a GPU, .* on cpu; use"):
        gla(**changed("gla"), backend="triton")


@pytest.mark.parametrize(
    "line",
    [
        "from drivelab.kernels import gla",
        "from drivelab.kernels.sequence.gla import gla",
        "import drivelab.kernels.sequence.ssd",
    ],
)
def test_torch_that_is_not_there(line):
    hidden = (
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
        "sys.meta_path.insert(0, Hidden())\n"
        f"try:\n    {line}\nexcept ImportError as error:\n    print(error.name, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith("torch drivelab.kernels.")
    assert "needs the package 'torch'" in done.stdout
    assert "pip install 'drivelab[nn]'" in done.stdout


@pytest.mark.parametrize(
    ("op", "rows", "width", "grad", "name"),
    [
        *(("rmsnorm_gated", 4096, 16, grad, "torch") for grad in (False, True)),
        *(("rmsnorm_gated", 64, 64, grad, name) for grad, name in ((0, "torch"), (1, "numba"))),
        *(("rmsnorm_gated", 16, 1024, grad, "numba") for grad in (False, True)),
        *(("rmsnorm", 64, 64, grad, "torch") for grad in (False, True)),
        *(("rmsnorm", 1024, 512, grad, name) for grad, name in ((0, "torch"), (1, "numba"))),
        *(("rmsnorm", 4096, 512, grad, "numba") for grad in (False, True)),
    ],
)
def test_norms_of_few_numbers_are_left_to_torch(monkeypatch, op, rows, width, grad, name):
    monkeypatch.delenv("DRIVELAB_KERNELS", raising=False)
    seen = []
    module = sys.modules[rmsnorm.__module__]
    found = module._backend
    monkeypatch.setattr(module, "_backend", lambda name: (seen.append(name), found(name))[1])
    x = torch.zeros(1, rows, width)
    given = (x, torch.ones(width, requires_grad=bool(grad)), x)
    run = {"rmsnorm": rmsnorm, "rmsnorm_gated": rmsnorm_gated}[op]
    run(*given[: 3 if op == "rmsnorm_gated" else 2])
    with torch.no_grad():
        run(*given[: 3 if op == "rmsnorm_gated" else 2], backend="numba")
    assert seen == [name, "numba"]
