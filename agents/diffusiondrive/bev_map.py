"""The map a trajectory head looks at: coarse tokens and fine map together, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from drivelab.agents.transfuser.backbone import resize

Rectangle = tuple[slice, slice]  # rows and columns of the fine map


@dataclass(frozen=True, slots=True)
class BevMap:
    """A map of which any rectangle can be made alone, at the cost of its own cells."""

    project: Callable[[Tensor], Tensor]  # (b, v, u, c + d) -> (b, v, u, e)
    coarse: Float[Tensor, "b c y x"]
    fine: Float[Tensor, "b d v u"]

    def whole(self) -> Float[Tensor, "b e v u"]:
        """All cells."""
        return self._joined(resize(self.coarse, tuple(self.fine.shape[-2:])), self.fine)

    def part(self, cells: Rectangle) -> Float[Tensor, "b e i j"]:
        """A rectangle of `whole`, up to rounding."""
        rows, columns = (
            _blend(few, many, self.coarse)[place]
            for few, many, place in zip(
                self.coarse.shape[-2:], self.fine.shape[-2:], cells, strict=True
            )
        )
        coarse = rows @ (self.coarse @ columns.T)
        return self._joined(coarse, self.fine[..., cells[0], cells[1]])

    def _joined(
        self, coarse: Float[Tensor, "b c i j"], fine: Float[Tensor, "b d i j"]
    ) -> Float[Tensor, "b e i j"]:
        both = torch.cat([coarse, fine], 1)
        return self.project(both.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _blend(few: int, many: int, like: Tensor) -> Float[Tensor, "many few"]:
    """Share of each of `few` cells in each of `many`, as `resize` interpolates a row of them."""
    one_by_one = torch.eye(few, device=like.device, dtype=like.dtype)[None]
    return F.interpolate(one_by_one, many, mode="linear", align_corners=False)[0].T
