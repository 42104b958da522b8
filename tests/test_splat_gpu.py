"""gsplat's CUDA kernels on the golden pictures (marker `gpu`)."""

import golden_splats as golden
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gsplat")

from drivelab.kernels.splat import Cameras, Gaussians, render  # noqa: E402

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


@pytest.mark.parametrize("name", golden.GRADIENTS)
def test_golden_gradients(name):
    case, fields = golden.load(name), (*golden.FIELDS, "viewmats")
    cameras = golden.cameras_of(case)
    tensors = [torch.tensor(np.asarray(case[field]), device="cuda").float() for field in fields]
    *given, views = (tensor.requires_grad_() for tensor in tensors)
    seen = Cameras(views, cameras.intrinsics, cameras.width, cameras.height, cameras.model)
    found = render(Gaussians(*given), seen, settings=golden.settings_of(case), backend="gsplat")
    loss = sum(
        (getattr(found, part) * torch.tensor(case[f"w_{part}"], device="cuda")).sum()
        for part in ("rgb", "depth_sum", "alpha")
    )
    for field, gradient in zip(fields, torch.autograd.grad(loss, [*given, views]), strict=True):
        wanted = case[f"grad_{field}"]
        off = np.abs(gradient.cpu().numpy() - wanted).max(initial=0)
        assert off <= 1e-3 * np.abs(wanted).max(initial=0), field
