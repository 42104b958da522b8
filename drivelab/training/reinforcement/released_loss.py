"""The loss of RAD's released script, to compare with; not for learning.

It departs from the paper: one value head; the dynamic collision also moves the steering where the
ego is turned by more than 10 degrees; the heading alone says which side all lateral terms favour;
terms count only where the ratio of probabilities is inside the clip range. The script's sums over
a batch of one are rows here.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import radians

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drivelab.training.reinforcement.auxiliary import side_gap
from drivelab.training.reinforcement.axes import Axes
from drivelab.training.reinforcement.decisions import Decisions
from drivelab.training.reinforcement.events import EventKind

_TURNED = radians(10.0)
_NOTHING = 1e-5  # advantages of no more than this favour no speed


def released_losses(
    outputs: Mapping[str, Tensor], decisions: Decisions, axes: Axes
) -> dict[str, Float[Tensor, " b"]]:
    """The parts of the script's sum, row by row, under the names of `objective.rl_losses`."""
    dynamic, static, position, heading = decisions.event_advantages.unbind(-1)
    aside, ahead = _lateral_gap(decisions, axes), _longitudinal_gap(decisions, axes)
    none = torch.zeros_like(dynamic)
    hit = (decisions.dynamic_side != 0) & (dynamic < 0)
    turned = decisions.heading_error.abs() > _TURNED
    return {
        "lateral_ppo_loss": axes.lateral.loss,
        "longitudinal_ppo_loss": axes.longitudinal.loss,
        "value_loss": 0.5
        * (outputs["longitudinal_value"] - decisions.longitudinal_return).square(),
        "dynamic_aux_loss": torch.where(hit, dynamic * ahead, none)
        + torch.where(hit & turned, dynamic * aside, none),
        "static_aux_loss": torch.where(static < 0, static * aside, none),
        "position_aux_loss": position * aside,
        "heading_aux_loss": heading * aside,
    }


def _lateral_gap(decisions: Decisions, axes: Axes) -> Float[Tensor, " b"]:
    """Probability of the bins that correct the heading, less that of the others."""
    choice = decisions.choice
    side = torch.where(decisions.heading_error < 0, -1.0, 1.0)
    gap = side * side_gap(axes.lateral_probs, choice.lateral)
    standing = choice.longitudinal == 0
    return axes.lateral.inside * torch.where(
        standing, _taken(axes.lateral_probs, choice.lateral), gap
    )


def _longitudinal_gap(decisions: Decisions, axes: Axes) -> Float[Tensor, " b"]:
    """Probability of the bins that avoid the collision, less that of the others."""
    taken, events = decisions.choice.longitudinal, decisions.event_advantages
    gap = decisions.dynamic_side * side_gap(axes.longitudinal_probs, taken)
    blamed = (events[:, EventKind.DYNAMIC] + events[:, EventKind.STATIC]).abs() > _NOTHING
    return axes.longitudinal.inside * torch.where(
        blamed, gap, _taken(axes.longitudinal_probs, taken)
    )


def _taken(probabilities: Float[Tensor, "b n"], bins: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    return probabilities.gather(-1, bins[:, None])[:, 0]
