"""From a distribution over the vocabulary to what is driven.

The paper takes the most probable entry or draws one: the largest logit after Gumbel noise is such a
draw. A small vocabulary is coarse, though: what is nearest to the recorded drive may lie half a
metre off. So there is also the mean of the most probable entry and its neighbours by their
probabilities: between entries, and still one way of driving, as other ways are out of reach.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

REACH = 4.0  # mean distance [m] up to which entries are neighbours: about a car's length


def neighbours_mean(
    scores: Float[Tensor, "b m"],
    vocabulary: Float[Tensor, "m t 3"] | Float[Tensor, "b m t 3"],
    reach: float = REACH,
) -> Float[Tensor, "b t 3"]:
    """The mean by probability of each row's most probable entry and of those near it.

    Args:
        scores: logits.
        vocabulary: x, y [m], heading [rad]; of all rows, or of each its own.
        reach: mean distance over the poses up to which an entry is near [m].
    """
    likeliest, shared = scores.argmax(-1), vocabulary.ndim == 3
    rows = torch.arange(len(scores), device=scores.device)
    best = vocabulary[likeliest] if shared else vocabulary[rows, likeliest]
    apart = vocabulary[..., :2] - best[:, None, :, :2]
    away = torch.linalg.vector_norm(apart, dim=-1).mean(-1) > reach
    shares = scores.masked_fill(away, -torch.inf).softmax(-1)
    headings = vocabulary[..., 2]
    parts = torch.stack([*vocabulary[..., :2].unbind(-1), headings.cos(), headings.sin()], -1)
    sums = "bm,mtc->btc" if shared else "bm,bmtc->btc"
    x, y, cos, sin = torch.einsum(sums, shares, parts).unbind(-1)
    return torch.stack([x, y, torch.atan2(sin, cos)], -1)


def shifted_by(
    plans: Float[Tensor, "b t 3"] | Float[Tensor, "b k t 3"], shift: Float[Tensor, "b t 3"] | None
) -> Float[Tensor, "b t 3"] | Float[Tensor, "b k t 3"]:
    """Plans of each row moved alike, headings within [-pi, pi]; as they are without a shift."""
    if shift is None:
        return plans
    moved = plans + (shift if plans.ndim == 3 else shift[:, None])
    headings = moved[..., 2]
    return torch.cat([moved[..., :2], torch.atan2(headings.sin(), headings.cos())[..., None]], -1)


def choice_noise(
    rows: int, vocabulary: Float[Tensor, "m t 3"], seed: int | None
) -> Float[Tensor, "b m"]:
    """What is added to the logits of each row before the largest is taken.

    With a seed it is the same for every scene and call: the driver keeps its temper. Without one
    it is drawn anew.
    """
    entries = len(vocabulary)
    if seed is None:
        even = torch.rand(rows, entries, device=vocabulary.device, dtype=vocabulary.dtype)
    else:
        drawn = torch.rand(1, entries, generator=torch.Generator().manual_seed(seed))
        even = drawn.to(vocabulary).expand(rows, -1)
    tiny = torch.finfo(vocabulary.dtype).tiny
    return -(-even.clamp_min(tiny).log()).clamp_min(tiny).log()
