"""What the distribution over the vocabulary is taught (arXiv 2402.13243: two of its three losses).

Departs from the paper in how near misses are spared: there they are negatives of less weight, here
the taught distribution itself reaches as far as `spread`.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEVER = -1e9  # a logit of what is not taught at all
LEAST_SPREAD = 0.25  # [m]: less was hardly learned (1,024 entries on labmini, see the card)


def distances(
    entries: Float[Tensor, "b k t 3"], recorded: Float[Tensor, "b t 3"]
) -> Float[Tensor, "b k"]:
    """Mean over the steps [m] of how far each entry is from the recorded drive."""
    apart = entries[..., :2] - recorded[:, None, :, :2]
    return torch.linalg.vector_norm(apart, dim=-1).mean(-1)


def taught_spread(ways: float, spacing: float) -> float:
    """Over which distance [m] the taught distribution falls to 1/e.

    Args:
        ways: between neighbours of the vocabulary, but not less than `LEAST_SPREAD`; 0 stays 0.
        spacing: way from an entry to the next one [m].
    """
    return max(ways * spacing, LEAST_SPREAD) if ways else 0.0


def taught_distribution(
    apart: Float[Tensor, "b k"], conflict: Bool[Tensor, "b k"], *, spread: float
) -> Float[Tensor, "b k"]:
    """p_data: all on the entry nearest to the recorded drive, or falling off by exp(-d / spread).

    Entries that conflict get nothing, but for the nearest one.

    Args:
        apart: distance of the entries from the recorded drive [m].
        conflict: which of them hit something or leave the road.
        spread: 0, or over which distance it falls to 1/e [m].
    """
    nearest = torch.nn.functional.one_hot(apart.argmin(-1), apart.shape[-1]).bool()
    if spread == 0:
        return nearest.to(apart.dtype)
    return (-apart / spread).masked_fill(conflict & ~nearest, NEVER).softmax(-1)


def drawn_entries(
    nearest: Int[Tensor, " b"], total: int, count: int, generator: torch.Generator | None = None
) -> Int[Tensor, "b k"]:
    """Entries that teach each scene: some by equal chance, the nearest always among them.

    What the scores learn is the same as by all: shares within any such choice are those of the
    whole distribution.

    Args:
        nearest: to the recorded drives.
        total: of the vocabulary.
        count: that are drawn; all of them where there are not more.
        generator: draws; None: PyTorch's own.
    """
    if count >= total:
        return torch.arange(total, device=nearest.device).expand(len(nearest), -1)
    even = torch.ones(len(nearest), total, device=nearest.device)
    chosen = torch.multinomial(even, count, generator=generator)
    missed = ~(chosen == nearest[:, None]).any(-1)
    last = torch.where(missed, nearest, chosen[:, -1])
    return torch.cat([chosen[:, :-1], last[:, None]], -1)


def distribution_loss(
    scores: Float[Tensor, "b k"], taught: Float[Tensor, "b k"]
) -> Float[Tensor, ""]:
    """KL(p_data || p), mean over the scenes; p is the softmax of the scores."""
    told = torch.special.xlogy(taught, taught).sum(-1)
    return (told - (taught * scores.log_softmax(-1)).sum(-1)).mean()


def conflict_loss(
    scores: Float[Tensor, "b k"], conflict: Bool[Tensor, "b k"], nearest: Int[Tensor, " b"]
) -> Float[Tensor, ""]:
    """-log(1 - P(conflict)), mean over the scenes: what the conflicting entries have together.

    The nearest entry is never one of them: the driver drove it.
    """
    allowed = ~conflict
    allowed = allowed.scatter(1, nearest[:, None], True)
    free = scores.masked_fill(~allowed, NEVER)
    return (scores.logsumexp(-1) - free.logsumexp(-1)).mean()
