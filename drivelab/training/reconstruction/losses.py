"""How far a picture is from the one that was taken."""

from __future__ import annotations

import math
from typing import Any

import torch

from drivelab.training.reconstruction.settings import Weights

_WIDE, _SPREAD = 11, 1.5  # pixels of SSIM's window, its standard deviation
_STEADY = (0.01**2, 0.03**2)
ROUND = 10.0  # a Gaussian's longest axis may be so many times its shortest one


def ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean structural similarity of two pictures (h, w, 3) with colours 0..1.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    eq. 13, with a Gaussian window of 11 pixels and zeros beyond the edge as in arXiv 2308.04079.
    """
    a, b = (x.movedim(-1, 0) for x in (a, b))
    stacked = torch.stack([a, b, a * a, b * b, a * b])
    mean_a, mean_b, square_a, square_b, product = Blur.apply(stacked)
    spread = square_a + square_b - mean_a**2 - mean_b**2
    shared = product - mean_a * mean_b
    one, two = _STEADY
    alike = (2 * mean_a * mean_b + one) * (2 * shared + two)
    return (alike / ((mean_a**2 + mean_b**2 + one) * (spread + two))).mean()


class Blur(torch.autograd.Function):
    """Pictures (..., h, w) under the window of SSIM.

    The window is symmetric and nothing lies beyond the edge, so that the gradient is blurred, too:
    a tenth of the time that the gradient of a convolution takes on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, pictures: torch.Tensor) -> torch.Tensor:
        """Blurred pictures."""
        return _blurred(pictures)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient, blurred."""
        return _blurred(gradient)


def _blurred(pictures: torch.Tensor) -> torch.Tensor:
    weights = [math.exp(-(n**2) / (2 * _SPREAD**2)) for n in range(_WIDE // 2 + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    for axis in (-2, -1):
        blurred = pictures * (weights[0] / total)
        size = pictures.shape[axis]
        for n in range(1, min(len(weights), size)):
            weight = weights[n] / total
            for here, there in ((n, 0), (0, n)):
                moved = pictures.narrow(axis, there, size - n)
                blurred.narrow(axis, here, size - n).add_(moved, alpha=weight)
        pictures = blurred
    return pictures


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio of two pictures with colours 0..1 [dB]."""
    return -10.0 * torch.log10(((a - b) ** 2).mean())


def loss(
    seen: torch.Tensor,
    pictures: Any,
    image: torch.Tensor,
    depth: torch.Tensor | None,
    sky: torch.Tensor | None,
    weights: Weights,
) -> torch.Tensor:
    """What a step makes smaller.

    Where the sky is known nothing should cover the picture. A depth counts as much as its pixel is
    covered, which no division by a small cover disturbs.

    Args:
        seen: (h, w, 3) colours, with what shines through behind the Gaussians.
        pictures: `Pictures` of the same camera with sums of depths and covers (1, h, w).
        image: (h, w, 3) as it was taken.
        depth: (h, w) [m], 0 where none was measured; or None.
        sky: (h, w) bool; or None.
        weights: of the parts.
    """
    cover = pictures.alpha[0]
    total = (1.0 - weights.dissimilarity) * (seen - image).abs().mean()
    total = total + weights.dissimilarity * (1.0 - ssim(seen, image))
    if depth is not None and weights.depth > 0:
        known = depth > 0
        off = (pictures.depth_sum[0] - cover * depth).abs() * known
        total = total + weights.depth * off.sum() / known.sum().clamp(min=1)
    if sky is not None and weights.sky > 0:
        inside = cover.clamp(1e-6, 1.0 - 1e-6)
        total = total + weights.sky * torch.nn.functional.binary_cross_entropy(
            inside, (~sky).to(inside)
        )
    return total


def slenderness(scales: torch.Tensor) -> torch.Tensor:
    """Mean of what the ratio of the longest to the shortest axis is above 10.

    Needles show as spikes in views that no picture was taken from; PhysGaussian (arXiv 2311.12198)
    with the limit of DriveStudio.

    Args:
        scales: (n, 3) logarithms of the axes.
    """
    ratio = (scales.amax(1) - scales.amin(1)).exp()
    return (ratio - ROUND).clamp(min=0.0).mean()


def roughness(twists: torch.Tensor, threes: torch.Tensor) -> torch.Tensor:
    """Mean bend of corrections of poses along a drive: |t0 - 2 t1 + t2|, rad and m alike.

    Args:
        twists: (v, 6).
        threes: (k, 3) numbers of views that follow each other.
    """
    before, at, after = twists[threes].unbind(1)
    return (before - 2.0 * at + after).abs().mean()


def entropy(cover: torch.Tensor) -> torch.Tensor:
    """Mean entropy of covers 0..1 [nat]: 0 where each pixel is covered fully or not at all.

    Keeps road users from being half there and half in what stands behind them, as Street Gaussians
    (arXiv 2401.01339) does; without its term for what lies outside of the box.
    """
    inside = cover.clamp(1e-6, 1.0 - 1e-6)
    return -(inside * inside.log() + (1.0 - inside) * (1.0 - inside).log()).mean()
