"""Both axes of decisions as the network sees them now: probabilities and clipped objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.agents.rad.actions import log_probs
from drivelab.errors import DataError
from drivelab.training.reinforcement.decisions import Decisions
from drivelab.training.reinforcement.ppo import Surrogate, clipped_surrogate, kl_estimate


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """What a network thinks now of decisions made by an older one.

    Attributes:
        lateral_probs, longitudinal_probs: of all bins; masked ones have none.
        lateral_log_prob, longitudinal_log_prob: of the bins that were taken.
        lateral, longitudinal: their clipped objectives.
    """

    lateral_probs: Float[Tensor, "b n"]
    longitudinal_probs: Float[Tensor, "b m"]
    lateral_log_prob: Float[Tensor, " b"]
    longitudinal_log_prob: Float[Tensor, " b"]
    lateral: Surrogate
    longitudinal: Surrogate

    def watched(self, decisions: Decisions) -> dict[str, Float[Tensor, " b"]]:
        """How far the policy has gone from the one that drove; without gradient."""
        old = decisions.choice
        with torch.no_grad():
            return {
                "lateral_kl": kl_estimate(self.lateral_log_prob, old.lateral_log_prob),
                "longitudinal_kl": kl_estimate(
                    self.longitudinal_log_prob, old.longitudinal_log_prob
                ),
                "lateral_clipped": (~self.lateral.inside).float(),
                "longitudinal_clipped": (~self.longitudinal.inside).float(),
            }


def judge_axes(
    outputs: Mapping[str, Tensor],
    decisions: Decisions,
    valid: Bool[Tensor, "m n"] | None,
    *,
    lateral_clip: float,
    longitudinal_clip: float,
) -> Axes:
    """Look at decisions again.

    Args:
        outputs: logits of a network for the states of the decisions.
        decisions: of the policy that drove.
        valid: the mask that it drove with, [longitudinal, lateral]; None: none.
        lateral_clip: how far the ratio of probabilities may go from 1.
        longitudinal_clip: likewise.

    Raises:
        DataError: outputs or masks that cannot be used, or a masked action among those driven.
    """
    choice = decisions.choice
    lateral, longitudinal = log_probs(outputs, choice.longitudinal, valid)
    aside = lateral.gather(-1, choice.lateral[:, None])[:, 0]
    ahead = longitudinal.gather(-1, choice.longitudinal[:, None])[:, 0]
    _check_driven(aside, decisions)
    return Axes(
        lateral.exp(),
        longitudinal.exp(),
        aside,
        ahead,
        clipped_surrogate(
            aside, choice.lateral_log_prob, decisions.lateral_advantage, clip=lateral_clip
        ),
        clipped_surrogate(
            ahead, choice.longitudinal_log_prob, decisions.longitudinal_advantage,
            clip=longitudinal_clip,
        ),
    )  # fmt: skip


def _check_driven(log_prob: Float[Tensor, " b"], decisions: Decisions) -> None:
    masked = (torch.isinf(log_prob) & ~decisions.over).nonzero()
    if len(masked):
        row, choice = int(masked[0]), decisions.choice
        raise DataError(
            f"the lateral bin {int(choice.lateral[row])} is masked at the longitudinal bin "
            f"{int(choice.longitudinal[row])}; learn with the mask that was driven with",
            where=f"decisions, row {row}",
        )
