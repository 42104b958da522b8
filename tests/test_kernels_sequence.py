"""What every sequence op keeps to on every backend: gradients, states, order, masks, odd inputs."""

from __future__ import annotations

import multiprocessing

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_ops import CAUSAL, OPS, gradients, same
from torch.autograd import gradcheck

from drivelab.kernels.sequence import heads
from drivelab.kernels.sequence.gla import gla, gla_step

pytestmark = pytest.mark.nn
BACKENDS = ("ref", "torch", "numba")
every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_op = pytest.mark.parametrize("name", OPS)
causal_op = pytest.mark.parametrize("name", CAUSAL)


@pytest.mark.parametrize(  # compiled anew in float64; in float32 the golden gradients hold it
    "backend", ["ref", "torch", pytest.param("numba", marks=pytest.mark.slow)]
)
@every_op
def test_gradients_are_those_of_finite_differences(name, backend):
    op = OPS[name]
    inputs = op.inputs(11, state=bool(op.state))
    names = list(inputs)

    def run(*given):
        return op.call(dict(zip(names, given, strict=True)), backend=backend)

    assert gradcheck(run, tuple(inputs.values()), fast_mode=True, nondet_tol=0)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@every_op
def test_long_sequences_match_the_definition(name, backend):
    op = OPS[name]
    inputs = op.inputs(75, state=bool(op.state))
    wanted, got = (op.call(inputs, backend=b) for b in ("ref", backend))
    for one, other in zip(got, wanted, strict=True):
        same(one, other, 1e-10)
    found, known = gradients(got, inputs), gradients(wanted, inputs)
    for key in inputs:
        same(found[key], known[key], 1e-9)


@every_backend
@causal_op
def test_steps_give_what_the_whole_gives(name, backend):
    op = CAUSAL[name]
    inputs = op.inputs(19, state=True)
    wanted, final = op.call(inputs, backend=backend)
    axis, state, outs = op.out_time, inputs.pop("state"), []
    for t in range(19):
        one = {n: x.squeeze(op.time(n)) if op.time(n) is not None else x
               for n, x in op.part(inputs, t, t + 1).items()}  # fmt: skip
        out, state = op.step(**one, state=state, **op.options, backend=backend)
        outs.append(out)
    same(torch.stack(outs, axis), wanted)
    same(state, final)


@every_backend
def test_normalized_steps_give_what_the_whole_gives(backend):
    inputs = OPS["gla"].inputs(9)
    options = {"normalize": True, "eps": 0.3, "backend": backend}
    plain, _ = gla(**inputs, backend=backend)
    wanted, final = gla(**inputs, **options)
    assert (wanted - plain).abs().max() > 0.1
    state, outs = torch.zeros(2, 2, 3, 6, dtype=torch.float64), []
    for t in range(9):
        one = {n: x[:, :, t] for n, x in inputs.items()}
        out, state = gla_step(**one, state=state, **options)
        outs.append(out)
    same(torch.stack(outs, 2), wanted)
    same(state, final)


@every_backend
@causal_op
def test_two_halves_give_the_whole(name, backend):
    op = CAUSAL[name]
    inputs = op.inputs(29, state=True)
    whole = op.call(inputs, backend=backend)
    first, between = op.call(op.part(inputs, 0, 13), backend=backend)
    second, final = op.call({**op.part(inputs, 13, 29), "state": between}, backend=backend)
    halves = torch.cat([first, second], op.out_time), final
    for one, other in zip(halves, whole, strict=True):
        same(one, other)
    found, known = gradients(halves, inputs), gradients(whole, inputs)
    for key in inputs:
        same(found[key], known[key])


@every_backend
@causal_op
def test_reverse_is_the_walk_from_the_other_end(name, backend):
    op = CAUSAL[name]
    inputs = op.inputs(21, state=True)
    flipped = {n: x if op.time(n) is None else x.flip(op.time(n)) for n, x in inputs.items()}
    wanted, final = op.call(flipped, backend=backend)
    got = op.call(inputs, reverse=True, backend=backend)
    same(got[0], wanted.flip(op.out_time))
    same(got[1], final)
    found = gradients(got, inputs)
    known = gradients((wanted.flip(op.out_time), final), inputs)
    for key in inputs:
        same(found[key], known[key])


