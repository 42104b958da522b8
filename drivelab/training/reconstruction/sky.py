"""A sky that learns: a cube of colours infinitely far away, looked up along a camera's rays.

As StreetGaussians and DriveStudio have one behind their Gaussians. The cube is that of
`drivelab.sim.splats.scene.Sky`, looked up in the same way, with the gradient of its texels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from scipy.spatial import cKDTree

from drivelab.kernels.splat import Cameras
from drivelab.sim.splats.sky import look_up, texel_directions, texel_of
from drivelab.training.reconstruction.views import Views


class Looked(torch.autograd.Function):
    """Colours of texels (6, n, n, 3) along directions (k, 3), bilinear within a face."""

    @staticmethod
    def forward(ctx: Any, faces: torch.Tensor, rays: torch.Tensor) -> torch.Tensor:
        """Colours (k, 3)."""
        colours = np.empty((len(rays), 3), np.float32)
        look_up(faces.detach().numpy(), rays.numpy(), colours)
        ctx.save_for_backward(rays)
        ctx.shape = faces.shape
        return torch.from_numpy(colours)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Gradient of the texels."""
        (rays,) = ctx.saved_tensors
        found = np.zeros(ctx.shape, np.float32)
        _scatter(gradient.contiguous().numpy(), rays.numpy(), found)
        return torch.from_numpy(found), None


def looked_up(
    faces: Float[torch.Tensor, "6 n n 3"], rays: Float[torch.Tensor, "k 3"]
) -> Float[torch.Tensor, "k 3"]:
    """As `Looked`, by operations of torch: for GPUs, which the compiled loops do not reach."""
    n = faces.shape[1]
    size, axis = rays.abs().max(1, keepdim=True)
    face = (2 * axis + (rays.gather(1, axis) <= 0))[:, 0]
    others = torch.tensor([[1, 2], [0, 2], [0, 1]], device=rays.device)[axis[:, 0]]
    at = (0.5 * (rays.gather(1, others) / size.clamp(min=1e-30) + 1.0) * n - 0.5).clamp(0, n - 1)
    first = at.long().clamp(max=n - 2)
    (u, v), (left, top) = (at - first).T[..., None], first.T
    upper = faces[face, top, left] * (1 - u) + faces[face, top, left + 1] * u
    lower = faces[face, top + 1, left] * (1 - u) + faces[face, top + 1, left + 1] * u
    return upper * (1 - v) + lower * v


def sky_picture(faces: torch.Tensor, cameras: Cameras, number: int) -> torch.Tensor:
    """What a pinhole sees of a sky (6, n, n, 3): (h, w, 3)."""
    rays = torch.from_numpy(rays_of(cameras, number))
    seen: torch.Tensor
    seen = looked_up(faces, rays.to(faces)) if faces.is_cuda else Looked.apply(faces, rays)
    return seen.view(cameras.height, cameras.width, 3)


def rays_of(cameras: Cameras, number: int) -> Float[np.ndarray, "k 3"]:
    """Directions of a pinhole's pixels in the scene's frame, of any length; float32."""
    lens, view = cameras.intrinsics[number], cameras.views[number]
    turn = (view.detach().cpu().numpy() if isinstance(view, torch.Tensor) else view)[:3, :3]
    x = (np.arange(cameras.width) + 0.5 - lens[0, 2]) / lens[0, 0]
    y = (np.arange(cameras.height) + 0.5 - lens[1, 2]) / lens[1, 1]
    x, y = np.meshgrid(x, y)
    rays = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3) @ turn
    return np.ascontiguousarray(rays, np.float32)


@njit(nogil=True, cache=True)
def _scatter(gradient, rays, faces):  # type: ignore[no-untyped-def]
    n = faces.shape[1]
    for i in range(len(rays)):
        if gradient[i, 0] == 0 and gradient[i, 1] == 0 and gradient[i, 2] == 0:
            continue
        face, top, left, v, u = texel_of(rays, i, n)
        for c in range(3):
            own = gradient[i, c]
            faces[face, top, left, c] += own * (1 - u) * (1 - v)
            faces[face, top, left + 1, c] += own * u * (1 - v)
            faces[face, top + 1, left, c] += own * (1 - u) * v
            faces[face, top + 1, left + 1, c] += own * u * v


def filled_sky(faces: Float[np.ndarray, "6 n n 3"], views: Views) -> Float[np.ndarray, "6 n n 3"]:
    """The sky with colours of the nearest texel that a view saw where none did, held to 0..1."""
    seen = np.zeros_like(faces)
    for number in range(len(views)):
        rays = rays_of(views.cameras, number)
        if views.sky is not None:
            rays = rays[views.sky[number].ravel()]
        _scatter(np.ones_like(rays), rays, seen)
    known = seen[..., 0] > 0
    if not known.any():
        return faces.clip(0, 1)
    away = texel_directions(faces.shape[1])
    nearest = cKDTree(away[known]).query(away)[1]
    filled: np.ndarray = faces[known][nearest].clip(0, 1)
    return filled
