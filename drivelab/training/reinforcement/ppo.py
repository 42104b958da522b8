"""The clipped objective of PPO (arXiv 1707.06347, equation 7) for one axis, and what to watch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Surrogate:
    """One axis of a batch of decisions.

    Attributes:
        loss: to be minimised; the negative of the paper's objective.
        inside: the ratio of probabilities is strictly within the clip range.
    """

    loss: Float[Tensor, " b"]
    inside: Bool[Tensor, " b"]


def clipped_surrogate(
    log_prob: Float[Tensor, " b"],
    old_log_prob: Float[Tensor, " b"],
    advantage: Float[Tensor, " b"],
    *,
    clip: float,
) -> Surrogate:
    """The pessimistic one of the clipped and the plain objective, row by row.

    At the border of the range the clipped one is constant and wins the tie: with `clip=0` a policy
    equal to the old one has no gradient.
    """
    ratio = (log_prob - old_log_prob).exp()
    inside = (ratio > 1.0 - clip) & (ratio < 1.0 + clip)
    held = torch.where(inside, ratio, ratio.detach().clamp(1.0 - clip, 1.0 + clip))
    plain, clipped = advantage * ratio, advantage * held
    return Surrogate(-torch.where(plain < clipped, plain, clipped), inside)


def kl_estimate(
    log_prob: Float[Tensor, " b"], old_log_prob: Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """An estimate of KL(old || new) from each decision that the old policy drew, never negative.

    With the ratio r: r - 1 - log r, whose mean is the divergence.
    """
    difference = log_prob - old_log_prob
    return torch.expm1(difference) - difference
