"""The fast path plans what the plain one plans."""

from __future__ import annotations

import golden_models as golden
import pytest
import torch

from drivelab.agents.diffusiondrive import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.agent import FAMILY
from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention
from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.diffusiondrive.sampled_cells import BevCells, SampledAttention
from drivelab.agents.learned.checkpoint import load_network
from drivelab.agents.learned.weights import bundled_file
from drivelab.agents.transfuser import TransfuserConfig
from drivelab.agents.transfuser.fast import FastTransfuser
from drivelab.agents.transfuser.policy import TransfuserNetwork

pytestmark = pytest.mark.nn
LIMIT = {torch.float32: 1e-5, torch.float64: 1e-10}


def filled(network: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    return golden.fill(network, 0).eval().to(dtype)


def inputs(camera: tuple[int, int], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    made = golden.features(1, 2, camera)
    return {name: value.to(dtype) for name, value in made.items()}


def compare(plain: torch.nn.Module, fast: torch.nn.Module, dtype: torch.dtype) -> None:
    features = inputs(plain.config.camera, dtype)
    with torch.no_grad():
        wanted = plain(features)
    for name, value in fast(features).items():
        torch.testing.assert_close(value, wanted[name], rtol=LIMIT[dtype], atol=LIMIT[dtype])


# Twenty passes of a random network enlarge float32's rounding: vanilla is held in float64.
@pytest.mark.parametrize(
    ("diffusion", "dtype"),
    [
        ("truncated", torch.float32),
        ("truncated", torch.float64),
        ("vanilla", torch.float64),
    ],
)
def test_mini(diffusion, dtype):
    config = DiffusionDriveConfig.preset("mini", diffusion=diffusion)
    plain = filled(DiffusionDriveNetwork(config), dtype)
    compare(plain, FastDiffusionDrive(plain), dtype)


@pytest.mark.parametrize("packed", [False, True])
def test_weights_laid_out_once_or_not(packed):
    plain = filled(DiffusionDriveNetwork(DiffusionDriveConfig.preset("mini")), torch.float32)
    fast = FastDiffusionDrive(plain, packed=packed)
    compare(plain, fast, torch.float32)
    one = {name: value[:1] for name, value in inputs(plain.config.camera, torch.float32).items()}
    both = fast(inputs(plain.config.camera, torch.float32))["modes"]
    torch.testing.assert_close(fast(one)["modes"], both[:1], rtol=1e-4, atol=1e-4)


def test_the_weights_that_ship():
    plain = DiffusionDriveNetwork(DiffusionDriveConfig.preset("mini")).eval()
    load_network(plain, bundled_file(FAMILY, "mini"))
    compare(plain, FastDiffusionDrive(plain), torch.float32)


def test_mini_with_vig():
    config = DiffusionDriveConfig.preset("mini", image_encoder="vig_h")
    plain = DiffusionDriveNetwork(config).eval()
    compare(plain, FastDiffusionDrive(plain), torch.float32)


@pytest.mark.parametrize("dtype", LIMIT, ids=str)
def test_small(dtype):
    plain = filled(DiffusionDriveNetwork(DiffusionDriveConfig(**golden.SMALL)), dtype)
    compare(plain, FastDiffusionDrive(plain), dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", LIMIT, ids=str)
def test_full(dtype):
    plain = filled(DiffusionDriveNetwork(), dtype)
    compare(plain, FastDiffusionDrive(plain), dtype)


@pytest.mark.parametrize("dtype", LIMIT, ids=str)
@pytest.mark.parametrize("latent", [False, True])
def test_transfuser(latent, dtype):
    config = TransfuserConfig.preset("mini", latent=latent)
    plain = filled(TransfuserNetwork(config), dtype)
    compare(plain, FastTransfuser(plain), dtype)


def test_map_attention_at_and_beyond_the_border():
    made = torch.Generator().manual_seed(0)
    plain = GridSampleCrossBEVAttention(8, 5, 32.0).double().eval()
    torch.nn.init.normal_(plain.attention_weights.weight, generator=made)
    cells = BevCells((12, 20), 32.0)
    fast = SampledAttention(plain, cells)
    points = 20 * torch.randn(3, 4, 5, 2, generator=made, dtype=torch.float64)
    points[0, 0] = torch.tensor([[32, 32], [-32, -32], [31.9, -31.9], [1e4, 0], [0, -1e4]])
    queries = torch.randn(3, 4, 8, generator=made, dtype=torch.float64)
    bev = torch.randn(3, 8, 12, 20, generator=made, dtype=torch.float64)
    with torch.no_grad():
        frame = fast.look(cells.bordered(bev.permute(0, 2, 3, 1)))
        for there in (points, points + 1.5, points):  # cells that are known are not projected again
            torch.testing.assert_close(fast(queries, there, frame), plain(queries, there, bev))
