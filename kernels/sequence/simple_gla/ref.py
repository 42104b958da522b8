"""The recurrence with one gate a head as it is defined: one token after the other."""

from __future__ import annotations

from torch import Tensor

from drivelab.kernels.sequence.gla import ref


def forward(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, state: Tensor, scale: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    """GLA whose gates are equal in all channels; queries and keys serve groups of heads."""
    shared = v.shape[1] // q.shape[1]
    q, k = (x.repeat_interleave(shared, 1) for x in (q, k))
    return ref.forward(q, k, v, g.expand_as(k), state, scale, reverse)
