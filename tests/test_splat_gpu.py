"""gsplat's CUDA kernels on the golden pictures (marker `gpu`)."""

import golden_splats as golden
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gsplat")

from drivelab.kernels.splat import render

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    "name", [n for n in golden.NAMES if golden.settings_of(golden.load(n)).alpha_max == 0.999]
)
def test_golden_pictures(name):
    case = golden.load(name)
    found = render(
        golden.gaussians_of(case), golden.cameras_of(case), settings=golden.settings_of(case),
        backend="gsplat",
    )  # fmt: skip
    brightest = max(1.0, float(case["colors"].max()))
    off = np.abs(found.rgb.cpu().numpy() - case["rgb"])
    assert (off > 1e-5 * brightest).mean() <= 1e-3
    assert off.max() <= brightest / 255