@every_backend
@pytest.mark.parametrize("reverse", [False, True])
@causal_op
def test_masked_tokens_are_as_if_not_there(name, reverse, backend):
    op = CAUSAL[name]
    inputs = op.inputs(17, state=True)
    mask = torch.arange(17) < torch.tensor([[17], [9]])
    mask[1, 4] = False  # a gap
    kept = mask[1].nonzero().flatten()
    garbage = {n: x.detach().clone().requires_grad_() for n, x in inputs.items()}
    with torch.no_grad():
        for n, x in garbage.items():
            if op.time(n) is not None:
                x.transpose(1, op.time(n))[1, ~mask[1]] = float("nan")
    got = op.call(garbage, mask=mask, reverse=reverse, backend=backend)
    short = {}
    for n, x in inputs.items():
        if op.time(n) is not None:
            x = x[1:].index_select(op.time(n), kept)
        short[n] = x[1:] if n == "state" else x
    wanted = op.call(short, reverse=reverse, backend=backend)
    same(got[0][1:].index_select(op.out_time, kept), wanted[0])
    same(got[1][1:], wanted[1])
    assert not got[0].transpose(1, op.out_time)[1, ~mask[1]].any()
    weights = torch.randn_like(wanted[0])
    loss = (got[0][1:].index_select(op.out_time, kept) * weights).sum() + got[1][1:].sum()
    found = torch.autograd.grad(loss, list(garbage.values()))
    loss = (wanted[0] * weights).sum() + wanted[1].sum()
    known = torch.autograd.grad(loss, list(inputs.values()))
    for one, other in zip(found, known, strict=True):
        same(one, other)


@every_backend
@every_op
def test_nothing_and_one_token(name, backend):
    op = OPS[name]
    inputs = op.inputs(0, state=bool(op.state))
    out = op.call(inputs, backend=backend)
    assert out[0].shape[op.out_time] == 0
    if op.state:
        same(out[1], inputs["state"].detach())
    for grad in gradients(out, inputs).values():
        assert grad is None or torch.isfinite(grad).all()
    inputs = op.inputs(1, state=bool(op.state))
    for one, other in zip(
        op.call(inputs, backend=backend), op.call(inputs, backend="ref"), strict=True
    ):
        same(one, other)


@every_backend
@every_op
def test_no_sequence_at_all(name, backend):
    op = OPS[name]
    inputs = op.inputs(5, state=bool(op.state))
    empty = {n: x[:0] if x.shape[0] == 2 and x.ndim > 2 else x for n, x in inputs.items()}
    out = op.call(empty, backend=backend)
    assert all(one.shape[0] == 0 for one in out)
    for key, grad in gradients(out, inputs).items():
        assert grad is None or not grad.any(), key


def _spread_last(x):
    """The same numbers, two apart."""
    return torch.stack([x, x + 1], -1)[..., 0] if x.ndim else x


def _turned(x):
    """The same numbers, with two axes exchanged in memory."""
    return x.transpose(0, -1).contiguous().transpose(0, -1)


@every_backend
@pytest.mark.parametrize("lay", [_spread_last, _turned], ids=("spread", "turned"))
@every_op
def test_layouts_in_memory_change_nothing(name, lay, backend):
    op = OPS[name]
    inputs = op.inputs(9, state=bool(op.state))
    laid = {n: lay(x) for n, x in inputs.items()}
    assert not next(iter(laid.values())).is_contiguous()
    wanted, got = op.call(inputs, backend=backend), op.call(laid, backend=backend)
    found, known = gradients(got, inputs), gradients(wanted, inputs)
    for one, other in zip(got, wanted, strict=True):
        same(one, other)
    for key in inputs:
        same(found[key], known[key])


