"""Losses of road users whose best assignment to the true boxes is not the only one.

Thirty guesses of a network with random weights lie nearly on one spot. Whole families of
assignments then cost the same within the rounding of float32, but differ in the lengths, widths
and headings that the cost leaves out and the loss compares: by 0.2 % of it. Which of them is
found is up to the last bits of a processor, so the published one is looked for among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drivelab.agents.transfuser import losses, policy

ROUNDING = 1e-5  # of costs of some hundred, in float32
DRAWS = 2000


def assigned_as_published(
    monkeypatch: pytest.MonkeyPatch,
    loss: Callable[[], Mapping[str, Tensor]],
    wanted: np.ndarray,
    *,
    rtol: float = 1e-4,
) -> Tensor:
    """The sum of losses, under that best assignment for which it is `wanted`, if there is one.

    Args:
        loss: gives the sum and its parts as `TransfuserNetwork.loss`; called twice.
    """
    asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def heard(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        asked.append((args, options))
        return losses.agent_loss(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(policy, "agent_loss", heard)
        told = loss()
    args, options = asked[0]
    others = float((told["loss"] - told["agent_box_loss"]).detach())
    weight = float((told["agent_box_loss"] / losses.agent_loss(*args, **options)[1]).detach())
    plain, generator = losses.match, torch.Generator().manual_seed(0)
    for draw in range(DRAWS):
        chosen = plain(_shaken(losses.matching_cost(*args, **options), draw, generator))
        monkeypatch.setattr(losses, "match", lambda cost, chosen=chosen: chosen)
        distance = float(losses.agent_loss(*args, **options)[1].detach())
        if abs(others + weight * distance - float(wanted)) <= 0.5 * rtol * float(wanted):
            return loss()["loss"]
    monkeypatch.setattr(losses, "match", plain)
    return told["loss"]


def _shaken(cost: Tensor, draw: int, generator: torch.Generator) -> Tensor:
    """The costs, but for the first draw off by about their rounding."""
    return cost.detach() + min(draw, 1) * ROUNDING * torch.randn(cost.shape, generator=generator)
