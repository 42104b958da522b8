"""Every op against the golden values and gradients, on every backend of this machine."""

from __future__ import annotations

import golden_kernels as golden
import pytest
import torch

from drivelab.kernels.sequence.causal_conv1d import causal_conv1d
from drivelab.kernels.sequence.gla import gla
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm, rmsnorm_gated
from drivelab.kernels.sequence.selective_scan import selective_scan
from drivelab.kernels.sequence.simple_gla import simple_gla
from drivelab.kernels.sequence.ssd import ssd

pytestmark = pytest.mark.nn
DTYPES = (torch.float64, torch.float32)
BACKENDS = ("ref", "torch", "numba")


def named(op: str) -> list:
    return [pytest.param(case, id=case["case"]) for case in golden.cases(op)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", named("gla"))
def test_gla(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    out, final = gla(**leaves, **case["args"], backend=backend)
    golden.check(case, {"o": out, "final_state": final}, leaves, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", named("gla_bidir"))
def test_gla_bidirectional(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    out = gla_bidirectional(**leaves, **case["args"], backend=backend)
    golden.check(case, {"o": out}, leaves, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", named("simple_gla"))
def test_simple_gla(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    out, final = simple_gla(**leaves, **case["args"], backend=backend)
    golden.check(case, {"o": out, "final_state": final}, leaves, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", named("ssd"))
def test_ssd(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    out, final = ssd(**leaves, **case["args"], backend=backend)
    golden.check(case, {"y": out, "final_state": final}, leaves, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", named("selective_scan"))
def test_selective_scan(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    y, final = selective_scan(**leaves, **case["args"], backend=backend)
    golden.check(case, {"y": y, "final_state": final}, leaves, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", named("causal_conv1d"))
def test_causal_conv1d(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    y, final = causal_conv1d(**leaves, **case["args"], backend=backend)
    golden.check(case, {"y": y, "final_state": final}, leaves, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("case", [*named("rmsnorm"), *named("rmsnorm_gated")])
def test_rmsnorm(case, dtype, backend):
    leaves = golden.inputs(case, dtype)
    op = {"rmsnorm": rmsnorm, "rmsnorm_gated": rmsnorm_gated}[case["op"]]
    golden.check(case, {"o": op(**leaves, **case["args"], backend=backend)}, leaves, dtype)
