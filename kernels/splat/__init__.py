"""Gaussian splatting: pictures, depths and covers of a scene of Gaussians.

`render` is the door; `Gaussians`, `Cameras` and `Settings` are what it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from drivelab.kernels.splat.scene import Cameras, Gaussians, check_values
from drivelab.kernels.splat.settings import Settings

__all__ = ["Cameras", "Gaussians", "Pictures", "Settings", "render"]
BACKENDS = {  # name -> module with its `render`
    "ref": "drivelab.kernels.splat.ref",
    "numba": "drivelab.kernels.splat.compiled",
}


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What cameras see.

    Attributes:
        rgb: (c, h, w, 3) colours, 0 and up; the background shines through.
        depth_sum: (c, h, w) depths weighted by what covers the pixel [m].
        alpha: (c, h, w) how much of a pixel is covered, 0..1.
    """

    rgb: Any
    depth_sum: Any
    alpha: Any

    @property
    def depth(self) -> Any:
        """(c, h, w) expected depth [m]; 0 where nothing covers the pixel."""
        return self.depth_sum / self.alpha.clip(1e-10)


def render(
    gaussians: Gaussians,
    cameras: Cameras,
    *,
    settings: Settings | None = None,
    backend: str = "auto",
) -> Pictures:
    """Draw Gaussians for some cameras.

    Args:
        gaussians: the scene.
        cameras: views of one size.
        settings: how; by default as gsplat 1.5.3 does.
        backend: "numba" (float32 by compiled code, forward only) or "ref" (float64 by torch,
            differentiable in whatever tensors it is given, extra `nn`); "auto" takes the first,
            or the second where a gradient is asked for.

    Raises:
        ValueError: no such backend, one that has no gradient where one is asked for, or numbers
            that no picture can be made of.
        ImportError: the backend needs a package that is not installed.
    """
    asked = _asks_for_gradients(gaussians, cameras)
    name = ("ref" if asked else "numba") if backend == "auto" else backend
    if asked and name == "numba":
        raise ValueError("render: backend='numba' has no gradients; use backend='ref' or auto")
    if name not in BACKENDS:
        raise ValueError(f"render: backend={backend!r}; expected auto, {', '.join(BACKENDS)}")
    check_values(gaussians, cameras)
    return Pictures(*_backend(name)(gaussians, cameras, settings or Settings()))


def _asks_for_gradients(gaussians: Gaussians, cameras: Cameras) -> bool:
    fields = (
        gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh,
        cameras.views, cameras.intrinsics,
    )  # fmt: skip
    return any(getattr(field, "requires_grad", False) for field in fields)


def _backend(name: str) -> Callable[[Gaussians, Cameras, Settings], tuple[Any, Any, Any]]:
    if name == "ref" and find_spec("torch") is None:
        raise ImportError(
            "render: backend='ref' needs the package 'torch', which is not installed: "
            "pip install 'drivelab[nn]'",
            name="torch",
        )
    found: Callable[[Gaussians, Cameras, Settings], tuple[Any, Any, Any]]
    found = import_module(BACKENDS[name]).render
    return found
