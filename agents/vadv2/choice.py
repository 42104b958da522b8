"""Drawing an entry by its probability: the largest logit after Gumbel noise is such a draw."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


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
