"""What reinforcement learning minimises (arXiv 2502.13144v2, section 3.4 and appendix A.4).

loss = -J_ppo(lateral) - J_ppo(longitudinal) + sum of auxiliary objectives + losses of both values.
The paper maximises J and minimises the rest in one equation; here everything is to be minimised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.errors import ConfigError, DataError
from drivelab.training.reinforcement.auxiliary import side_loss
from drivelab.training.reinforcement.axes import Axes, judge_axes
from drivelab.training.reinforcement.compat import is_released
from drivelab.training.reinforcement.decisions import Decisions
from drivelab.training.reinforcement.events import KINDS, EventKind
from drivelab.training.reinforcement.released_loss import released_losses


@dataclass(frozen=True, slots=True)
class RlObjective:
    """Weights and clip ranges; the paper gives the ranges, its code the weights.

    Attributes:
        lateral_clip, longitudinal_clip: how far a ratio of probabilities may go from 1.
        ppo: weight of both axes.
        value: weight of both value heads.
        auxiliary: weights by `EventKind`: dynamic, static, position, heading.
        rewards: weights by `EventKind` of the -1 that an event brings; one of weight 0 still ends
            the clip.
        joint: whether the longitudinal axis answers for all events, as that of a vocabulary does.
            Auxiliary objectives then ask the network for `progress` and `bend` of its actions.
        gae: "paper", or "released": the advantages alone are those of the released code.
        compat: "paper" or "released", of losses and advantages.
    """

    lateral_clip: float = 0.1
    longitudinal_clip: float = 0.2
    ppo: float = 1.0
    value: float = 1.0
    auxiliary: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    rewards: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    joint: bool = False
    gae: str = "paper"
    compat: str = "paper"

    def __post_init__(self) -> None:
        is_released(self.compat)
        is_released(self.gae, option="gae")
        for name in ("auxiliary", "rewards"):
            if len(getattr(self, name)) != KINDS:
                raise ConfigError(
                    f"{name}={getattr(self, name)}: expected {KINDS} weights: "
                    f"{', '.join(kind.name.lower() for kind in EventKind)}"
                )
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not isinstance(value, str) and not all(number >= 0 for number in numbers):
                raise ConfigError(f"{field.name}={value}: expected numbers from 0 on")

    @property
    def advantages(self) -> str:
        """By which formula advantages are computed, `compat` of `clip_advantages`."""
        return "released" if "released" in (self.gae, self.compat) else "paper"

    def weights(self) -> dict[str, float]:
        """Of the parts of the loss, by name."""
        return {
            "lateral_ppo_loss": self.ppo,
            "longitudinal_ppo_loss": self.ppo,
            "value_loss": self.value,
            **{f"{kind.name.lower()}_aux_loss": self.auxiliary[kind] for kind in EventKind},
        }


def rl_losses(
    outputs: Mapping[str, Tensor],
    decisions: Decisions,
    valid: Bool[Tensor, "m n"] | None,
    objective: RlObjective | None = None,
) -> dict[str, Tensor]:
    """The sum under `loss`, its weighted parts, and what to watch.

    Args:
        outputs: of a network for the states of the decisions: logits and values; of actions that
            are whole plans also `progress` and `bend`, shaped as the longitudinal logits, greater
            for those that go farther and more to the left.
        decisions: of the policy that drove.
        valid: the mask that it drove with, [longitudinal, lateral]; None: none.
        objective: weights.

    Returns:
        `loss`; `lateral_ppo_loss`, `longitudinal_ppo_loss`, `value_loss`, `dynamic_aux_loss`,
        `static_aux_loss`, `position_aux_loss`, `heading_aux_loss`; and without gradient
        `lateral_kl`, `longitudinal_kl`, `lateral_clipped`, `longitudinal_clipped` (shares).

    Raises:
        DataError: outputs or masks that cannot be used, or a masked action among those driven.
    """
    objective = objective or RlObjective()
    if objective.joint and any(objective.auxiliary) and "bend" not in outputs:
        raise DataError(
            f"no `progress` and `bend` of the actions, with auxiliary={objective.auxiliary} and "
            "joint: without an order probability cannot be moved to a side; expected zeros, or a "
            "network that tells them",
            where="outputs",
        )
    axes = judge_axes(
        outputs, decisions, valid,
        lateral_clip=objective.lateral_clip, longitudinal_clip=objective.longitudinal_clip,
    )  # fmt: skip
    formula = released_losses if is_released(objective.compat) else _paper_losses
    weights = objective.weights()
    losses = {
        name: weights[name] * decisions.mean(part)
        for name, part in formula(outputs, decisions, axes).items()
    }
    watched = {name: decisions.mean(values) for name, values in axes.watched(decisions).items()}
    return {"loss": torch.stack(list(losses.values())).sum(), **losses, **watched}


def _paper_losses(
    outputs: Mapping[str, Tensor], decisions: Decisions, axes: Axes
) -> dict[str, Float[Tensor, " b"]]:
    choice, sides = decisions.choice, decisions.sides()
    auxiliary = {}
    for kind in EventKind:
        speed, whole = kind is EventKind.DYNAMIC, "bend" in outputs
        ahead = speed or whole
        auxiliary[f"{kind.name.lower()}_aux_loss"] = side_loss(
            axes.longitudinal_probs if ahead else axes.lateral_probs,
            choice.longitudinal if ahead else choice.lateral,
            advantage=decisions.event_advantages[:, kind],
            side=sides[:, kind],
            order=outputs["progress" if speed else "bend"] if whole else None,
        )
    lateral_error = outputs["lateral_value"] - decisions.lateral_return
    longitudinal_error = outputs["longitudinal_value"] - decisions.longitudinal_return
    return {
        "lateral_ppo_loss": axes.lateral.loss,
        "longitudinal_ppo_loss": axes.longitudinal.loss,
        "value_loss": 0.5 * (lateral_error.square() + longitudinal_error.square()),
        **auxiliary,
    }
