"""What every vision encoder takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Features:
    """What an encoder saw in a batch of images."""

    pyramid: tuple[Float[Tensor, "b _c _h _w"], ...]  # finest level first
    tokens: Float[Tensor, "b n d"]  # of the coarsest level, row by row
    strides: tuple[int, ...]  # pixels from one cell of a level to the next


@runtime_checkable
class VisionEncoder(Protocol):
    """Image -> features; every encoder in `ENCODERS` is one."""

    strides: tuple[int, ...]
    channels: tuple[int, ...]  # of each level of the pyramid

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        """See the images."""
        ...

    def classify(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        """Logits of the published task, with the published head."""
        ...
