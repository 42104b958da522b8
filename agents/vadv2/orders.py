"""Entries of a vocabulary from slow to fast, and from the right to the left.

An entry has no bin of speed or of steering; these numbers tell of any two which is the faster one
and which bends more to the left, as RAD's auxiliary objectives ask.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

LEAST_WAY = 1.0  # [m]: what goes less far bends little


def progress_of(entries: Float[Tensor, "*k t 3"]) -> Float[Tensor, "*k"]:
    """How far ahead an entry is on average over its poses [m]."""
    return entries[..., 0].mean(-1)


def bend_of(entries: Float[Tensor, "*k t 3"]) -> Float[Tensor, "*k"]:
    """Curvature of the arc from the ego through an entry's last pose [1/m], positive to the left.

    Unlike how far aside it ends, this does not depend on how fast an entry follows a curve.
    """
    x, y = entries[..., -1, 0], entries[..., -1, 1]
    return 2.0 * y / torch.hypot(x, y).clamp_min(LEAST_WAY).square()
