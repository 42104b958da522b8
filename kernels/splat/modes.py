"""Which pictures are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drivelab.kernels.splat.trace import Trace

NAMES = ("rgb", "depth", "alpha", "labels")


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """What a call of `render` is to draw.

    Attributes:
        names: some of NAMES.
        labels: (n,) uint8, a number for each Gaussian; None where no labels are asked for.
        trace: what the gradient is to fill, if anything.
    """

    names: tuple[str, ...]
    labels: Any = None
    trace: Trace | None = None

    @property
    def colours(self) -> bool:
        """Whether colours are asked for; without them their harmonics need no sums."""
        return "rgb" in self.names

    @staticmethod
    def of(names: Sequence[str], labels: Any, count: int, trace: Trace | None = None) -> Modes:
        """The modes as asked for.

        Raises:
            ValueError: a name that is none, or labels asked for without any.
        """
        for name in names:
            if name not in NAMES:
                raise ValueError(f"render: modes={tuple(names)}; expected some of {NAMES}")
        if "labels" not in names:
            return Modes(tuple(names), trace=trace)
        if labels is None:
            raise ValueError("render: modes has 'labels'; hand over a number of each as labels=")
        if tuple(labels.shape) != (count,):
            raise ValueError(
                f"render: labels have the shape {tuple(labels.shape)}; expected ({count},), one "
                "for each Gaussian"
            )
        return Modes(tuple(names), labels, trace)
