"""Losses of the diffusion head: which mode is the right one, and how far it is off."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

GAMMA, ALPHA = 2.0, 0.25  # of the focal loss (arXiv 1708.02002)


def nearest_anchor(
    anchors: Float[Tensor, "m t 2"], target: Float[Tensor, "b t 3"]
) -> Int[Tensor, " b"]:
    """The clean anchor with the least mean distance [m] to each target."""
    apart = torch.linalg.vector_norm(target[:, None, :, :2] - anchors, dim=-1)
    return apart.mean(-1).argmin(-1)


def focal_loss(scores: Float[Tensor, "b m"], positive: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """Sigmoid focal loss (arXiv 1708.02002, equation 5), mean over all modes of the batch."""
    truth = F.one_hot(positive, scores.shape[-1]).to(scores.dtype)
    entropy = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    share = scores.sigmoid()
    missed = truth * (1 - share) + (1 - truth) * share
    balance = truth * ALPHA + (1 - truth) * (1 - ALPHA)
    return (balance * missed**GAMMA * entropy).mean()


def mode_loss(
    poses: Float[Tensor, "b m t 3"],
    scores: Float[Tensor, "b m"],
    target: Float[Tensor, "b t 3"],
    positive: Int[Tensor, " b"],
    *,
    class_weight: float = 10.0,
    box_weight: float = 8.0,
) -> Float[Tensor, ""]:
    """Focal loss of the scores and mean distance of the positive mode (arXiv 2411.15139, eq. 6).

    The distance counts x, y [m] and heading [rad] alike, headings not wrapped.
    """
    best = pick(poses, positive)
    return class_weight * focal_loss(scores, positive) + box_weight * F.l1_loss(best, target)


def pick(poses: Float[Tensor, "b m t 3"], modes: Int[Tensor, " b"]) -> Float[Tensor, "b t 3"]:
    """One mode of each row."""
    return poses[torch.arange(len(poses), device=poses.device), modes]
