"""The compiled ops as operators of torch: held to its own checks, traced, differentiated."""

from __future__ import annotations

import pytest
import torch
from sequence_ops import CAUSAL, OPS, gradients, same
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from drivelab.kernels.sequence.causal_conv1d.compiled import causal_conv1d_numba
from drivelab.kernels.sequence.gla.compiled import gla_numba
from drivelab.kernels.sequence.gla_bidirectional.compiled import gla_bidirectional_numba
from drivelab.kernels.sequence.rmsnorm_gated.compiled import rmsnorm_gated_numba
from drivelab.kernels.sequence.selective_scan.compiled import selective_scan_numba
from drivelab.kernels.sequence.simple_gla.compiled import simple_gla_numba
from drivelab.kernels.sequence.ssd.compiled import ssd_numba

pytestmark = pytest.mark.nn


def leaf(*shape, negative=False):
    x = torch.randn(*shape, dtype=torch.float64)
    return (-x.abs() if negative else x).requires_grad_()


def operators():
    torch.manual_seed(0)
    qk, v = (2, 2, 5, 3), (2, 2, 5, 4)
    q, shared, state = leaf(*qk), leaf(2, 1, 5, 3), leaf(2, 2, 3, 4)
    g, scalar = leaf(*qk, negative=True), leaf(2, 2, 5, 1, negative=True)
    pair = leaf(2, 5, 1, 3), leaf(2, 5, 1, 3)
    apart = leaf(2, 2, 4, 5).detach().transpose(2, 3).requires_grad_()
    return {
        "gla": (gla_numba, (q, leaf(*qk), apart, g, state, 0.5, False)),
        "simple_gla": (
            simple_gla_numba,
            (shared, shared, leaf(*v), scalar, state, 0.5, True),
        ),
        "ssd": (
            ssd_numba,
            (leaf(2, 5, 2, 4), leaf(2, 5, 2), leaf(2), *pair, leaf(2, 2, 4, 3), True),
        ),
        "gla_bidirectional": (
            gla_bidirectional_numba,
            (q, leaf(*qk), leaf(*v), g, g, 0.5),
        ),
        "selective_scan": (
            selective_scan_numba,
            (
                *(leaf(2, 4, 5), leaf(2, 4, 5), leaf(4, 3, negative=True), leaf(2, 2, 3, 5)),
                *(leaf(2, 2, 3, 5), leaf(2, 4, 3), True),
            ),
        ),
        "causal_conv1d": (
            causal_conv1d_numba,
            (leaf(2, 3, 5), leaf(3, 4), leaf(3), leaf(2, 3, 3), True),
        ),
        "rmsnorm_gated": (
            rmsnorm_gated_numba,
            (leaf(2, 5, 6), leaf(6), leaf(2, 5, 6), 1e-6, 3, False),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(operators()))
def test_operators_pass_the_checks_of_torch(name):
    operator, given = operators()[name]
    found = torch.library.opcheck(operator.registered, given)
    assert set(found.values()) == {"SUCCESS"}


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("name", OPS)
def test_compiled_graphs_give_what_eager_gives(name, backend):
    op = OPS[name]
    inputs = op.inputs(9, state=bool(op.state))

    @torch.compile(fullgraph=True, backend="aot_eager")
    def run(given):
        return op.call(given, backend=backend)

    wanted, got = op.call(inputs, backend=backend), run(inputs)
    for one, other in zip(got, wanted, strict=True):
        same(one, other)
    found, known = gradients(got, inputs), gradients(wanted, inputs)
    for key in inputs:
        same(found[key], known[key])
    torch.compiler.reset()


@pytest.mark.parametrize("name", CAUSAL)
def test_meta_tensors_have_the_shapes_of_real_ones(name):
    op = CAUSAL[name]
    inputs = op.inputs(9, torch.float32, state=True)
    wanted = op.call(inputs, backend="torch")
    got = op.call({n: x.detach().to("meta") for n, x in inputs.items()}, backend="torch")
    for one, other in zip(got, wanted, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("needs_grad", [False, True])
@pytest.mark.parametrize("name", OPS)
def test_tangents_are_refused_and_not_dropped(name, needs_grad, compiled):
    op = OPS[name]
    inputs = {n: x.detach().requires_grad_(needs_grad) for n, x in op.inputs(5).items()}
    first = next(iter(inputs))

    def run(x, backend="numba"):
        return op.call({**inputs, first: x}, backend=backend)[0]

    point, along = (inputs[first], torch.ones_like(inputs[first]))
    _, tangent = torch.func.jvp(lambda x: run(x, "torch"), (point,), (along,))
    assert tangent.abs().max() > 0
    asked = torch.compile(run, backend="aot_eager") if compiled else run
    with pytest.raises((NotImplementedError, RuntimeError), match="backend='torch'"):
        torch.func.jvp(asked, (point,), (along,))
    with forward_ad.dual_level(), pytest.raises(NotImplementedError, match="backend='torch'"):
        run(forward_ad.make_dual(point, along))
    assert run(point).shape == tangent.shape
    torch.compiler.reset()


@pytest.mark.parametrize("name", OPS)
def test_second_derivatives_are_refused(name):
    op = OPS[name]
    inputs = op.inputs(5)
    x = next(iter(inputs.values()))
    loss = op.call(inputs, backend="numba")[0].square().sum()
    (grad,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"drivelab::\w+_numba: .* use backend='torch'"):
        torch.autograd.grad(grad.sum(), x)


class Calls(TorchDispatchMode):
    """Names of the operators that torch's dispatcher is asked for."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", sorted(operators()))
def test_calls_past_the_dispatcher_give_what_it_gives(name):
    operator, given = operators()[name]
    leaves = [one for one in given if isinstance(one, torch.Tensor)]

    def results(run):
        outs = run(*given)
        outs = outs if isinstance(outs, tuple) else (outs,)
        losses = [one.square().sum() for one in outs]
        found = [torch.autograd.grad(one, leaves, retain_graph=True) for one in losses]
        return [*outs, *(grad for grads in found for grad in grads)]

    for one, other in zip(results(operator), results(operator.registered), strict=True):
        same(one, other, 0)
        assert one.stride() == other.stride()


def test_modes_and_lazy_signs_go_by_the_dispatcher():
    operator, given = operators()["ssd"]
    with Calls() as calls, torch.no_grad():
        operator(*given)
    assert "drivelab::ssd_numba" in calls.names
    x = torch.view_as_complex(torch.randn(2, 5, 2, 4, 2, dtype=torch.float64)).conj().imag
    assert x.is_neg()
    with torch.no_grad():
        got, wanted = (operator(one, *given[1:]) for one in (x, x.clone()))
    same(got[0], wanted[0], 0)
