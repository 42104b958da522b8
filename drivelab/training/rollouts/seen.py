"""Worlds that are looked at through sensors: what learning has to know of how that is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.views import View


class Seen(Protocol):
    """A way to look at worlds; what it draws are arrays of bytes."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of what is drawn for a decision, by the feature's name."""

    def core(self, options: EnvOptions, environments: int) -> EnvCore:
        """Worlds of their own, seen like this."""


class DrawnView(View, Protocol):
    """A view that takes its time to draw.

    Attributes:
        live: environments that are drawn after a step; the others keep what they last showed.
        seconds: spent on drawing after steps.
    """

    live: np.ndarray
    seconds: float


class DrawnCore(EnvCore):
    """Environments of which only those are drawn whose clip was not over before the step."""

    view: DrawnView

    def step(self, actions: Any) -> None:
        """One decision of every policy; the last state of a clip is still drawn."""
        self.view.live = ~self.over[:, 0]
        super().step(actions)
