"""The compiled renderer for tensors of torch, with gradients of its own."""

from __future__ import annotations

from typing import Any

import torch

from drivelab.kernels.splat.gradients import differentiate, draw
from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.scene import Cameras, Gaussians
from drivelab.kernels.splat.settings import Settings

FIELDS = ("means", "quats", "scales", "opacities", "sh")


def render(
    gaussians: Gaussians, cameras: Cameras, settings: Settings, modes: Modes
) -> tuple[Any, Any, Any, Any]:
    """As `ref.render`, by compiled code: float32, differentiable in all but the intrinsics.

    Raises:
        ValueError: a gradient is asked for that there is none of.
    """
    if getattr(cameras.intrinsics, "requires_grad", False):
        raise ValueError(
            "render: cameras.intrinsics asks for a gradient, which backend='numba' has not; "
            "use backend='ref', or detach them"
        )
    fields = (getattr(gaussians, name) for name in FIELDS)
    found: tuple[Any, Any, Any, Any] = Pictured.apply(
        gaussians, cameras, settings, modes, *fields, cameras.views
    )
    return found


class Pictured(torch.autograd.Function):  # type: ignore[misc] # torch is optional
    """The pictures of `drivelab.kernels.splat.gradients` as a function of tensors."""

    @staticmethod
    def forward(
        ctx: Any, gaussians: Gaussians, cameras: Cameras, settings: Settings, modes: Modes,
        *fields: Any,
    ) -> tuple[Any, Any, Any, Any]:  # fmt: skip
        """Colours, sums of depths, covers and labels."""
        ctx.drawing = drawing = draw(gaussians, cameras, settings, modes)
        arrays = drawing.rgb, drawing.depth_sum, drawing.alpha, drawing.labels
        pictures = tuple(torch.from_numpy(array) for array in arrays)
        tensors = [field if isinstance(field, torch.Tensor) else None for field in fields]
        # Both share their memory with the drawing: who changes them in between is told.
        ctx.save_for_backward(*tensors, *pictures[:3])
        ctx.mark_non_differentiable(pictures[3])
        return pictures

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *to_pictures: Any) -> tuple[Any, ...]:
        """Gradients of the Gaussians' fields and of the views."""
        given = ctx.saved_tensors
        found = differentiate(ctx.drawing, *(part.numpy() for part in to_pictures[:3]))
        if (trace := ctx.drawing.how[2].trace) is not None:
            trace.pulls, trace.drawn = map(torch.from_numpy, (found.pulls, found.drawn))
        arrays = (*(getattr(found, name) for name in FIELDS), found.views)
        gradients = (
            None if field is None else torch.from_numpy(array).to(field)
            for field, array in zip(given[:6], arrays, strict=True)
        )
        return None, None, None, None, *gradients
