"""Gaussian splatting: pictures, depths and covers of a scene of Gaussians.

`render` is the door; `Gaussians`, `Cameras` and `Settings` are what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.scene import Cameras, Gaussians, check_cameras
from drivelab.kernels.splat.settings import Settings
from drivelab.kernels.splat.trace import Trace

__all__ = ["Cameras", "Gaussians", "Pictures", "Settings", "Trace", "render"]
BACKENDS = {  # name -> module with its `render`, package and extra that it needs
    "ref": ("drivelab.kernels.splat.ref", "torch", "nn"),
    "numba": ("drivelab.kernels.splat.compiled", "", ""),
    "gsplat": ("drivelab.kernels.splat.cuda", "gsplat", "splat"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What cameras see; pictures that were not asked for are None.

    Attributes:
        rgb: (c, h, w, 3) colours, 0 and up; the background shines through.
        depth_sum: (c, h, w) depths weighted by what covers the pixel [m].
        alpha: (c, h, w) how much of a pixel is covered, 0..1; there with a depth, too.
        labels: (c, h, w) uint8 label of the Gaussian behind which no more than half of the light
            is left, 0 where more is.
    """

    rgb: Any = None
    depth_sum: Any = None
    alpha: Any = None
    labels: Any = None

    @property
    def depth(self) -> Any:
        """(c, h, w) expected depth [m]; 0 where nothing covers the pixel."""
        return self.depth_sum / self.alpha.clip(1e-10)


def render(
    gaussians: Gaussians,
    cameras: Cameras,
    *,
    modes: Sequence[str] = ("rgb", "depth", "alpha"),
    labels: Any = None,
    settings: Settings | None = None,
    backend: str = "auto",
    trace: Trace | None = None,
) -> Pictures:
    """Draw Gaussians for some cameras.

    Args:
        gaussians: the scene.
        cameras: views of one size.
        modes: which pictures: "rgb", "depth", "alpha", "labels". Without "rgb" no harmonics are
            summed up.
        labels: (n,) uint8, where labels are asked for.
        settings: how; by default as gsplat 1.5.3 does.
        backend: "numba" (float32 by compiled code; for tensors that ask for a gradient with one of
            all but the intrinsics, extra `nn`), "ref" (float64 by torch, differentiable in
            whatever tensors it is given, extra `nn`) or "gsplat" (CUDA, differentiable, extra
            `splat`); "auto" takes gsplat for tensors on a GPU, else numba, or ref where a gradient
            of the intrinsics is asked for.
        trace: what numba's and gsplat's gradients fill, if anything.

    Raises:
        ValueError: no such backend or mode, one that has no gradient where one is asked for, or
            numbers that no picture can be made of.
        MemoryError: what the pictures need is more than there is.
        ImportError: the backend needs a package that is not installed.
    """
    name = _chosen(gaussians, cameras) if backend == "auto" else backend
    if name not in BACKENDS:
        raise ValueError(f"render: backend={backend!r}; expected auto, {', '.join(BACKENDS)}")
    check_cameras(cameras)
    if trace is not None and name == "ref":
        raise ValueError("render: backend='ref' fills no trace; use numba or gsplat")
    asked = Modes.of(modes, labels, len(gaussians), trace)
    draw = _backend(name, name == "numba" and _asks_for_gradients(gaussians, cameras))
    rgb, depth, alpha, shown = draw(gaussians, cameras, settings or Settings(), asked)
    return Pictures(
        rgb if "rgb" in modes else None,
        depth if "depth" in modes else None,
        alpha if "alpha" in modes or "depth" in modes else None,
        shown if "labels" in modes else None,
    )


def _chosen(gaussians: Gaussians, cameras: Cameras) -> str:
    if getattr(gaussians.means, "is_cuda", False):
        return "gsplat"
    return "ref" if getattr(cameras.intrinsics, "requires_grad", False) else "numba"


def _asks_for_gradients(gaussians: Gaussians, cameras: Cameras) -> bool:
    fields = (
        gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh,
        cameras.views, cameras.intrinsics,
    )  # fmt: skip
    return any(getattr(field, "requires_grad", False) for field in fields)


def _backend(name: str, tensors: bool) -> Callable[..., tuple[Any, Any, Any, Any]]:
    if tensors:  # who has them has torch
        draw: Callable[..., tuple[Any, Any, Any, Any]]
        draw = import_module("drivelab.kernels.splat.tensors").render
        return draw
    module, package, extra = BACKENDS[name]
    if package and find_spec(package) is None:
        raise ImportError(
            f"render: backend={name!r} needs the package {package!r}, which is not installed: "
            f"pip install 'drivelab[{extra}]'",
            name=package,
        )
    found: Callable[..., tuple[Any, Any, Any, Any]] = import_module(module).render
    return found
