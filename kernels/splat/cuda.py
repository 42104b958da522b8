"""The renderer for GPUs: gsplat's CUDA kernels, differentiable (extra `splat`).

Not run by any test that goes without a GPU, but for the arguments that it hands over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.scene import COEFFICIENTS, Cameras, Gaussians
from drivelab.kernels.splat.settings import Settings
from drivelab.kernels.splat.trace import Trace

ALPHA_MAX = (0.999, 0.99)  # of gsplat up to 1.5.3, and since 1.6


def render(
    gaussians: Gaussians, cameras: Cameras, settings: Settings, modes: Modes
) -> tuple[Any, Any, Any, None]:
    """Colours (c, h, w, 3), sums of depths (c, h, w) and covers (c, h, w), float32 on the GPU.

    Raises:
        ValueError: a setting that gsplat has not, or labels are asked for.
    """
    _refuse(settings, modes)
    from gsplat import rasterization

    pictures, covers, found = rasterization(**arguments(gaussians, cameras, settings))
    if modes.trace is not None:
        opaque = _tensor(gaussians.opacities) >= settings.prune_opacity
        fill_with_gradient(modes.trace, found, opaque)
    return pictures[..., :3], pictures[..., 3], covers[..., 0], None


def fill_with_gradient(trace: Trace, found: Mapping[str, Any], kept: Any) -> None:
    """Fill a trace once the gradient comes by.

    Args:
        trace: is filled.
        found: what `gsplat.rasterization` tells besides its pictures, of packed Gaussians.
        kept: (n,) bool, those that it was given.
    """
    numbers = kept.nonzero()[:, 0][found["gaussian_ids"].long()]
    half = 0.5 * found["means2d"].new_tensor([found["width"], found["height"]])
    ones = torch.ones_like(numbers, dtype=torch.int32)
    trace.drawn = torch.zeros_like(kept, dtype=torch.int32).index_add(0, numbers, ones)

    def fill(gradient: Any) -> None:
        pulls = (gradient * half).norm(dim=-1)
        trace.pulls = torch.zeros_like(kept, dtype=pulls.dtype).index_add(0, numbers, pulls)

    if found["means2d"].requires_grad:
        found["means2d"].register_hook(fill)


def arguments(gaussians: Gaussians, cameras: Cameras, settings: Settings) -> dict[str, Any]:
    """What `gsplat.rasterization` is asked: colours and sums of depths."""
    means = _tensor(gaussians.means)
    fields = {
        "means": means,
        "quats": _tensor(gaussians.quats),
        "scales": _tensor(gaussians.scales),
        "opacities": _tensor(gaussians.opacities),
        "colors": _tensor(gaussians.sh),
    }
    if settings.prune_opacity > 0:
        kept = fields["opacities"] >= settings.prune_opacity
        fields = {name: field[kept] for name, field in fields.items()}
    degree = COEFFICIENTS[int(gaussians.sh.shape[1])]
    degree = degree if settings.sh_degree is None else min(degree, settings.sh_degree)
    back = None
    if settings.background is not None:
        colour = means.new_tensor([*settings.background, 0.0])  # the last one is of the depth
        back = colour.expand(len(cameras), 4)
    return {
        **fields,
        "viewmats": _tensor(cameras.views),
        "Ks": _tensor(cameras.intrinsics),
        "width": cameras.width,
        "height": cameras.height,
        "near_plane": settings.near,
        "far_plane": settings.far,
        "radius_clip": settings.min_radius_px,
        "eps2d": settings.blur,
        "sh_degree": degree,
        "backgrounds": back,
        "render_mode": "RGB+D",
        "rasterize_mode": "antialiased" if settings.antialiased else "classic",
        "camera_model": cameras.model,
        "packed": True,
    }


def _refuse(settings: Settings, modes: Modes) -> None:
    if settings.convention != "gsplat":
        raise ValueError("render: backend='gsplat' has only convention='gsplat'; use numba or ref")
    if settings.alpha_max not in ALPHA_MAX:
        raise ValueError(
            f"render: alpha_max={settings.alpha_max}; backend='gsplat' has its own, one of "
            f"{ALPHA_MAX} by its version; use numba or ref"
        )
    if modes.labels is not None:
        raise ValueError("render: backend='gsplat' draws no labels; use numba or ref")


def _tensor(values: Any) -> Any:
    return torch.as_tensor(values).to("cuda" if torch.cuda.is_available() else "cpu").float()
