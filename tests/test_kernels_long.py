"""Gradients over thousands of tokens: rounding must not gather along the sequence."""

import pytest

torch = pytest.importorskip("torch")

from drivelab import kernels  # noqa: E402

pytestmark = [pytest.mark.nn, pytest.mark.slow]  # mostly compiling kernels of these sizes
TOKENS = (4096, 4100)  # with and without a short first span


def _gradients(op, inputs, weight, dtype):
    given = [x.to(dtype).requires_grad_() for x in inputs]
    out = op(*given, backend="numba")[0]
    return torch.autograd.grad((out * weight.to(dtype)).sum(), given)


def _error(op, inputs, weight):
    pairs = zip(
        _gradients(op, inputs, weight, torch.float32),
        _gradients(op, inputs, weight, torch.float64),
        strict=True,
    )
    return max(float((a.double() - b).norm() / b.norm()) for a, b in pairs)


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("keys", [16, 5])
def test_vector_gates_keep_single_precision(tokens, keys):
    draw = torch.Generator().manual_seed(0)
    q, k, v, g, w = (torch.randn(1, 2, tokens, keys, generator=draw) for _ in range(5))
    gates = torch.nn.functional.logsigmoid(g + 3) / 16
    assert _error(kernels.gla, (q, k, v, gates), w) < 1.2e-6  # one running sum: 2e-6 and growing


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("seed", [0, 1])
def test_rates_of_a_state_space_keep_single_precision(tokens, seed):
    draw = torch.Generator().manual_seed(seed)
    x, w = (torch.randn(1, tokens, 4, 64, generator=draw) for _ in range(2))
    b, c = (torch.randn(1, tokens, 1, 64, generator=draw) for _ in range(2))
    dt = torch.nn.functional.softplus(torch.randn(1, tokens, 4, generator=draw) - 4)
    rates = -0.5 - torch.rand(4, generator=draw)
    assert _error(kernels.ssd, (x, dt, rates, b, c), w) < 8e-6  # one running sum: 1e-5 to 1e-3
