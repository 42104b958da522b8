"""What is kept of each decision to learn from it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.agents.rad.actions import Choice
from drivelab.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """A batch of decisions of the policy that drove, with what became of them.

    Attributes:
        choice: bins, and the logarithms of the probabilities with which they were drawn.
        lateral_advantage, longitudinal_advantage: see `ClipAdvantages`, as all of these five.
        event_advantages: by `EventKind`.
        lateral_return, longitudinal_return: of the value heads.
        dynamic_side: +1 where the road user hit at the end of the clip was ahead of the rear axle
            or beside it, -1 behind, 0 where none was hit.
        static_side: +1 where what was hit stood on the left, -1 on the right, 0 where nothing was.
        path_offset: of the ego to the left of the expert's path [m].
        heading_error: the ego's heading less the expert's, positive to the left [rad].
        over: decisions that do not count: padding, or after the end of the clip.
    """

    choice: Choice
    lateral_advantage: Float[Tensor, " b"]
    longitudinal_advantage: Float[Tensor, " b"]
    event_advantages: Float[Tensor, "b 4"]
    lateral_return: Float[Tensor, " b"]
    longitudinal_return: Float[Tensor, " b"]
    dynamic_side: Float[Tensor, " b"]
    static_side: Float[Tensor, " b"]
    path_offset: Float[Tensor, " b"]
    heading_error: Float[Tensor, " b"]
    over: Bool[Tensor, " b"]

    def __post_init__(self) -> None:
        rows = len(self.choice.lateral)
        for field in fields(self):
            if field.name == "choice":
                continue
            value = getattr(self, field.name)
            wanted = (rows, 4) if field.name == "event_advantages" else (rows,)
            if tuple(value.shape) != wanted:
                raise DataError(
                    f"shape {tuple(value.shape)}, expected {wanted}",
                    where=f"decisions.{field.name}",
                )

    def sides(self) -> Float[Tensor, "b 4"]:
        """Signs by `EventKind`: +1 ahead or left, -1 behind or right, 0 for neither."""
        errors = (self.dynamic_side, self.static_side, self.path_offset, self.heading_error)
        return torch.stack(errors, -1).sign()

    def mean(self, values: Float[Tensor, " b"]) -> Float[Tensor, ""]:
        """Mean over the decisions that count; 0 if there is none."""
        counted = torch.where(self.over, torch.zeros_like(values), values)
        return counted.sum() / (~self.over).sum().clamp(min=1)
