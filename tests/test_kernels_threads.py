"""What several threads add up is what one does."""

from __future__ import annotations

import pytest
import torch
from sequence_ops import same

from drivelab.kernels.sequence.ssd import ssd

pytestmark = pytest.mark.nn


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_heads_that_share_a_group_add_up_whatever_threads_there_are(threads, count):
    torch.manual_seed(count)
    shapes = {"x": (2, 150, 12, 32), "dt": (2, 150, 12), "A": (12,), "B": (2, 150, 2, 32)}
    shapes["C"] = shapes["B"]
    given = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
    given["dt"], given["A"] = given["dt"].abs(), -given["A"].abs()
    leaves = {name: one.requires_grad_() for name, one in given.items()}
    seen = torch.randn(shapes["x"], dtype=torch.float64)
    threads(count)
    found, wanted = (
        torch.autograd.grad(ssd(**leaves, backend=backend)[0], list(leaves.values()), seen)
        for backend in ("numba", "torch")
    )
    for one, other in zip(found, wanted, strict=True):
        same(one, other, 1e-10)
