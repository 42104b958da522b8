"""RAD's auxiliary objective: probability moved to the safe side (arXiv 2502.13144v2, A.4).

The paper prints four formulas of one shape, to be minimised: A f (P_below - P_above), where below
and above are the bins less and greater than the one driven: to its right and left, or slower and
faster. With a negative advantage A and f = +1 probability moves below. So f is +1 for an obstacle
or a path error on the left (steer right) and for a road user hit ahead (slow down), -1 for the
other side. The paper prints the opposite f for the heading; its text and its code mean this one.

Actions that are no row of bins, as the entries of a vocabulary, bring an order of their own.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def side_gap(
    probabilities: Float[Tensor, "b n"],
    taken: Int[Tensor, " b"],
    order: Float[Tensor, "b n"] | None = None,
) -> Float[Tensor, " b"]:
    """P_below - P_above: what the actions below the taken one have more than those above it.

    Args:
        probabilities: of the actions.
        taken: which were driven.
        order: of which two the greater one is above; None: their numbers.
    """
    if order is None:
        bins = torch.arange(probabilities.shape[-1], device=probabilities.device)
        direction = torch.sign(taken[:, None] - bins)
    else:
        direction = torch.sign(order.gather(-1, taken[:, None]) - order)
    return (probabilities * direction).sum(-1)


def side_loss(
    probabilities: Float[Tensor, "b n"],
    taken: Int[Tensor, " b"],
    *,
    advantage: Float[Tensor, " b"],
    side: Float[Tensor, " b"],
    order: Float[Tensor, "b n"] | None = None,
) -> Float[Tensor, " b"]:
    """To be minimised; 0 where there is no side to favour.

    Args:
        probabilities: of the bins of one axis.
        taken: bins that were driven.
        advantage: share of one kind of event. Where it is positive, things came out better than
            thought, which says nothing about sides: it counts as 0.
        side: the paper's f, +1, -1, or 0 for none.
        order: see `side_gap`.
    """
    return advantage.clamp(max=0.0) * side * side_gap(probabilities, taken, order)