def _windows(shape, axis):
    """Numbers in windows that overlap: steps of 1 along `axis` and the last one."""
    if len(shape) < 2:
        return torch.randn(shape, dtype=torch.float64)
    others = [n for i, n in enumerate(shape[:-1]) if i != axis]
    room = torch.randn(*others, shape[axis] + shape[-1] - 1, dtype=torch.float64)
    return room.unfold(-1, shape[-1], 1).movedim(-2, axis)


@every_backend
@pytest.mark.parametrize("axis", [0, 1, 2])
@every_op
def test_windows_that_overlap_in_memory_change_nothing(name, axis, backend):
    op, laid = OPS[name], {}
    torch.manual_seed(0)
    for n, x in op.inputs(9, state=bool(op.state)).items():
        laid[n] = _windows(x.shape, min(axis, max(x.ndim - 2, 0)))
        laid[n] = -laid[n].abs() if n == "A" else laid[n]
        if n in ("g", "gf", "gb"):  # abs would make memory of its own
            laid[n].as_strided((laid[n].untyped_storage().nbytes() // 8,), (1,)).abs_().neg_()
    copies = {n: x.clone(memory_format=torch.contiguous_format) for n, x in laid.items()}
    for x in (*laid.values(), *copies.values()):
        x.requires_grad_()
    wanted, got = op.call(copies, backend=backend), op.call(laid, backend=backend)
    for one, other in zip(got, wanted, strict=True):
        same(one, other)
    found, known = gradients(got, laid), gradients(wanted, copies)
    for key in laid:
        same(found[key], known[key])


@every_backend
def test_expanded_inputs(backend):
    op = OPS["gla"]
    inputs = op.inputs(9)
    shared = {n: x[:, :1] for n, x in inputs.items()}
    expanded = {n: x.expand(2, 3, *x.shape[2:]) for n, x in shared.items()}
    copies = {n: x.contiguous() for n, x in expanded.items()}
    got, wanted = op.call(expanded, backend=backend), op.call(copies, backend=backend)
    for one, other in zip(got, wanted, strict=True):
        same(one, other)
    found, known = gradients(got, inputs), gradients(wanted, inputs)
    for key in inputs:
        same(found[key], known[key])


@every_backend
@pytest.mark.parametrize("at", [2, 20, 40])
@causal_op
def test_nan_stays_behind_its_token(name, at, backend):
    op = CAUSAL[name]
    inputs = {n: x.detach() for n, x in op.inputs(43).items()}
    wanted, _ = op.call(inputs, backend=backend)
    for key in inputs:
        if op.time(key) is None or key in ("g", "dt", "delta"):  # those are refused
            continue
        broken = {**inputs, key: inputs[key].clone()}
        broken[key].select(op.time(key), at).fill_(float("nan"))
        got, _ = op.call(broken, backend=backend)
        before = got.narrow(op.out_time, 0, at), wanted.narrow(op.out_time, 0, at)
        same(*before)
        assert not torch.isfinite(got.select(op.out_time, at)).any(), key


@every_backend
@pytest.mark.parametrize("strength", [30.0, 1e3, float("inf")])
@pytest.mark.parametrize("name", ["gla", "gla_bidirectional", "simple_gla"])
def test_gates_of_any_strength_stay_finite(name, strength, backend):
    op = OPS[name]
    inputs = {n: x.float() for n, x in op.inputs(40).items()}
    for n in inputs:
        x = inputs[n].detach()
        if n in ("g", "gf", "gb"):
            x = torch.where(x < -0.5, torch.full_like(x, -strength), x)
        inputs[n] = x.requires_grad_()
    exact = {n: x.detach().double().requires_grad_() for n, x in inputs.items()}
    got, wanted = op.call(inputs, backend=backend), op.call(exact, backend="ref")
    same(got[0].double(), wanted[0], 2e-5)
    found, known = gradients([got[0].double()], inputs), gradients([wanted[0]], exact)
    for key in inputs:
        assert torch.isfinite(found[key]).all()
        same(found[key].double(), known[key], 2e-4)


@every_backend
@every_op
def test_half_precision_keeps_its_state_in_float32(name, backend):
    op = OPS[name]
    inputs = op.inputs(40, torch.bfloat16)
    exact = {n: x.detach().float() for n, x in inputs.items()}
    wanted = op.call(exact, backend="ref")
    with torch.autocast("cpu", torch.bfloat16):
        got = op.call(inputs, backend=backend)
    assert got[0].dtype == torch.bfloat16
    torch.testing.assert_close(got[0].float(), wanted[0], rtol=2e-2, atol=2e-2)
    if op.state:
        kept = torch.bfloat16 if name == "causal_conv1d" else torch.float32  # a copy of inputs
        assert got[1].dtype == kept
        torch.testing.assert_close(got[1].float(), wanted[1], rtol=1e-5, atol=1e-5)
    found = gradients(got, inputs)
    assert all(found[n].dtype == torch.bfloat16 for n in inputs)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@every_op
def test_the_widest_type_is_computed_in(name, backend):
    op = OPS[name]
    inputs = op.inputs(40, state=bool(op.state))
    for short in inputs:
        mixed = {
            n: (x.detach().float() if n == short else x.detach()).requires_grad_()
            for n, x in inputs.items()
        }
        wanted, got = (op.call(mixed, backend=b) for b in ("ref", backend))
        found, known = gradients(got, mixed), gradients(wanted, mixed)
        for one, other in zip(got, wanted, strict=True):
            same(one, other, 1e-10 if one.dtype == torch.float64 else 1e-6)
        if op.state and name != "causal_conv1d":
            assert got[1].dtype == torch.float64, short
        for key in mixed:
            near = 1e-9 if found[key].dtype == torch.float64 else 1e-5
            same(found[key], known[key], near)


@every_op
def test_threads_change_no_bit(name, monkeypatch):
    op = OPS[name]
    monkeypatch.setattr(heads, "LEAST_WORK", 1)
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(heads.torch, "get_num_threads", lambda n=threads: n)
        inputs = op.inputs(70, state=bool(op.state))
        out = op.call(inputs, backend="numba")
        results.append([*out, *gradients(out, inputs).values()])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.equal(a, b)


def _fork_child(queue):
    op = OPS["gla"]
    queue.put([x.detach().numpy() for x in op.call(op.inputs(70), backend="numba")])


def test_a_forked_child_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(heads, "LEAST_WORK", 1)
    monkeypatch.setattr(heads.torch, "get_num_threads", lambda: 2)
    op = OPS["gla"]
    wanted = op.call(op.inputs(70), backend="numba")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fork_child, args=(queue,))
    child.start()
    got = queue.get(timeout=60)
    child.join(timeout=60)
    assert child.exitcode == 0
    for one, other in zip(got, wanted, strict=True):
        assert torch.equal(torch.from_numpy(one), other.detach())


@settings(max_examples=15)
@given(
    tokens=st.integers(0, 40),
    keys=st.integers(1, 20),
    values=st.integers(1, 20),
    factor=st.floats(-3, 3),
    seed=st.integers(0, 1000),
    backend=st.sampled_from(("torch", "numba")),
)
def test_outputs_are_linear_in_values_and_state(tokens, keys, values, factor, seed, backend):
    torch.manual_seed(seed)
    q, k = torch.randn(2, 1, 2, tokens, keys, dtype=torch.float64)
    g = -torch.rand(1, 2, tokens, keys, dtype=torch.float64) * 5
    v, w = torch.randn(2, 1, 2, tokens, values, dtype=torch.float64)
    s, r = torch.randn(2, 1, 2, keys, values, dtype=torch.float64)
    whole = gla(q, k, v + factor * w, g, state=s + factor * r, backend=backend)
    one = gla(q, k, v, g, state=s, backend=backend)
    other = gla(q, k, w, g, state=r, backend=backend)
    for a, b, c in zip(whole, one, other, strict=True):
        torch.testing.assert_close(a, b + factor * c, rtol=1e-10, atol=1e-10)
