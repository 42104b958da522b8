"""Winograd's convolution is torch's, up to rounding, wherever the fast networks use it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.transfuser.folded import FoldedConvolution
from drivelab.agents.transfuser.packed_linear import PackedLinear, pack_linears
from drivelab.agents.transfuser.winograd import WinogradConvolution, can_be, worthwhile

pytestmark = pytest.mark.skipif(not can_be(), reason="made for x86 processors with AVX2")


def layer(given: int, taken: int, seed: int = 0) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(given, taken, 3, padding=1).requires_grad_(False)


def wide(plain: nn.Conv2d, x: Tensor, beside: Tensor | None = None, *, relu: bool = True) -> Tensor:
    """The definition, in float64."""
    total = F.conv2d(x.double(), plain.weight.double(), plain.bias.double(), padding=1)
    total = total if beside is None else total + beside.double()
    return F.relu(total) if relu else total


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 23),
    width=st.integers(1, 50),
    batch=st.integers(1, 3),
    channels=st.sampled_from([(64, 64), (64, 128), (128, 64), (192, 64)]),
    beside=st.booleans(),
    relu=st.booleans(),
    seed=st.integers(0, 99),
)
def test_it_is_a_convolution_of_any_size(
    height: int, width: int, batch: int, channels: tuple[int, int], beside: bool, relu: bool,
    seed: int,
) -> None:  # fmt: skip
    plain = layer(*channels, seed)
    x = torch.randn(batch, channels[0], height, width)
    other = torch.randn(batch, channels[1], height, width) if beside else None
    found = WinogradConvolution(plain.weight, plain.bias)(x, other, relu=relu)
    assert found.is_contiguous(memory_format=torch.channels_last)
    close = {"rtol": 0, "atol": 1e-5}
    torch.testing.assert_close(found.double(), wide(plain, x, other, relu=relu), **close)


@pytest.mark.parametrize("size", [(48, 48), (12, 24)])
def test_rounding_stays_within_ten_times_that_of_onednn(
    size: tuple[int, int],
) -> None:
    plain = layer(128, 128)
    x = torch.randn(1, 128, *size).relu()
    exact = wide(plain, x, relu=False)
    found = WinogradConvolution(plain.weight, plain.bias)(x, relu=False)
    rounding = (plain(x) - exact).square().mean().sqrt()
    error = (found - exact).square().mean().sqrt()
    # Seven times it; with points 0, +-1, +-2 it would be seventeen times.
    assert float(error / rounding) < 10


@pytest.mark.parametrize("size", [(64, 64), (16, 16)])
def test_parts_of_the_work_do_not_depend_on_who_does_them(size: tuple[int, int]) -> None:
    plain, x = layer(64, 128), torch.randn(1, 64, *size)
    fast = WinogradConvolution(plain.weight, plain.bias)
    with threads(1):
        alone = fast(x)
    with threads(2):
        together = fast(x)
    with ThreadPoolExecutor(3) as pool:
        beside_others = list(pool.map(fast, [x, x + 1, x, x + 2, x]))[::2]
    assert all(torch.equal(alone, other) for other in (together, *beside_others))


def test_what_is_no_number_reaches_only_the_tiles_that_see_it() -> None:
    plain, x = layer(64, 64), torch.zeros(1, 64, 40, 40)
    x[0, 3, 21, 21] = torch.nan
    found = WinogradConvolution(plain.weight, plain.bias)(x)
    assert found[..., 20:23, 20:23].isnan().all()
    assert not found[..., :16, :].isnan().any()
    assert not found[..., 28:, :].isnan().any()


def test_it_is_used_for_large_maps_of_many_channels_alone() -> None:
    assert worthwhile(layer(64, 128), 16, 16)
    assert not worthwhile(layer(64, 128), 8, 8)
    assert not worthwhile(layer(64, 96), 16, 16)
    assert not worthwhile(layer(32, 64), 16, 16)
    assert not worthwhile(nn.Conv2d(64, 64, 3), 16, 16)
    assert not worthwhile(nn.Conv2d(64, 64, 3, stride=2, padding=1), 16, 16)
    assert not worthwhile(nn.Conv2d(64, 64, 1), 16, 16)


@pytest.mark.parametrize("channels", [1, 17, 63, 64, 65])
@pytest.mark.parametrize("packed", [True, False])
def test_a_folded_convolution_is_the_same_with_any_channels(channels: int, packed: bool) -> None:
    plain, norm = layer(channels, channels), nn.BatchNorm2d(channels)
    norm(torch.randn(8, channels, 3, 3) * 2 + 1)  # statistics that are not 0 and 1
    norm.eval()
    x, beside = torch.randn(2, 2, channels, 16, 19)
    fast = FoldedConvolution(plain.eval(), norm, packed=packed)
    with torch.inference_mode():
        found = fast(x.contiguous(memory_format=torch.channels_last), beside)
        exact = F.relu(norm(plain(x)) + beside)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-5)
    assert (fast._winograd is not None) == (packed and channels == 64)


def test_neither_half_precision_nor_float64_see_it() -> None:
    fast = FoldedConvolution(layer(64, 64).eval(), None, packed=True)
    x = torch.randn(1, 64, 16, 16)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        fast(x)
    with torch.inference_mode():
        fast.double()(x.double())
    assert fast._winograd is None


def test_what_it_cannot_take_is_told() -> None:
    with pytest.raises(ValueError, match="multiples of 64 channels"):
        WinogradConvolution(torch.zeros(64, 32, 3, 3), torch.zeros(64))
    plain = layer(64, 64)
    fast = WinogradConvolution(plain.weight, plain.bias)
    with pytest.raises(ValueError, match=r"torch.float64 on cpu: expected 64 channels"):
        fast(torch.zeros(1, 64, 8, 8, dtype=torch.float64))
    with pytest.raises(ValueError, match="beside a result of shape"):
        fast(torch.zeros(1, 64, 8, 8), torch.zeros(1, 64, 8, 9))


def test_packed_linears_are_linears() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 8)).requires_grad_(False)
    packed = copy.deepcopy(plain)
    pack_linears(packed)
    assert [type(part) for part in packed] == [PackedLinear, nn.ReLU, nn.Linear]
    x = torch.randn(2, 5, 256)
    torch.testing.assert_close(packed(x), plain(x), rtol=0, atol=1e-5)
    torch.testing.assert_close(packed.double()(x.double()), plain.double()(x.double()))
