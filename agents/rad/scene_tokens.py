"""Where an encoder ends and the planner begins: the scene as tokens (arXiv 2502.13144v2, 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SceneTokens:
    """What the planner looks at; the paper's E_scene, E_navi and E_state.

    Attributes:
        tokens: map, agent and perhaps image tokens, in any order.
        absent: tokens that stand for nothing and are not looked at; one of each row is present.
        navigation: where the route goes.
        state: how the ego moves.
    """

    tokens: Float[Tensor, "b n c"]
    absent: Bool[Tensor, "b n"]
    navigation: Float[Tensor, "b c"]
    state: Float[Tensor, "b c"]


# Features by name -> tokens of the planner's width; an `nn.Module`, so that it is trained with it
SceneEncoder = Callable[[Mapping[str, Tensor]], SceneTokens]
